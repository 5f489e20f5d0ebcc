//! The attribute bits of a leaf, by name, for the two regimes EL2 writes tables for.
//!
//! Owns bits \[54:53\], \[10:2\] and 0 of block and page descriptors; promises that device memory is never executable and
//! that the access flag is always set. Stage 2: DDI 0487 D8.3 (descriptors), D8.4 (S2AP, XN), D8.6
//! (`MemAttr` without FWB).
//! EL2 stage 1: D8.4 (AP, XN), D8.6 (`AttrIndx`).

/// The attribute bits of one leaf descriptor, where they stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes(pub u64);

/// Bit 0: the entry speaks.
pub(crate) const VALID: u64 = 0b01;
/// Valid, and the access flag: EL2 uses no access tracking, so a clear flag would only fault.
const LEAF: u64 = 1 << 10 | VALID;
/// SH = inner shareable.
const INNER_SHAREABLE: u64 = 0b11 << 8;
/// XN of both regimes; bit 53 stays 0, so its meaning does not depend on `FEAT_XNX`.
const XN: u64 = 1 << 54;

/// Stage-2 attributes (`HCR_EL2.FWB` = 0: the guest's stage 1 may weaken, never strengthen them).
pub mod stage2 {
    use super::{Attributes, INNER_SHAREABLE, LEAF, XN};

    /// `S2AP` = 0b11: loads and stores.
    const READ_WRITE: u64 = 0b11 << 6;

    /// RAM of a cell, `MemAttr` = 0b1111: normal, outer and inner write-back.
    pub const RAM: Attributes = Attributes(LEAF | 0b1111 << 2 | INNER_SHAREABLE | READ_WRITE);
    /// Device registers of a cell, `MemAttr` = 0b0001: device-nGnRE.
    pub const DEVICE: Attributes = Attributes(LEAF | 0b0001 << 2 | READ_WRITE | XN);
}

/// Attributes of EL2's own stage 1, a regime with one VA range and one privilege level.
pub mod el2 {
    use super::{Attributes, INNER_SHAREABLE, LEAF, VALID, XN};

    /// `MAIR_EL2` index of normal write-back memory; `controls::MAIR_EL2` agrees.
    pub const NORMAL_INDEX: u64 = 0;
    /// `MAIR_EL2` index of device-nGnRE memory; `controls::MAIR_EL2` agrees.
    pub const DEVICE_INDEX: u64 = 1;

    /// AP\[1\], RES1 where there is no lower privilege level to allow.
    const AP1: u64 = 1 << 6;
    /// AP\[2\]: read-only.
    const READ_ONLY: u64 = 1 << 7;
    const NORMAL: u64 = LEAF | NORMAL_INDEX << 2 | INNER_SHAREABLE | AP1;

    /// Code: read and execute.
    pub const TEXT: Attributes = Attributes(NORMAL | READ_ONLY);
    /// Constants: read.
    pub const RODATA: Attributes = Attributes(NORMAL | READ_ONLY | XN);
    /// Data, stacks, tables, heap: read and write.
    pub const DATA: Attributes = Attributes(NORMAL | XN);
    /// RAM of a cell: the same, but nothing until [`crate::switch`] turns it on.
    pub const GUEST: Attributes = Attributes(DATA.0 & !VALID);
    /// Device registers: read and write.
    pub const DEVICE: Attributes = Attributes(LEAF | DEVICE_INDEX << 2 | AP1 | XN);
}
