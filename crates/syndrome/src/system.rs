//! Trapped MSR, MRS and SYS instructions.
//!
//! Owns the encoding of a system register as one number, its MSR/MRS fields where the ISS holds them, so a trap handler
//! is one `match`. DDI 0487 D24.2.40 (ISS encoding for trapped MSR, MRS, or System instruction), C5.1 (encodings).

use crate::low_byte;

/// The ISS bits that name a register: op0, op2, op1, `CRn`, `CRm`.
const ENCODING: u32 = 0x3f_fc1e;

/// One trapped access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemRegister {
    /// Which register: compare with [`encoding`] or the constants here.
    pub encoding: u32,
    /// The general register, 31 being XZR.
    pub rt: u8,
    /// MRS, else MSR or SYS.
    pub read: bool,
}

impl SystemRegister {
    #[inline]
    pub(crate) const fn decode(esr: u64) -> Self {
        let [a, b, c, _, ..] = esr.to_le_bytes();
        let encoding = u32::from_le_bytes([a, b, c, 0]) & ENCODING;
        Self { encoding, rt: low_byte(esr >> 5) & 0x1f, read: esr & 1 != 0 }
    }
}

/// Puts a register's encoding together, the arguments in the order of `S3_0_C12_C11_5`.
#[must_use]
pub const fn encoding(op0: u32, op1: u32, crn: u32, crm: u32, op2: u32) -> u32 {
    (op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | crm << 1) & ENCODING
}

/// Group 1 SGIs, this security state.
pub const ICC_SGI1R_EL1: u32 = encoding(3, 0, 12, 11, 5);
/// Group 1 SGIs, the other security state.
pub const ICC_ASGI1R_EL1: u32 = encoding(3, 0, 12, 11, 6);
/// Group 0 SGIs.
pub const ICC_SGI0R_EL1: u32 = encoding(3, 0, 12, 11, 7);
/// The CPU interface's system register enable.
pub const ICC_SRE_EL1: u32 = encoding(3, 0, 12, 12, 5);
/// Deactivation, trapped under `ICH_HCR_EL2.TC` or `TDIR`.
pub const ICC_DIR_EL1: u32 = encoding(3, 0, 12, 11, 1);
/// Priority mask, trapped under `ICH_HCR_EL2.TC`.
pub const ICC_PMR_EL1: u32 = encoding(3, 0, 4, 6, 0);
/// CPU interface control, trapped under `ICH_HCR_EL2.TC`.
pub const ICC_CTLR_EL1: u32 = encoding(3, 0, 12, 12, 4);
/// Running priority, trapped under `ICH_HCR_EL2.TC`.
pub const ICC_RPR_EL1: u32 = encoding(3, 0, 12, 11, 3);
/// Implementation-defined controls, trapped under `HCR_EL2.TACR`.
pub const ACTLR_EL1: u32 = encoding(3, 0, 1, 0, 1);
/// The OS lock, trapped under `MDCR_EL2.TDOSA`.
pub const OSLAR_EL1: u32 = encoding(2, 0, 1, 0, 4);
/// The OS lock's state, trapped under `MDCR_EL2.TDOSA`.
pub const OSLSR_EL1: u32 = encoding(2, 0, 1, 1, 4);
/// The OS double lock, trapped under `MDCR_EL2.TDOSA`.
pub const OSDLR_EL1: u32 = encoding(2, 0, 1, 3, 4);
/// Powerdown requests, trapped under `MDCR_EL2.TDOSA`.
pub const DBGPRCR_EL1: u32 = encoding(2, 0, 1, 4, 4);
/// The debug ROM's address, trapped under `MDCR_EL2.TDRA`.
pub const MDRAR_EL1: u32 = encoding(2, 0, 1, 0, 0);
/// The number of error records, trapped under `HCR_EL2.TERR`.
pub const ERRIDR_EL1: u32 = encoding(3, 0, 5, 3, 0);
