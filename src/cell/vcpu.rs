//! A cell's processor: owns one physical CPU for good.

use super::Cell;
use crate::gic;
use crate::trap::Frame;
use aarch64_cpu::registers as arch;
use address::PhysAddr;
use core::sync::atomic::{AtomicU64, Ordering};
use lifecycle::Zap;
use tock_registers::interfaces::Readable;
use vgic::Inbox;

/// A virtual CPU.
pub struct Vcpu {
    /// Its number in the cell: Aff0 of the `MPIDR_EL1` its guest reads.
    pub index: usize,
    /// Number of its physical CPU in the board's tree.
    pub cpu: usize,
    /// Its stage-2 root table.
    pub root: PhysAddr,
    /// SGIs on their way to it.
    pub inbox: Inbox,
    /// Its SGIs below this number go as physical ones of their own number, but for those to the vCPUs `excepted`: itself,
    /// unless it takes physical interrupts.
    pub sgis: u32,
    /// As a set.
    pub excepted: u32,
    /// What its CPU may deliver without the cell's lock.
    pub again: gic::Again,
    /// Whether its tables are its own.
    pub zap: Zap,
    /// With what it left the guest last.
    pub last: Snapshot,
}

/// How SGIs name the CPU of each of a cell's vCPUs, once it is up.
pub struct Doorbells(pub [AtomicU64; vgic::VCPUS]);

impl Doorbells {
    /// That of vCPU `index`.
    #[inline(always)]
    #[expect(clippy::indexing_slicing, reason = "the index is masked to the length")]
    pub fn of(&self, index: usize) -> &AtomicU64 {
        &self.0[index & 7]
    }
}

/// A vCPU's registers as its guest left them, for people.
pub struct Snapshot([AtomicU64; 36]);

impl Snapshot {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; 36])
    }

    /// Takes what the last exit to this CPU left, and x0 to x30.
    pub fn take(&self, frame: &Frame) {
        let state = [
            arch::ELR_EL2.get(),
            arch::SPSR_EL2.get(),
            arch::ESR_EL2.get(),
            arch::FAR_EL2.get(),
            arch::HPFAR_EL2.get(),
        ];
        for (place, value) in self.0.iter().zip(state.iter().chain(frame.general())) {
            place.store(*value, Ordering::Relaxed);
        }
    }

    fn get(&self, n: usize) -> u64 {
        self.0.get(n).map_or(0, |value| value.load(Ordering::Relaxed))
    }

    /// PC, PSTATE, and the exit's syndrome, address and page; nothing before the first.
    pub fn state(&self) -> Option<[u64; 5]> {
        let state = [self.get(0), self.get(1), self.get(2), self.get(3), self.get(4)];
        (state[1] != 0).then_some(state)
    }

    /// General register `n`.
    pub fn general(&self, n: usize) -> u64 {
        self.get(n.saturating_add(5))
    }
}

impl Vcpu {
    /// Its bit in a set of the cell's vCPUs.
    #[inline]
    pub fn bit(&self) -> u32 {
        1 << (self.index & 31)
    }

    /// Interrupts its CPU, so that it looks at its inbox and its cell's state. Passed through, interrupts reach it asleep only.
    #[inline]
    pub fn kick(&self, cell: &Cell) {
        if cell.sealed.passthrough {
            cell.zap(self);
        }
        cell.gic.send(self.cpu, gic::KICK);
    }
}

/// The vCPU a CPU runs, with its cell.
#[derive(Clone, Copy)]
pub struct Seat {
    /// The cell.
    pub cell: &'static Cell,
    /// The vCPU.
    pub vcpu: &'static Vcpu,
}
