//! Counters and timers: the guests' virtual counter, EL2's own timer.

use super::barrier;
use super::sysreg::CNTHP_CVAL_EL2;
use aarch64_cpu::registers as arch;
use tock_registers::interfaces::{Readable, Writeable};

/// Physical counter.
#[inline]
pub fn now() -> u64 {
    arch::CNTPCT_EL0.get()
}

/// Ticks of the counter in a second.
pub fn frequency() -> u64 {
    arch::CNTFRQ_EL0.get()
}

/// Turns both EL1 timers off.
pub fn stop_guest_timers() {
    arch::CNTV_CTL_EL0.set(0);
    arch::CNTP_CTL_EL0.set(0);
}

/// Interrupts this CPU at EL2 once the counter is at `time`, and not before.
pub fn alarm(time: u64) {
    CNTHP_CVAL_EL2::set(time);
    arch::CNTHP_CTL_EL2.set(1);
    barrier::synchronize();
}
