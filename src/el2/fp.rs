//! Floating-point and SIMD registers: EL2 uses them for bulk memory only, a guest starts with zeros.

use controls::Features;
use core::arch::asm;

/// Clears SVE's predicates and first fault register.
pub fn clear_predicates() {
    // SAFETY: as in [`clear`].
    unsafe {
        asm!(
            ".arch_extension sve",
            ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
            "pfalse p\\n\\().b",
            ".endr",
            "wrffr p0.b",
            options(nomem, nostack)
        );
    }
}

/// Ends the guest's streaming mode, in which this CPU lacks instructions that EL2 uses.
pub fn leave_streaming_mode() {
    if super::features().has(Features::SME) {
        // SAFETY: `SVCR`: what the guest had in its registers is lost, as it is when a cell ends.
        unsafe { asm!("msr S3_3_C4_C2_2, xzr", options(nomem, nostack)) }
    }
}

/// Clears V0 to V31, FPCR and FPSR.
#[inline(never)]
pub fn clear() {
    // SAFETY: no guest's values are live; EL2 itself is built without floating point.
    unsafe {
        asm!(
            ".arch_extension fp",
            ".arch_extension simd",
            ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, \
            16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31",
            "movi v\\n\\().2d, #0",
            ".endr",
            "msr fpcr, xzr",
            "msr fpsr, xzr",
            options(nomem, nostack)
        );
    }
}
