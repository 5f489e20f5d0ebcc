//! The same interrupt again: the cheapest delivery, without the cell's lock.
//!
//! Owns what a CPU has to remember for it: the physical PPI and the SGI that the guest had last, and the list registers
//! they had, which the virtual GIC leaves to them while it has others. While the guest has ended one and nothing about it has changed, writing
//! that list register once more is all there is to do. A change by another vCPU on its way takes effect when this one syncs,
//! as for any interrupt that is in a list register already. IHI 0069H 6.2 (list registers).
use crate::masked::bit;
use crate::{Hardware, Inbox, ListRegister};

/// One interrupt and its list register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub lr: ListRegister,
    /// All ones if none.
    pub intid: u16,
    pub slot: u8,
}

impl Place {
    pub(crate) const NONE: Self = Self { lr: ListRegister(0), intid: u16::MAX, slot: 0 };

    #[inline]
    pub(crate) fn mask(&self) -> u32 {
        if self.intid == u16::MAX { 0 } else { bit(self.slot.into()) }
    }
}

/// What a vCPU's CPU may do without the lock: a copy of [`crate::Vgic::repeat`], renewed after each operation of that vCPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    pub(crate) ppi: Place,
    pub(crate) sgi: Place,
}

impl Repeat {
    /// Nothing.
    pub const NONE: Self = Self { ppi: Place::NONE, sgi: Place::NONE };

    /// Delivers the physical interrupt `intid` if it is the one that came last and the guest has ended it. False: call
    /// [`crate::Vgic::physical`].
    #[inline]
    pub fn ppi<H: Hardware>(&self, intid: u32, hw: &mut H) -> bool {
        let fits = u32::from(self.ppi.intid) == intid && hw.empty() & self.ppi.mask() != 0;
        if fits {
            hw.write_lr(self.ppi.slot.into(), self.ppi.lr);
        }
        fits
    }

    /// Delivers the only SGI in the inbox if it is the one that came last and the guest has ended it. False: call
    /// [`crate::Vgic::sync`]. Only for a physical SGI that says `Inbox::post`; one that says [`crate::Kicks`] needs `sync`.
    #[inline]
    pub fn sgi<H: Hardware>(&self, inbox: &Inbox, hw: &mut H) -> bool {
        let n = bit(self.sgi.intid.into());
        let fits = hw.empty() & self.sgi.mask() != 0 && inbox.take_only(n);
        if fits {
            hw.write_lr(self.sgi.slot.into(), self.sgi.lr);
        }
        fits
    }
}
