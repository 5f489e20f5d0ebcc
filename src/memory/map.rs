//! EL2's own translation: what is mapped besides the image, at its physical address.
//!
//! Guest RAM is mapped writable only while its cell is loaded, and no longer (invariant 2). Level 0 to 3, 4 KiB granule
//! (DDI 0487 D8.2). The tables live in the pool and in the image.

use super::{layout, pool};
use crate::el2::barrier::{Lock, hold};
use crate::el2::cache::Hardware;
use address::{Address, PAGE_BYTES, PhysAddr, Region, VirtAddr};
use stage2::attributes::{Attributes, el2 as attributes};
use stage2::{Maintenance, MapError, Regime, Table, TableMemory};

/// What one entry of a level-2 table maps.
const BLOCK: u64 = 2 << 20;

/// What EL2 may do with a mapping.
#[derive(Clone, Copy, Debug)]
pub enum Use {
    /// Read the tree, the bundle.
    Read,
    /// Fill guest RAM.
    Write,
    /// Drive a device.
    Device,
}

impl Use {
    fn attributes(self) -> Attributes {
        match self {
            Use::Read => attributes::RODATA,
            Use::Write => attributes::DATA,
            Use::Device => attributes::DEVICE,
        }
    }
}

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

/// The same, less allocation.
struct Standing(Tables);

impl TableMemory for Standing {
    fn allocate(&mut self) -> Option<PhysAddr> {
        None
    }

    fn table(&self, address: PhysAddr) -> Option<&Table> {
        self.0.table(address)
    }
}

/// Serialises changes of EL2's map; never taken on an exit path.
static MAP: Lock<Tables> = Lock::new(Tables);

fn root() -> PhysAddr {
    layout::physical(layout::root_table())
}

/// Maps the pages of `region` at their physical addresses.
pub fn map(region: Region<PhysAddr>, usage: Use) -> Result<(), MapError> {
    let Some(pages) = region.widen(PAGE_BYTES) else { return Err(MapError::OutOfRange) };
    place(VirtAddr::new(pages.base().get()), pages, usage)
}

/// Maps `region` at `address`.
pub fn place(address: VirtAddr, region: Region<PhysAddr>, usage: Use) -> Result<(), MapError> {
    let mut tables = hold(&MAP);
    stage2::map(&mut *tables, root(), 0, address.get(), region.base(), region.size(), usage.attributes())?;
    // What was invalid is in no TLB: the walkers need only see the entries.
    Hardware.dsb_ishst();
    Hardware.isb();
    Ok(())
}

/// Maps guest RAM to fill it, through tables that [`reserve`] made: allocates nothing.
pub fn fill(region: Region<PhysAddr>) -> Result<(), MapError> {
    let tables = hold(&MAP);
    let attributes = Use::Write.attributes();
    stage2::map(&mut Standing(*tables), root(), 0, region.base().get(), region.base(), region.size(), attributes)?;
    Hardware.dsb_ishst();
    Hardware.isb();
    Ok(())
}

/// Makes the tables that mapping `region` will need: those of its ends that are no whole 2 MiB, and of what lies between.
pub fn reserve(region: Region<PhysAddr>) -> Result<(), MapError> {
    let first = region.base().align_up(BLOCK).unwrap_or(region.end()).min(region.end());
    let last = region.end().align_down(BLOCK).max(first);
    let page = |at| Region::new(at, PAGE_BYTES);
    let head = page(region.base()).filter(|_| region.base() < first);
    let tail = page(last).filter(|_| last < region.end());
    [head, Region::from_ends(first, last), tail].into_iter().flatten().try_for_each(|piece| {
        map(piece, Use::Write)?;
        unmap(piece)
    })
}

/// Takes the pages of `region` out of EL2's map on every CPU. The tables stay, so mapping again allocates nothing.
pub fn unmap(region: Region<PhysAddr>) -> Result<(), MapError> {
    let tables = hold(&MAP);
    stage2::retire_mapping(&mut Hardware, Regime::El2, || {
        stage2::unmap(&*tables, root(), 0, region.base().get(), region.size())
    })?;
    Ok(())
}
