//! EL2's own translation: what is mapped besides the image, at its physical address.
//!
//! Guest RAM has its entries from boot on, valid only while its cell is loaded, and no longer (invariant 2): loading
//! allocates nothing. Level 0 to 3, 4 KiB granule (DDI 0487 D8.2). The tables live in the pool and in the image.

use super::{layout, pool};
use crate::el2::barrier::{Lock, hold};
use crate::el2::cache::Hardware;
use address::{Address, PAGE_BYTES, PhysAddr, Region, VirtAddr};
use stage2::{Attributes, Maintenance, MapError, Regime, Table, TableMemory};

/// Tables in the image and its pool, reached at their linked addresses.
#[derive(Clone, Copy, Debug)]
pub struct Tables;

impl TableMemory for Tables {
    fn allocate(&mut self) -> Option<PhysAddr> {
        pool::frame()
    }

    fn table(&self, address: PhysAddr) -> Option<&Table> {
        let page = layout::linked(address)?;
        // SAFETY: a page of EL2's own image or pool that holds a table: only hardware walkers read it beside us.
        Some(unsafe { &*layout::pointer::<Table>(page.get()) })
    }
}

/// Serialises changes of EL2's map; never taken on an exit path.
static MAP: Lock<Tables> = Lock::new(Tables);

fn root() -> PhysAddr {
    layout::physical(layout::root_table())
}

/// Maps the pages of `region` at their physical addresses.
pub fn map(region: Region<PhysAddr>, attributes: Attributes) -> Result<(), MapError> {
    let pages = region.widen(PAGE_BYTES).ok_or(MapError::OutOfRange)?;
    place(VirtAddr::new(pages.base().get()), pages, attributes)
}

/// Maps `region` at `address`.
pub fn place(address: VirtAddr, region: Region<PhysAddr>, attributes: Attributes) -> Result<(), MapError> {
    let mut tables = hold(&MAP);
    stage2::map(&mut *tables, root(), 0, address.get(), region.base(), region.size(), attributes)?;
    // What was invalid is in no TLB: the walkers need only see the entries.
    Hardware.dsb_ishst();
    Hardware.isb();
    Ok(())
}

/// Lets EL2 reach the whole pages of `region`, which [`map`] mapped, or no CPU of it any longer. Allocates nothing.
pub fn switch(region: Region<PhysAddr>, on: bool) -> Result<(), MapError> {
    let tables = hold(&MAP);
    stage2::switch(&*tables, root(), 0, region.base().get(), region.size(), on)?;
    stage2::publish(&mut Hardware, Regime::El2);
    Ok(())
}
