//! The CPU features that change a control bit.
//!
//! Owns their reading from ID registers. A guest reads the CPU's own ID registers (`HCR_EL2.TID3` = 0), so what they show
//! must work at EL1: each feature here opens a gate that is otherwise closed. DDI 0487 D24.2 (`ID_AA64*_EL1`).

/// A set of features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features(u32);

/// A row reads `NAME = number` and, for each field that shows the feature, `(register, shift, least value)`: the register
/// by its place in what [`Features::read`] is given.
macro_rules! features {
    ($($(#[$doc:meta])* $name:ident = $number:literal $(, ($register:literal, $shift:literal, $least:literal))*;)*) => {
        impl Features {
            $($(#[$doc])* pub const $name: Self = Self(1 << $number);)*
        }
        static FIELDS: &[(Features, u8, u8, u8)] =
            &[$($((Features::$name, $register, $shift, $least),)*)*];
    };
}

features! {
    /// Pointer authentication.
    POINTER_AUTH = 0, (2, 4, 1), (2, 8, 1), (2, 24, 1), (2, 28, 1), (3, 8, 1), (3, 12, 1);
    /// `FEAT_SVE`.
    SVE = 1, (0, 32, 1);
    /// `FEAT_SME`.
    SME = 2, (1, 24, 1);
    /// `FEAT_MTE2`: allocation tags in memory.
    MTE = 3, (1, 8, 2);
    /// `FEAT_RAS`.
    RAS = 4, (0, 28, 1);
    /// `FEAT_CSV2_2`: `SCXTNUM_ELx`.
    SCXTNUM = 5, (0, 56, 2), (1, 32, 2);
    /// `FEAT_HCX`: there is an `HCRX_EL2`.
    HCX = 6, (5, 40, 1);
    /// `FEAT_MOPS`.
    MOPS = 7, (3, 16, 1);
    /// `FEAT_FGT`: there are fine-grained trap registers.
    FGT = 8, (4, 56, 1);
    /// `FEAT_PMUv3`.
    PMU = 9, (7, 8, 1);
    /// `FEAT_PMUv3p1`: EL2 can be kept out of the guest's counters.
    PMU_V3P1 = 10, (7, 8, 4);
    /// `FEAT_PMUv3p5`: EL2 can be kept out of the guest's cycle counter.
    PMU_V3P5 = 11, (7, 8, 6);
    /// `FEAT_SPE`: statistical profiling.
    SPE = 12, (7, 32, 1);
    /// `FEAT_TRF`: trace filtering.
    TRF = 13, (7, 40, 1);
    /// `FEAT_TCR2`: there is a `TCR2_EL1`.
    TCR2 = 14, (6, 0, 1);
    /// `FEAT_SCTLR2`: there is an `SCTLR2_EL1`.
    SCTLR2 = 15, (6, 4, 1);
    /// `FEAT_S1PIE`: permission indirection.
    S1PIE = 16, (6, 8, 1);
    /// `FEAT_S1POE`: permission overlays.
    S1POE = 17, (6, 16, 1);
    /// No CPU feature: its vCPU's interrupts are passed through.
    PASSTHROUGH = 18;
    /// The same with `GICv2`.
    PASSTHROUGH_V2 = 19;
}

impl Features {
    /// None: an ARMv8.0 CPU.
    pub const NONE: Self = Self(0);

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

    /// Reads the features from a CPU's ID registers: `ID_AA64PFR0_EL1`, PFR1, ISAR1, ISAR2, MMFR0, MMFR1, MMFR3 and DFR0.
    #[must_use]
    pub fn read(mut ids: [u64; 8]) -> Self {
        // A PMU of 15 is the implementation's own.
        ids[7] &= if ids[7] >> 8 & 0xf == 0xf { !0xf00 } else { u64::MAX };
        let shown = FIELDS.iter().filter(|(_, register, shift, least)| {
            let id = ids.get(usize::from(*register));
            id.is_some_and(|id| id.wrapping_shr((*shift).into()) & 0xf >= (*least).into())
        });
        shown.fold(Self::NONE, |features, (feature, ..)| features.and(*feature))
    }
}
