//! The CPU features that change a control bit.
//!
//! Owns their reading from ID registers. A guest reads the CPU's own ID registers (`HCR_EL2.TID3` = 0), so what they show
//! must work at EL1: each feature here opens a gate that is otherwise closed. DDI 0487 D24.2 (`ID_AA64*_EL1`).

/// A set of features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features(u32);

impl Features {
    /// None: an ARMv8.0 CPU.
    pub const NONE: Self = Self(0);
    /// Pointer authentication.
    pub const POINTER_AUTH: Self = Self(1 << 0);
    /// `FEAT_SVE`.
    pub const SVE: Self = Self(1 << 1);
    /// `FEAT_SME`.
    pub const SME: Self = Self(1 << 2);
    /// `FEAT_MTE2`: allocation tags in memory.
    pub const MTE: Self = Self(1 << 3);
    /// `FEAT_RAS`.
    pub const RAS: Self = Self(1 << 4);
    /// `FEAT_CSV2_2`: `SCXTNUM_ELx`.
    pub const SCXTNUM: Self = Self(1 << 5);
    /// `FEAT_HCX`: there is an `HCRX_EL2`.
    pub const HCX: Self = Self(1 << 6);
    /// `FEAT_MOPS`.
    pub const MOPS: Self = Self(1 << 7);
    /// `FEAT_FGT`: there are fine-grained trap registers.
    pub const FGT: Self = Self(1 << 8);
    /// `FEAT_PMUv3`.
    pub const PMU: Self = Self(1 << 9);
    /// `FEAT_PMUv3p1`: EL2 can be kept out of the guest's counters.
    pub const PMU_V3P1: Self = Self(1 << 10);
    /// `FEAT_PMUv3p5`: EL2 can be kept out of the guest's cycle counter.
    pub const PMU_V3P5: Self = Self(1 << 11);
    /// `FEAT_SPE`: statistical profiling.
    pub const SPE: Self = Self(1 << 12);
    /// `FEAT_TRF`: trace filtering.
    pub const TRF: Self = Self(1 << 13);
    /// `FEAT_TCR2`: there is a `TCR2_EL1`.
    pub const TCR2: Self = Self(1 << 14);
    /// `FEAT_SCTLR2`: there is an `SCTLR2_EL1`.
    pub const SCTLR2: Self = Self(1 << 15);
    /// `FEAT_S1PIE`: permission indirection.
    pub const S1PIE: Self = Self(1 << 16);
    /// `FEAT_S1POE`: permission overlays.
    pub const S1POE: Self = Self(1 << 17);
    /// No CPU feature: its vCPU's interrupts are passed through.
    pub const PASSTHROUGH: Self = Self(1 << 18);
    /// The same with `GICv2`.
    pub const PASSTHROUGH_V2: Self = Self(1 << 19);

    /// Tells whether all of `other` is present.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Reads the features from a CPU's ID registers.
    #[must_use]
    pub fn read(ids: &IdRegisters) -> Self {
        let IdRegisters { pfr0, pfr1, isar1, isar2, mmfr0, mmfr1, mmfr3, dfr0 } = *ids;
        let registers = [pfr0, pfr1, isar1, isar2, mmfr0, mmfr1, mmfr3, dfr0];
        let mut features = Self::NONE;
        for &(feature, [register, shift, least, most]) in &FIELDS {
            let field =
                registers.get(usize::from(register)).map_or(0, |register| register.wrapping_shr(shift.into()) & 0xf);
            if (u64::from(least)..=u64::from(most)).contains(&field) {
                features = features.and(feature);
            }
        }
        features
    }
}

/// What shows a feature: the register by its place in [`IdRegisters`], the field's shift, its least and its highest value.
static FIELDS: [(Features, [u8; 4]); 24] = [
    (Features::RAS, [0, 28, 1, 15]),
    (Features::SVE, [0, 32, 1, 15]),
    (Features::SCXTNUM, [0, 56, 2, 15]),
    (Features::MTE, [1, 8, 2, 15]),
    (Features::SME, [1, 24, 1, 15]),
    (Features::SCXTNUM, [1, 32, 2, 15]),
    (Features::POINTER_AUTH, [2, 4, 1, 15]),
    (Features::POINTER_AUTH, [2, 8, 1, 15]),
    (Features::POINTER_AUTH, [2, 24, 1, 15]),
    (Features::POINTER_AUTH, [2, 28, 1, 15]),
    (Features::POINTER_AUTH, [3, 8, 1, 15]),
    (Features::POINTER_AUTH, [3, 12, 1, 15]),
    (Features::MOPS, [3, 16, 1, 15]),
    (Features::FGT, [4, 56, 1, 15]),
    (Features::HCX, [5, 40, 1, 15]),
    (Features::TCR2, [6, 0, 1, 15]),
    (Features::SCTLR2, [6, 4, 1, 15]),
    (Features::S1PIE, [6, 8, 1, 15]),
    (Features::S1POE, [6, 16, 1, 15]),
    (Features::PMU, [7, 8, 1, 14]), // 15 is the implementation's own
    (Features::PMU_V3P1, [7, 8, 4, 14]),
    (Features::PMU_V3P5, [7, 8, 6, 14]),
    (Features::SPE, [7, 32, 1, 15]),
    (Features::TRF, [7, 40, 1, 15]),
];

/// The ID registers that [`Features::read`] wants, as read by EL2.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdRegisters {
    /// `ID_AA64PFR0_EL1`.
    pub pfr0: u64,
    /// `ID_AA64PFR1_EL1`.
    pub pfr1: u64,
    /// `ID_AA64ISAR1_EL1`.
    pub isar1: u64,
    /// `ID_AA64ISAR2_EL1` (`S3_0_C0_C6_2`).
    pub isar2: u64,
    /// `ID_AA64MMFR0_EL1`.
    pub mmfr0: u64,
    /// `ID_AA64MMFR1_EL1`.
    pub mmfr1: u64,
    /// `ID_AA64MMFR3_EL1` (`S3_0_C0_C7_3`).
    pub mmfr3: u64,
    /// `ID_AA64DFR0_EL1`.
    pub dfr0: u64,
}
