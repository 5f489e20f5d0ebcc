//! The errata of Arm's CPUs that EL2 meets on the CPUs concerned alone.
//!
//! Most are met on every CPU alike, or by firmware, or are the guest's: docs/cpus.md has all that concern EL2, with
//! condition, what is done and how that is tested.

/// An erratum: which CPUs have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erratum {
    /// `MIDR_EL1.PartNum`.
    part: u64,
    /// Last variant and revision concerned: r1p2 is 0x12.
    last: u64,
}

/// 834220, Cortex-A57 to r1p2: a load across a page boundary reports a fault of stage 2 although stage 1 refuses too,
/// which comes first (EPM-049219).
pub const STAGE1_HIDDEN: Erratum = Erratum { part: 0xd07, last: 0x12 };

impl Erratum {
    /// Tells whether the CPU with this `MIDR_EL1` has it.
    #[must_use]
    pub const fn concerns(self, midr: u64) -> bool {
        midr & 0xff00_fff0 == 0x4100_0000 | self.part << 4 && midr >> 16 & 0xf0 | midr & 0xf <= self.last
    }
}
