//! The virtual timer (DDI 0487 D11): an absolute deadline in counter ticks.

use crate::{read_sysreg, write_sysreg};
use core::sync::atomic::{AtomicU64, Ordering};

/// Written by `entry.S`.
#[unsafe(export_name = "kit_began")]
static BEGAN: AtomicU64 = AtomicU64::new(0);

/// What the physical counter read at this guest's first instruction; a restart does not set it back.
#[must_use]
pub fn began() -> u64 {
    BEGAN.load(Ordering::Relaxed)
}

/// Ticks a second.
#[must_use]
pub fn frequency() -> u64 {
    read_sysreg!("cntfrq_el0")
}

/// The counter now.
#[must_use]
pub fn now() -> u64 {
    // An ISB keeps the read from being hoisted above what it times.
    crate::cpu::isb();
    read_sysreg!("cntvct_el0")
}

/// Raises the timer's interrupt when the counter reaches `deadline`.
pub fn arm(deadline: u64) {
    write_sysreg!("cntv_cval_el0", deadline);
    write_sysreg!("cntv_ctl_el0", 1);
}

/// Sets the physical timer so many ticks ahead, its interrupt masked: nobody hears of it. QEMU's `-icount` lets each CPU run
/// for a share of the time to its nearest timer, masked or not; once the one that is due has fired, the next may be a tenth
/// of a second away, and the CPU that it woke waits for the others' shares of that. A mark soon behind each deadline keeps
/// them small.
pub fn mark(ticks: u64) {
    write_sysreg!("cntp_tval_el0", ticks);
    write_sysreg!("cntp_ctl_el0", 3);
}

/// Raises no interrupt any more.
pub fn disarm() {
    write_sysreg!("cntv_ctl_el0", 2);
}

/// Raises the interrupt anew if its deadline has passed. QEMU's GICv2 looks at a line's level when it changes, not when
/// a virtual CPU interface ends its interrupt: a deadline that passes between the two would be lost.
pub(crate) fn renew() {
    let control = read_sysreg!("cntv_ctl_el0");
    if control & 5 == 5 {
        write_sysreg!("cntv_ctl_el0", 0);
        write_sysreg!("cntv_ctl_el0", control & 3);
    }
}

/// Spins for that long.
pub fn spin_ms(ms: u64) {
    let end = now().saturating_add(frequency().saturating_mul(ms) / 1000);
    while now() < end {
        core::hint::spin_loop();
    }
}
