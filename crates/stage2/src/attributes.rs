//! The attribute bits of a leaf, by name, for the two regimes EL2 writes tables for.
//!
//! Owns bits \[54:53\] and \[10:2\] of block and page descriptors; promises that device memory is never executable and
//! that the access flag is always set. Stage 2: DDI 0487 D8.3 (descriptors), D8.4 (S2AP, XN), D8.6
//! (`MemAttr` without FWB).
//! EL2 stage 1: D8.4 (AP, XN), D8.6 (`AttrIndx`).

/// The attribute bits of one leaf descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes(u64);

impl Attributes {
    /// The access flag: EL2 uses no access tracking, so a clear flag would only fault.
    const AF: Self = Self(1 << 10);
    /// SH = inner shareable.
    const INNER_SHAREABLE: Self = Self(0b11 << 8);
    /// XN of both regimes; bit 53 stays 0, so its meaning does not depend on `FEAT_XNX`.
    const XN: Self = Self(1 << 54);
    /// Returns the bits where they stand in a descriptor.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What a cell may do with a region of RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Stores; loads are always allowed.
    pub write: bool,
    /// Instruction fetches.
    pub execute: bool,
}

impl Rights {
    /// Private RAM of a cell.
    pub const RWX: Self = Self { write: true, execute: true };
    /// The writer's side of a channel.
    pub const RW: Self = Self { write: true, execute: false };
    /// The readers' side of a channel.
    pub const R: Self = Self { write: false, execute: false };
}

/// What a stage-2 region is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// RAM: normal, write-back, inner shareable.
    Ram(Rights),
    /// Device registers: device-nGnRE, read and write, never executable.
    Device,
}

impl Kind {
    /// Returns the stage-2 attributes.
    #[must_use]
    pub const fn attributes(self) -> Attributes {
        match self {
            Self::Ram(rights) => stage2::ram(rights),
            Self::Device => stage2::DEVICE,
        }
    }
}

/// Stage-2 attributes (`HCR_EL2.FWB` = 0: the guest's stage 1 may weaken, never strengthen them).
pub mod stage2 {
    use super::{Attributes, Rights};

    /// `MemAttr` = 0b1111: normal, outer and inner write-back.
    const NORMAL: Attributes = Attributes(0b1111 << 2);
    /// `MemAttr` = 0b0001: device-nGnRE.
    const DEVICE_NGNRE: Attributes = Attributes(0b0001 << 2);
    /// `S2AP` = 0b01: loads.
    const READ: Attributes = Attributes(0b01 << 6);
    /// `S2AP` = 0b10: stores.
    const WRITE: Attributes = Attributes(0b10 << 6);

    /// Device registers of a cell.
    pub const DEVICE: Attributes = DEVICE_NGNRE.or(READ).or(WRITE).or(Attributes::XN).or(Attributes::AF);

    /// RAM of a cell.
    #[must_use]
    pub const fn ram(rights: Rights) -> Attributes {
        let mut attributes = NORMAL.or(Attributes::INNER_SHAREABLE).or(READ).or(Attributes::AF);
        if rights.write {
            attributes = attributes.or(WRITE);
        }
        if !rights.execute {
            attributes = attributes.or(Attributes::XN);
        }
        attributes
    }
}

/// Attributes of EL2's own stage 1, a regime with one VA range and one privilege level.
pub mod el2 {
    use super::Attributes;

    /// `MAIR_EL2` index of normal write-back memory; `controls::MAIR_EL2` agrees.
    pub const NORMAL_INDEX: u64 = 0;
    /// `MAIR_EL2` index of device-nGnRE memory; `controls::MAIR_EL2` agrees.
    pub const DEVICE_INDEX: u64 = 1;

    /// AP\[1\], RES1 where there is no lower privilege level to allow.
    const AP1: Attributes = Attributes(1 << 6);
    /// AP\[2\]: read-only.
    const READ_ONLY: Attributes = Attributes(1 << 7);
    const NORMAL: Attributes = Attributes(NORMAL_INDEX << 2).or(Attributes::INNER_SHAREABLE).or(AP1).or(Attributes::AF);

    /// Code: read and execute.
    pub const TEXT: Attributes = NORMAL.or(READ_ONLY);
    /// Constants: read.
    pub const RODATA: Attributes = NORMAL.or(READ_ONLY).or(Attributes::XN);
    /// Data, stacks, tables, heap, and cell memory while EL2 prepares it: read and write.
    pub const DATA: Attributes = NORMAL.or(Attributes::XN);
    /// Device registers: read and write.
    pub const DEVICE: Attributes = Attributes(DEVICE_INDEX << 2).or(AP1).or(Attributes::XN).or(Attributes::AF);
}
