//! How stage 2 and EL2's own stage 1 translate.
//!
//! Owns the values of `VTCR_EL2`, `TCR_EL2`, `MAIR_EL2` and `SCTLR_EL2`; promises an output size the 4 KiB granule can
//! have and the CPU implements. Crate `stage2` writes the tables these registers describe: its tests hold the two
//! together. DDI 0487 D24.2 (each register by name), D8.2 (start level and sizes).

use crate::features::Features;
use crate::table::table;

/// What both table walkers share: walks are cacheable and shareable as EL2's stores to the tables are.
const WALKS: u64 = 0b01 << 8 | 0b01 << 10 | 0b11 << 12;

table! {
    /// Stage 2. [`vtcr_el2`] adds T0SZ and PS.
    ///
    /// | clear | bits | why |
    /// |---|---|---|
    /// | TG0 | 15:14 | 4 KiB granule |
    /// | VS | 19 | 8-bit VMIDs: there are fewer cells than that |
    /// | HA, HD | 22:21 | hardware writes no table of EL2's |
    /// | DS | 32 | no 52-bit descriptors |
    VTCR_EL2 {
        "SL0" = 0b01 << 6, "walks start at level 1: one root page spans 39 bits";
        "IRGN0, ORGN0, SH0" = WALKS, "walks read the caches that EL2 writes the tables through";
        "RES1" = 1 << 31, "reserved, one";
    }
}

/// Returns `VTCR_EL2` for a CPU with this `ID_AA64MMFR0_EL1.PARange`: IPAs of 39 bits, or of all the CPU has if fewer.
#[must_use]
pub const fn vtcr_el2(pa_range: u64) -> u64 {
    let t0sz = match pa_range {
        0 => 64 - 32,
        1 => 64 - 36,
        _ => 64 - 39,
    };
    VTCR_EL2.value(Features::NONE) | t0sz | output_size(pa_range) << 16
}

table! {
    /// EL2's stage 1. [`tcr_el2`] adds PS.
    ///
    /// | clear | bits | why |
    /// |---|---|---|
    /// | TG0 | 15:14 | 4 KiB granule |
    /// | TBI | 20 | EL2 puts nothing into the top byte of a pointer |
    /// | HA, HD | 22:21 | hardware writes no table of EL2's |
    TCR_EL2 {
        "T0SZ" = 64 - 48, "48-bit addresses: walks start at level 0";
        "IRGN0, ORGN0, SH0" = WALKS, "walks read the caches that EL2 writes the tables through";
        "RES1" = 1 << 23 | 1 << 31, "reserved, one";
    }
}

/// Returns `TCR_EL2` for a CPU with this `ID_AA64MMFR0_EL1.PARange`.
#[must_use]
pub const fn tcr_el2(pa_range: u64) -> u64 {
    TCR_EL2.value(Features::NONE) | output_size(pa_range) << 16
}

/// PS: what the CPU implements, but at most 48 bits. A CPU with 52 (`PARange` = 6) has them for the 64 KiB granule, or
/// for 4 KiB with `FEAT_LPA2`, which these tables do not use.
const fn output_size(pa_range: u64) -> u64 {
    if pa_range > 5 { 5 } else { pa_range }
}

table! {
    /// The memory types EL2's stage 1 knows.
    MAIR_EL2 {
        "Attr0" = 0xff, "normal, write-back, read and write allocate: stage2::attributes::el2::NORMAL_INDEX";
        "Attr1" = 0x04 << 8, "device-nGnRE: stage2::attributes::el2::DEVICE_INDEX";
    }
}

table! {
    /// EL2's own MMU and caches.
    ///
    /// | clear | bits | why |
    /// |---|---|---|
    /// | A | 1 | unaligned loads of normal memory are sound; device registers are only reached by Mmio |
    /// | EE | 25 | little-endian |
    SCTLR_EL2 {
        "M" = 1 << 0, "EL2 runs translated: W^X and guard pages hold";
        "C" = 1 << 2, "data is cached, as stage 2 has it: no mismatched aliases";
        "SA" = 1 << 3, "a misaligned stack pointer faults at once";
        "I" = 1 << 12, "instructions are cached";
        "WXN" = 1 << 19, "what is writable is never executable, whatever a descriptor says";
        "RES1" = 0x30c5_0830, "reserved, one, or their ARMv8.0 meaning where a later feature uses them";
    }
}
