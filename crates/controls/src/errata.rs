//! The errata of Arm's CPUs that EL2 meets on the CPUs concerned alone.
//!
//! Most are met on every CPU alike, or by firmware, or are the guest's: docs/cpus.md has all that concern EL2, with
//! condition, what is done and how that is tested.

/// Tells whether the CPU with this `MIDR_EL1` has 834220, Cortex-A57 to r1p2: a load across a page boundary reports a fault
/// of stage 2 although stage 1 refuses too, which comes first (EPM-049219).
#[must_use]
pub const fn stage1_hidden(midr: u64) -> bool {
    midr & 0xff00_fff0 == 0x4100_d070 && midr >> 16 & 0xf0 | midr & 0xf <= 0x12
}
