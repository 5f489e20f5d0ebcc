//! Faults EL2 gives to a guest: the syndrome, and where the guest's CPU goes on.
//!
//! Owns what hardware would have written to `ESR_EL1`, ELR, SPSR and PSTATE had it taken the exception to EL1; promises
//! that the guest ends in `EL1h` at its own vector, whatever state it was in. The caller writes `ELR_EL1`, `SPSR_EL1`,
//! `ESR_EL1` and `FAR_EL1`, then resumes at [`Entry`]. DDI 0487 D1.3 (exception entry, vector offsets), D24.2 (`ESR_EL1`).

use crate::IL;

/// The bits of EC that make an instruction abort (0x20) or a data abort (0x24) from a lower level.
const LOWER_ABORT: u64 = 0x24 << 26;
/// DFSC and IFSC of a synchronous external abort that is not on a walk.
const EXTERNAL: u64 = 0x10;
/// On a walk of stage 1; its level is added.
const EXTERNAL_ON_WALK: u64 = 0x14;
/// `ESR_EL2`: what stage 2 refused was a walk of stage 1.
const S1PTW: u64 = 1 << 7;
const WNR: u64 = 1 << 6;
const CM: u64 = 1 << 8;

/// Returns the `ESR_EL1` of an undefined instruction: EC 0.
#[must_use]
pub const fn undefined() -> u64 {
    IL
}

/// Returns the `ESR_EL1` of the external abort that an access gets which goes into a hole, or whose walk does: no instruction
/// syndrome, FAR valid. `esr` and `spsr` are those of the exit, `level` is that of the walk. The class is that of the abort taken: one more than the exit's from EL1; from EL0, where
/// M\[3:0\] is 0 in both states, the same.
#[must_use]
pub const fn external_abort(esr: u64, spsr: u64, level: u64) -> u64 {
    let same_level = (spsr & MODE != 0) as u64;
    let status = match esr & 0x3f {
        0x14..=0x17 => esr & 0x3f, // the bus refused it
        _ if esr & S1PTW != 0 => EXTERNAL_ON_WALK | level & 3,
        _ => EXTERNAL,
    };
    (esr & LOWER_ABORT | same_level << 26) | IL | esr & (WNR | CM) | status
}

/// Returns the level of a walk whose table lies at `table`, for the address `far`: exact for the table that `TTBR0_EL1` or
/// `TTBR1_EL1` names, else one below, since the cell's memory is not looked at (DDI 0487 D8.2.8: levels by size and granule).
#[must_use]
pub const fn walk_level(table: u64, far: u64, tcr: u64, [lower, upper]: [u64; 2]) -> u64 {
    // The granule's bits, a byte each, in the order of TG0 and TG1.
    let (size, base, granule): (u64, u64, u64) = if far >> 55 & 1 == 0 {
        (tcr & 0x3f, lower, 0x0c_0e_10_0c >> (tcr >> 11 & 0x18) & 0xff)
    } else {
        (tcr >> 16 & 0x3f, upper, 0x10_0c_0e_0c >> (tcr >> 27 & 0x18) & 0xff)
    };
    let stride = granule.saturating_sub(3);
    let (mut first, mut resolved): (u64, u64) = (3, 64_u64.saturating_sub(size).saturating_sub(granule));
    while resolved > stride && first > 0 {
        (first, resolved) = (first.wrapping_sub(1), resolved.wrapping_sub(stride));
    }
    let root = ((base & 0xffff_ffff_ffff) ^ table) >> granule == 0;
    if root || first >= 3 { first } else { first.saturating_add(1) }
}

/// Where a guest's CPU goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// For `ELR_EL2`.
    pub pc: u64,
    /// For `SPSR_EL2`.
    pub spsr: u64,
}

/// SPSR.M\[3:0\]: exception level and stack pointer.
const MODE: u64 = 0b1111;
/// SPSR.M\[4\].
const AARCH32: u64 = 1 << 4;
const EL1T: u64 = 0b0100;
const EL1H: u64 = 0b0101;
/// D, A, I and F, all masked.
const DAIF: u64 = 0b1111 << 6;
const SSBS: u64 = 1 << 12;
const PAN: u64 = 1 << 22;
/// What an exception leaves as it was: NZCV, DIT, PAN.
const KEPT: u64 = 0b1111 << 28 | 1 << 24 | PAN;
/// `SCTLR_EL1.SPAN`: leave PAN alone. RES1 without `FEAT_PAN`, where nothing then sets the bit.
const SCTLR_SPAN: u64 = 1 << 23;
/// `SCTLR_EL1.DSSBS`: the new PSTATE.SSBS.
const SCTLR_DSSBS: u64 = 1 << 44;

/// Returns where a synchronous exception taken from the state in `spsr_el2` begins, and in which state.
#[must_use]
pub const fn exception_entry(spsr_el2: u64, vbar_el1: u64, sctlr_el1: u64) -> Entry {
    let offset = match spsr_el2 & (AARCH32 | MODE) {
        mode if mode & AARCH32 != 0 => 0x600,
        0 => 0x400,
        EL1T => 0x000,
        _ => 0x200,
    };
    // AArch32 has J at bit 24: only NZCV and PAN stand where AArch64 has them.
    let kept = if spsr_el2 & AARCH32 != 0 { KEPT & !(1 << 24) } else { KEPT };
    let mut spsr = spsr_el2 & kept | DAIF | EL1H;
    if sctlr_el1 & SCTLR_SPAN == 0 {
        spsr |= PAN;
    }
    if sctlr_el1 & SCTLR_DSSBS != 0 {
        spsr |= SSBS;
    }
    Entry { pc: (vbar_el1 & !0x7ff).wrapping_add(offset), spsr }
}
