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
    pub const fn read(ids: &IdRegisters) -> Self {
        let pmu = field(ids.dfr0, 8);
        let found = [
            (Self::POINTER_AUTH, ids.isar1 >> 4 & 0xff | ids.isar1 >> 24 & 0xff | ids.isar2 >> 8 & 0xff != 0),
            (Self::SVE, field(ids.pfr0, 32) != 0),
            (Self::SME, field(ids.pfr1, 24) != 0),
            (Self::MTE, field(ids.pfr1, 8) >= 2),
            (Self::RAS, field(ids.pfr0, 28) != 0),
            (Self::SCXTNUM, field(ids.pfr0, 56) >= 2 || field(ids.pfr1, 32) >= 2),
            (Self::HCX, field(ids.mmfr1, 40) != 0),
            (Self::MOPS, field(ids.isar2, 16) != 0),
            (Self::FGT, field(ids.mmfr0, 56) != 0),
            (Self::PMU, pmu != 0 && pmu != 0xf),
            (Self::PMU_V3P1, pmu >= 4 && pmu != 0xf),
            (Self::PMU_V3P5, pmu >= 6 && pmu != 0xf),
            (Self::SPE, field(ids.dfr0, 32) != 0),
            (Self::TRF, field(ids.dfr0, 40) != 0),
            (Self::TCR2, field(ids.mmfr3, 0) != 0),
            (Self::SCTLR2, field(ids.mmfr3, 4) != 0),
            (Self::S1PIE, field(ids.mmfr3, 8) != 0),
            (Self::S1POE, field(ids.mmfr3, 16) != 0),
        ];
        let (mut rest, mut features): (&[(Self, bool)], _) = (&found, Self::NONE);
        while let [(feature, present), tail @ ..] = rest {
            if *present {
                features = features.and(*feature);
            }
            rest = tail;
        }
        features
    }
}

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

const fn field(register: u64, shift: u32) -> u64 {
    register >> shift & 0xf
}
