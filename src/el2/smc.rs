//! Calls to firmware, and only where the tree has a psci node: PSCI for EL2 itself, and for guests what `vpsci` lets
//! through about the CPU they own (SMCCC, DEN 0028).

use crate::memory::published::Published;
use board::Conduit;
use core::arch::asm;

/// How firmware is called that answers `SMCCC_ARCH_FEATURES`.
static ARCHITECTURE: Published<Conduit> = Published::new();

/// PSCI functions EL2 itself uses (DEN 0022 5.1): starts a CPU (MPIDR, entry, context); powers the board off; tells whether
/// firmware has a function.
pub const CPU_ON: u32 = 0xc400_0003;
pub const SYSTEM_OFF: u32 = 0x8400_0008;
const PSCI_FEATURES: u32 = 0x8400_000a;

/// Asks firmware whether it is one of SMCCC 1.1: older ones may not bear its functions (DEN 0028, appendix on discovery).
#[expect(clippy::trivially_copy_pass_by_ref, reason = "it is kept")]
pub fn discover(conduit: &'static Conduit) {
    const SMCCC_VERSION: u64 = 0x8000_0000;
    if call(*conduit, PSCI_FEATURES, [SMCCC_VERSION, 0, 0]) >= 0 {
        ARCHITECTURE.set(conduit);
    }
}

/// Asks firmware about this CPU, one of `vpsci`'s reviewed functions; -1 is "not supported".
pub fn architecture(function: u32, argument: u32) -> i64 {
    ARCHITECTURE.get().map_or(-1, |&conduit| call(conduit, function, [argument.into(), 0, 0]))
}

/// Calls firmware and returns x0.
#[inline(never)]
pub fn call(conduit: Conduit, function: u32, [a, b, c]: [u64; 3]) -> i64 {
    let mut result = u64::from(function);
    // SAFETY: these functions change no memory of ours; SMCCC clobbers x4 to x17 at most.
    unsafe {
        asm!("cbz {hvc:x}, 1f", "hvc #0", "b 2f", "1: smc #0", "2:", hvc = in(reg) u64::from(conduit == Conduit::Hvc),
            inout("x0") result, inout("x1") a => _, inout("x2") b => _, inout("x3") c => _,
            clobber_abi("C"), options(nostack));
    }
    result.cast_signed()
}
