//! The stage-2 tables of one cell: a root of its own for every vCPU over shared lower tables.
//!
//! Promises that they translate exactly the regions given, for every vCPU alike. One root each lets
//! another CPU revoke a vCPU's memory, and so regain its CPU, without touching its siblings. Regions come from the
//! sealed plan. DDI 0487 D8.2: start level 1 gives 39 bits of IPA, as `controls::vtcr_el2` says.

use crate::attributes::Attributes;
use crate::table::{MapError, TableMemory, map, set_valid};
use address::{Address, Ipa, PhysAddr, Region};
use core::sync::atomic::Ordering::Relaxed;

/// The level of the root tables.
pub const START_LEVEL: u8 = 1;

/// Builds the tables of a cell and sets the root of each of its vCPUs, for `VTTBR_EL2.BADDR`.
///
/// # Errors
/// See [`MapError`].
pub fn build(
    memory: &mut dyn TableMemory,
    roots: &mut [PhysAddr],
    maps: &mut dyn Iterator<Item = (Ipa, Region<PhysAddr>, Attributes)>,
) -> Result<(), MapError> {
    for root in &mut *roots {
        *root = memory.allocate().ok_or(MapError::OutOfTables)?;
    }
    let Some((first, others)) = roots.split_first() else { return Ok(()) };
    for (ipa, region, attributes) in maps {
        map(memory, *first, START_LEVEL, ipa.get(), region.base(), region.size(), attributes)?;
    }
    for root in others {
        if let (Some(table), Some(first)) = (memory.table(*root), memory.table(*first)) {
            table.iter().zip(first).for_each(|(entry, first)| entry.store(first.load(Relaxed), Relaxed));
        }
    }
    Ok(())
}

/// Gives one vCPU all of its memory, or makes it abort, its entries kept: the vCPU's next access or fetch comes to EL2.
/// `root` is its root table. Who takes owes the invalidation ([`crate::publish`]); invalid entries are in no TLB.
pub fn give(memory: &dyn TableMemory, root: PhysAddr, all: bool) {
    for entry in memory.table(root).map_or(&[][..], |table| table) {
        set_valid(entry, entry.load(Relaxed), all);
    }
}
