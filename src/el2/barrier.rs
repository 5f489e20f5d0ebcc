//! Barriers and translation maintenance of EL2 itself (DDI 0487 D8.13, D8.17).

use aarch64_cpu::asm::barrier::{ISH, ISHST, SY, dsb, isb};
use core::arch::asm;

/// Makes table writes visible to every walker before anything uses them.
pub fn publish_tables() {
    dsb(ISHST);
    isb(SY);
}

/// Ends the use of mappings whose entries were just cleared, on every CPU.
pub fn retire_el2_mappings() {
    dsb(ISHST);
    // SAFETY: invalidation can only make walkers read the tables again.
    unsafe { asm!("tlbi alle2is", options(nostack)) };
    dsb(ISH);
    isb(SY);
}

/// Forgets every stage-1 and stage-2 translation of the current VMID on this CPU.
pub fn forget_vmid() {
    // SAFETY: as above.
    unsafe { asm!("tlbi vmalls12e1", options(nostack)) };
    dsb(ISH);
    isb(SY);
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

/// Makes system-register writes take effect.
pub fn synchronize() {
    isb(SY);
}
