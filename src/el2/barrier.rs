//! Barriers and waiting (DDI 0487 B2.6).

use aarch64_cpu::asm::barrier::{SY, dsb, isb};
use spin::RelaxStrategy;
use spin::mutex::{TicketMutex, TicketMutexGuard};

/// A lock whose waiters let others have the pipeline.
pub type Lock<T> = TicketMutex<T, Yield>;

/// A lock that is held.
pub type Held<'a, T> = TicketMutexGuard<'a, T, Yield>;

/// Takes a lock. Out of line: the code is the same for all of them.
#[inline(never)]
pub fn hold<T>(lock: &Lock<T>) -> Held<'_, T> {
    lock.lock()
}

/// Waiting by YIELD: on a simulator with one thread for all CPUs those who share it go on at once.
pub struct Yield;

impl RelaxStrategy for Yield {
    fn relax() {
        // SAFETY: a hint.
        unsafe { core::arch::asm!("yield", options(nomem, nostack)) };
    }
}
/// Waits for an interrupt to become pending; masked or not, it ends the wait.
pub fn wait_for_interrupt() {
    dsb(SY);
    aarch64_cpu::asm::wfi();
}

/// Completes all memory accesses of this CPU.
pub fn complete() {
    dsb(SY);
}

/// Wakes the CPUs that wait for an event, once what this CPU wrote is there to be read.
pub fn send_event() {
    dsb(SY);
    aarch64_cpu::asm::sev();
}

/// Makes system-register writes take effect.
pub fn synchronize() {
    isb(SY);
}
