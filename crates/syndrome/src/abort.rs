//! Data and instruction aborts from a guest.
//!
//! Owns the ISS of both; promises that `ipa` is present exactly where the architecture says `HPFAR_EL2` holds one, and
//! `access` exactly where the instruction syndrome is valid. An [`Ipa`] from here is an allegation: only a walk of the
//! cell's own stage 2 makes anything of it. DDI 0487 D24.2.40 (ISS encodings for a Data Abort, an Instruction Abort).

use crate::low_byte;
use address::Ipa;

/// Which check refused an access: DFSC or IFSC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// No translation at this level.
    Translation(u8),
    /// Not allowed at this level.
    Permission(u8),
    /// The access flag is clear at this level.
    AccessFlag(u8),
    /// An address at this level is larger than the implementation has.
    AddressSize(u8),
    /// A synchronous external abort, on the access or on a walk.
    External,
    /// Misaligned.
    Alignment,
    /// Two TLB entries for one address.
    TlbConflict,
    /// Anything else.
    Other(u8),
}

impl FaultKind {
    const fn decode(esr: u64) -> Self {
        let status = low_byte(esr) & 0x3f;
        let level = status & 0b11;
        match status {
            0x00..=0x03 => Self::AddressSize(level),
            0x04..=0x07 => Self::Translation(level),
            0x08..=0x0b => Self::AccessFlag(level),
            0x0c..=0x0f => Self::Permission(level),
            0x10 | 0x14..=0x17 => Self::External,
            0x21 => Self::Alignment,
            0x30 => Self::TlbConflict,
            other => Self::Other(other),
        }
    }
}

/// The transfer a data abort describes, where ESR.ISV = 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Bytes: 1, 2, 4 or 8.
    pub size: u8,
    /// The general register, 31 being XZR: a store of it stores 0, a load to it is dropped.
    pub register: u8,
    /// A load sign-extends.
    pub sign_extend: bool,
    /// The register is an X, else a W.
    pub sixty_four: bool,
}

impl Access {
    /// Returns what a load leaves in the register, given the bytes read.
    #[inline]
    #[must_use]
    pub fn load_value(&self, raw: u64) -> u64 {
        let unused = 64u32.saturating_sub(u32::from(self.size) << 3);
        // The top bit of the bytes is brought up, and down again with its copies or with zeroes behind it.
        let high = raw.wrapping_shl(unused);
        let value = if self.sign_extend {
            high.cast_signed().wrapping_shr(unused).cast_unsigned()
        } else {
            high.wrapping_shr(unused)
        };
        if self.sixty_four { value } else { value & 0xffff_ffff }
    }

    /// Returns the bytes a store writes, given the register.
    #[inline]
    #[must_use]
    pub fn store_value(&self, register: u64) -> u64 {
        let unused = 64u32.saturating_sub(u32::from(self.size) << 3);
        register.wrapping_shl(unused).wrapping_shr(unused)
    }
}

/// A data abort from a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataAbort {
    /// Where, if `HPFAR_EL2` says: not for a permission fault of the access itself (use `AT S1E1R` and `PAR_EL1`), nor
    /// for an external abort. With `stage1_walk`, the page of the guest's table.
    pub ipa: Option<Ipa>,
    /// The guest's virtual address, unless ESR.FnV.
    pub far: Option<u64>,
    /// A store (or cache maintenance, or both halves of an atomic).
    pub write: bool,
    /// The transfer, where the syndrome tells (ISV = 1): plain loads and stores of one register without writeback.
    pub access: Option<Access>,
    /// The access was the guest's own stage-1 walk.
    pub stage1_walk: bool,
    /// The access was cache maintenance or address translation.
    pub cache_maintenance: bool,
    /// Which check refused.
    pub fault: FaultKind,
}

impl DataAbort {
    #[inline]
    pub(crate) fn decode(esr: u64, far: u64, hpfar: u64) -> Self {
        let bit = |n: u32| esr >> n & 1 != 0;
        let (fault, stage1_walk) = (FaultKind::decode(esr), bit(7));
        let access = bit(24).then(|| Access {
            size: 1 << (low_byte(esr >> 22) & 0b11),
            register: low_byte(esr >> 16) & 0x1f,
            sign_extend: bit(21),
            sixty_four: bit(15),
        });
        Self {
            ipa: ipa(fault, stage1_walk, far, hpfar),
            far: (!bit(10)).then_some(far),
            write: bit(6),
            access,
            stage1_walk,
            cache_maintenance: bit(8),
            fault,
        }
    }
}

/// An instruction abort from a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstructionAbort {
    /// Where; present as for [`DataAbort::ipa`].
    pub ipa: Option<Ipa>,
    /// The guest's virtual address, unless ESR.FnV.
    pub far: Option<u64>,
    /// The access was the guest's own stage-1 walk.
    pub stage1_walk: bool,
    /// Which check refused.
    pub fault: FaultKind,
}

impl InstructionAbort {
    #[inline]
    pub(crate) fn decode(esr: u64, far: u64, hpfar: u64) -> Self {
        let (fault, stage1_walk) = (FaultKind::decode(esr), esr >> 7 & 1 != 0);
        let far_valid = esr >> 10 & 1 == 0;
        Self { ipa: ipa(fault, stage1_walk, far, hpfar), far: far_valid.then_some(far), stage1_walk, fault }
    }
}

/// Puts the faulting IPA together: the page from `HPFAR_EL2.FIPA`, the offset from `FAR_EL2`, which for a stage-1 walk
/// is the access's and not the walk's.
fn ipa(fault: FaultKind, stage1_walk: bool, far: u64, hpfar: u64) -> Option<Ipa> {
    let valid = match fault {
        FaultKind::Translation(_) | FaultKind::AccessFlag(_) | FaultKind::AddressSize(_) => true,
        FaultKind::Permission(_) => stage1_walk,
        _ => false,
    };
    valid.then(|| unmapped_at(if stage1_walk { 0 } else { far }, hpfar))
}

/// Puts the IPA together of an access that [`is_word`].
#[inline]
#[must_use]
pub const fn unmapped_at(far: u64, hpfar: u64) -> Ipa {
    Ipa::at((hpfar & 0x0fff_ffff_fff0) << 8 | far & 0xfff)
}

/// What drivers do most, in one test: an instruction of four bytes that loads or stores four, without sign, at an address
/// that stage 2 does not map; the syndrome says which register (bits 20 to 16) and which way (bit 6).
#[inline]
#[must_use]
pub const fn is_word(esr: u64) -> bool {
    // EC, IL, ISV, SAS, SSE; DFSC less its level. Of a walk there is no ISV.
    esr >> 21 & 0x7ff == 0x49 << 4 | 1 << 3 | 2 << 1 && esr >> 2 & 0xf == 1
}
