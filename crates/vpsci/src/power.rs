//! The power state of a cell's vCPUs: off, claimed by a `CPU_ON`, waiting to start, on.
//!
//! Each vCPU's state changes by compare-and-exchange alone: OFF → CLAIMED and CLAIMED → PENDING by the vCPU that calls
//! `CPU_ON`, PENDING → ON and ON → OFF by the vCPU itself. Entry and context are written while CLAIMED and read after
//! PENDING was seen, so no reader sees half of them. DEN 0022 6.6.

use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use address::{Address, Ipa};

use crate::Error;

/// The most vCPUs of one cell.
pub const MAX_VCPUS: usize = 8;

const OFF: u8 = 0;
const CLAIMED: u8 = 1;
const PENDING: u8 = 2;
const ON: u8 = 3;

/// Where a vCPU starts, and what its x0 holds there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The first instruction.
    pub pc: Ipa,
    /// The context id of the call, for x0.
    pub context: u64,
}

/// One vCPU's.
#[derive(Debug)]
struct Switch {
    state: AtomicU8,
    entry: AtomicU64,
    context: AtomicU64,
}

/// The power state of one cell's vCPUs. Shared by its CPUs, without a lock.
#[derive(Debug)]
pub struct Power {
    switches: [Switch; MAX_VCPUS],
    count: usize,
}

impl Power {
    /// Makes the state of a cell of `count` vCPUs, at most [`MAX_VCPUS`], all off.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let switches = const {
            [const { Switch { state: AtomicU8::new(OFF), entry: AtomicU64::new(0), context: AtomicU64::new(0) } };
                MAX_VCPUS]
        };
        Self { switches, count: count.min(MAX_VCPUS) }
    }

    /// Switches every vCPU off and `boot_vcpu` on, as at the cell's first entry. None of the cell's vCPUs may run.
    pub fn reset(&self, boot_vcpu: usize) {
        for (vcpu, switch) in self.switches.iter().enumerate() {
            switch.state.store(if vcpu == boot_vcpu { ON } else { OFF }, Ordering::Release);
        }
    }

    /// Switches a running vCPU off; one that is off, or already wanted again, stays what it is.
    pub fn off(&self, vcpu: usize) {
        if let Some(switch) = self.switch(vcpu) {
            let _ = switch.state.compare_exchange(ON, OFF, Ordering::Release, Ordering::Relaxed);
        }
    }

    /// Takes the entry of a vCPU that was switched on and makes it run; its own CPU asks, while parked.
    #[must_use]
    pub fn take(&self, vcpu: usize) -> Option<Entry> {
        let switch = self.switch(vcpu)?;
        switch.state.compare_exchange(PENDING, ON, Ordering::Acquire, Ordering::Relaxed).ok()?;
        let pc = Ipa::new(switch.entry.load(Ordering::Relaxed));
        Some(Entry { pc, context: switch.context.load(Ordering::Relaxed) })
    }

    /// Tells whether `vcpu` is on: running its guest, or suspended.
    #[must_use]
    pub fn is_on(&self, vcpu: usize) -> bool {
        self.switch(vcpu).is_some_and(|switch| switch.state.load(Ordering::Acquire) == ON)
    }

    /// Tells whether every vCPU is off, none wanted again.
    #[must_use]
    pub fn all_off(&self) -> bool {
        self.switches.iter().all(|switch| switch.state.load(Ordering::Acquire) == OFF)
    }

    /// Switches `vcpu` on at `entry`; of racing callers one succeeds.
    pub(crate) fn on(&self, vcpu: usize, entry: Entry) -> Result<(), Error> {
        let switch = self.switch(vcpu).ok_or(Error::InvalidParameters)?;
        match switch.state.compare_exchange(OFF, CLAIMED, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => {
                switch.entry.store(entry.pc.get(), Ordering::Relaxed);
                switch.context.store(entry.context, Ordering::Relaxed);
                switch.state.store(PENDING, Ordering::Release);
                Ok(())
            }
            Err(ON) => Err(Error::AlreadyOn),
            Err(_) => Err(Error::OnPending),
        }
    }

    /// Returns what `AFFINITY_INFO` says of `vcpu`: 0 on, 1 off, 2 on its way.
    pub(crate) fn affinity_info(&self, vcpu: usize) -> Result<u64, Error> {
        let switch = self.switch(vcpu).ok_or(Error::InvalidParameters)?;
        Ok(match switch.state.load(Ordering::Acquire) {
            ON => 0,
            OFF => 1,
            _ => 2,
        })
    }

    #[inline(never)]
    fn switch(&self, vcpu: usize) -> Option<&Switch> {
        self.switches.get(..self.count)?.get(vcpu)
    }
}
