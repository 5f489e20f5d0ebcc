//! Device registers as types: the one place that turns a device's address into a reference.
//!
//! DDI 0487 B2.7.2: device memory is mapped nGnRE (`el2::DEVICE`) before a reference exists.

use super::layout;
use super::map;
use address::{Address, PhysAddr, Region};
use core::ops::Deref;
use stage2::attributes::el2;

/// A register block `T` of a device EL2 owns, mapped for good.
pub struct Mmio<T: 'static>(&'static T);

impl<T> Clone for Mmio<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Mmio<T> {}

// SAFETY: a register block is a device, the same from every CPU; its registers are read and written volatile, one at a
// time, and a driver that needs more order than that has its own lock.
unsafe impl<T> Sync for Mmio<T> {}
// SAFETY: as above.
unsafe impl<T> Send for Mmio<T> {}

impl<T> Mmio<T> {
    /// Maps `region`, which the plan keeps for EL2, and sees a `T` at its start; nothing where it does not fit.
    pub fn map(region: Region<PhysAddr>) -> Option<Self> {
        map_device(region)?;
        Self::at(region, 0)
    }

    /// Sees a `T` at `offset` of a region that [`Mmio::map`] mapped.
    pub fn at(region: Region<PhysAddr>, offset: u64) -> Option<Self> {
        let pointer: *const T = layout::pointer(address(region, offset, size_of::<T>(), align_of::<T>())?);
        // SAFETY: mapped as device memory, long and aligned enough; `T` is made of volatile registers (tock-registers),
        // so shared references may alias the device.
        Some(Self(unsafe { &*pointer }))
    }
}

#[inline(never)]
fn map_device(region: Region<PhysAddr>) -> Option<()> {
    map::map(region, el2::DEVICE).ok()
}

/// Where in `region` something of that size and alignment is.
#[inline(never)]
fn address(region: Region<PhysAddr>, offset: u64, size: usize, align: usize) -> Option<u64> {
    let address = region.base().checked_add(offset)?;
    let fits = offset.checked_add(size as u64)? <= region.size() && address.is_aligned(align as u64);
    fits.then_some(address.get())
}

impl<T> Deref for Mmio<T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.0
    }
}
