//! PSCI by the conduit the tree names (DEN 0022).

use core::arch::asm;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

static SMC: AtomicBool = AtomicBool::new(false);

/// The id of `SYSTEM_OFF`.
pub const SYSTEM_OFF: u64 = 0x8400_0008;
/// The id of `SYSTEM_RESET`.
pub const SYSTEM_RESET: u64 = 0x8400_0009;
const CPU_ON_64: u64 = 0xc400_0003;

unsafe extern "C" {
    fn secondary_start();
}

pub(crate) fn use_smc(smc: bool) {
    SMC.store(smc, Relaxed);
}

/// Calls the firmware: function id and three arguments; returns its x0.
pub fn call(function: u64, a: u64, b: u64, c: u64) -> u64 {
    let (result, smc) = (function, SMC.load(Relaxed));
    if smc { smc_call(result, a, b, c) } else { hvc_call(result, a, b, c) }
}

macro_rules! conduit {
    ($(#[$doc:meta])* $name:ident, $instruction:literal) => {
        $(#[$doc])*
        pub fn $name(function: u64, a: u64, b: u64, c: u64) -> u64 {
            let result: u64;
            // SAFETY: SMCCC 1.0 keeps x18 and above and the stack; what a call does to memory (starting a CPU)
            // is the compiler's to assume, since memory is not declared untouched.
            unsafe {
                asm!($instruction, inout("x0") function => result, inout("x1") a => _, inout("x2") b => _, inout("x3") c => _,
                    out("x4") _, out("x5") _, out("x6") _, out("x7") _, out("x8") _, out("x9") _, out("x10") _, out("x11") _,
                    out("x12") _, out("x13") _, out("x14") _, out("x15") _, out("x16") _, out("x17") _, options(nostack));
            }
            result
        }
    };
}

conduit!(
    /// Calls by `hvc #0`.
    hvc_call, "hvc #0");
conduit!(
    /// Calls by `smc #0`.
    smc_call, "smc #0");

/// Starts the CPU of that affinity in `guest_secondary(index)`; the PSCI error code if refused.
pub fn cpu_on(affinity: u64, index: usize) -> Result<(), u64> {
    let entry = (secondary_start as unsafe extern "C" fn()) as usize;
    match call(CPU_ON_64, affinity, entry as u64, index as u64) {
        0 => Ok(()),
        code => Err(code),
    }
}

/// Asks for the next life.
pub fn system_reset() -> ! {
    call(SYSTEM_RESET, 0, 0, 0);
    crate::cpu::park()
}

/// Turns the machine off.
pub fn system_off() -> ! {
    call(SYSTEM_OFF, 0, 0, 0);
    crate::cpu::park()
}
