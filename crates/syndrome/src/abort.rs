//! Data and instruction aborts from a guest.
//!
//! Owns the ISS of both; promises that [`Abort::ipa`] tells an address exactly where the architecture says `HPFAR_EL2` holds
//! one, and [`Abort::access`] a transfer exactly where the instruction syndrome is valid. An [`Ipa`] from here is an
//! allegation: only a walk of the cell's own stage 2 makes anything of it. DDI 0487 D24.2.40 (ISS encodings for a Data Abort,
//! an Instruction Abort).

use crate::{Syndrome, low_byte};
use address::Ipa;

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
        let unused = 64u32.wrapping_sub(u32::from(self.size) << 3);
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
        let unused = 64u32.wrapping_sub(u32::from(self.size) << 3);
        register.wrapping_shl(unused).wrapping_shr(unused)
    }
}

/// A load, store or fetch that stage 2 (or the bus) refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abort(pub(crate) Syndrome);

impl Abort {
    const fn bit(self, n: u32) -> bool {
        self.0.esr >> n & 1 != 0
    }

    /// Tells whether it was a fetch.
    #[must_use]
    pub const fn is_fetch(self) -> bool {
        self.0.class() == 0x20
    }

    /// Tells whether it was a store (or cache maintenance, or both halves of an atomic).
    #[must_use]
    pub const fn is_write(self) -> bool {
        self.bit(6)
    }

    /// What the guest did, as a sentence goes on.
    #[must_use]
    pub const fn verb(self) -> &'static str {
        match (self.is_fetch(), self.is_write()) {
            (true, _) => "fetch from",
            (_, true) => "write to",
            _ => "read of",
        }
    }

    /// Tells whether the access was the guest's own stage-1 walk.
    #[must_use]
    pub const fn is_stage1_walk(self) -> bool {
        self.bit(7)
    }

    /// Which check refused: DFSC or IFSC.
    pub(crate) const fn status(self) -> u8 {
        low_byte(self.0.esr) & 0x3f
    }

    /// Tells whether stage 2 has no translation there.
    #[must_use]
    pub const fn is_translation(self) -> bool {
        self.status() & 0x3c == 0x04
    }

    /// The guest's virtual address, unless ESR.FnV.
    #[must_use]
    pub fn far(self) -> Option<u64> {
        (!self.bit(10)).then_some(self.0.far)
    }

    /// Where, if `HPFAR_EL2` says: not for a permission fault of the access itself (use `AT S1E1R` and `PAR_EL1`), nor for
    /// an external abort. Of a stage-1 walk the page of the guest's table: the offset in `FAR_EL2` is the access's.
    #[must_use]
    pub fn ipa(self) -> Option<Ipa> {
        let (walk, Syndrome { far, hpfar, .. }) = (self.is_stage1_walk(), self.0);
        (self.status() < if walk { 0x10 } else { 0x0c }).then(|| unmapped_at(if walk { 0 } else { far }, hpfar))
    }

    /// The transfer, where the syndrome tells (ISV = 1): plain loads and stores of one register without writeback.
    #[must_use]
    pub fn access(self) -> Option<Access> {
        let esr = self.0.esr;
        (self.bit(24) && !self.is_fetch()).then(|| Access {
            size: 1 << (low_byte(esr >> 22) & 0b11),
            register: low_byte(esr >> 16) & 0x1f,
            sign_extend: self.bit(21),
            sixty_four: self.bit(15),
        })
    }
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
