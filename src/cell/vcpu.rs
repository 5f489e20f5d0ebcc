//! A cell's processor: owns one physical CPU for good.

use super::Cell;
use crate::gic;
use address::PhysAddr;
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
}

impl Vcpu {
    /// Its bit in a set of the cell's vCPUs.
    #[inline]
    pub fn bit(&self) -> u32 {
        1 << (self.index & 31)
    }

    /// Interrupts its CPU, so that it looks at its inbox and its cell's state.
    #[inline]
    pub fn kick(&self) {
        if let Some(gic) = gic::get() {
            gic.send(self.cpu, gic::KICK);
        }
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
