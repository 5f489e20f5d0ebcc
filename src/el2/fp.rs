//! Floating-point and SIMD registers: EL2 uses them for bulk memory only, a guest starts with zeros.

use controls::Features;
use core::arch::asm;

/// Clears SVE's predicates and first fault register.
pub fn clear_predicates() {
    macro_rules! clear {
        ($($register:literal)+) => {
            // SAFETY: as in [`clear`].
            unsafe {
                asm!(".arch_extension sve", $(concat!("pfalse ", $register, ".b"),)+ "wrffr p0.b", options(nomem, nostack))
            }
        };
    }
    clear!("p0" "p1" "p2" "p3" "p4" "p5" "p6" "p7" "p8" "p9" "p10" "p11" "p12" "p13" "p14" "p15");
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
    macro_rules! clear {
        ($($register:literal)+) => {
            // SAFETY: no guest's values are live; EL2 itself is built without floating point.
            unsafe {
                asm!(".arch_extension fp", ".arch_extension simd",
                    $(concat!("movi ", $register, ".2d, #0"),)+
                    "msr fpcr, xzr", "msr fpsr, xzr", options(nomem, nostack))
            }
        };
    }
    clear!("v0" "v1" "v2" "v3" "v4" "v5" "v6" "v7" "v8" "v9" "v10" "v11" "v12" "v13" "v14" "v15" "v16" "v17" "v18"
        "v19" "v20" "v21" "v22" "v23" "v24" "v25" "v26" "v27" "v28" "v29" "v30" "v31");
}
