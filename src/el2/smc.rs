//! Calls to firmware: PSCI only, and only where the tree has a psci node (SMCCC, DEN 0028).

use board::Conduit;
use core::arch::asm;

/// PSCI functions EL2 itself uses (DEN 0022 5.1).
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub enum Function {
    /// Starts a CPU: MPIDR, entry, context.
    CpuOn = 0xc400_0003,
    /// Powers the board off.
    SystemOff = 0x8400_0008,
}

/// Calls firmware and returns x0.
pub fn call(conduit: Conduit, function: Function, arguments: [u64; 3]) -> i64 {
    let [a, b, c] = arguments;
    let mut result = u64::from(function as u32);
    macro_rules! issue {
        ($instruction:literal) => {
            // SAFETY: PSCI functions change no memory of ours; SMCCC clobbers x4 to x17 at most.
            unsafe {
                asm!($instruction, inout("x0") result, inout("x1") a => _, inout("x2") b => _, inout("x3") c => _,
                    out("x4") _, out("x5") _, out("x6") _, out("x7") _, out("x8") _, out("x9") _, out("x10") _,
                    out("x11") _, out("x12") _, out("x13") _, out("x14") _, out("x15") _, out("x16") _, out("x17") _,
                    options(nostack))
            }
        };
    }
    match conduit {
        Conduit::Smc => issue!("smc #0"),
        Conduit::Hvc => issue!("hvc #0"),
    }
    result.cast_signed()
}
