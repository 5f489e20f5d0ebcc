//! The stage-2 tables of one cell: a root of its own for every vCPU over shared lower tables.
//!
//! Owns the roots; promises that they translate exactly the regions given, for every vCPU alike. One root each lets
//! another CPU revoke a vCPU's memory, and so regain its CPU, without touching its siblings. Regions come from the
//! sealed plan. DDI 0487 D8.2: start level 1 gives 39 bits of IPA, as `controls::vtcr_el2` says.

use crate::attributes::Kind;
use crate::table::{MapError, TableMemory, VALID, map};
use address::{Address, Ipa, PhysAddr, Region};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The most vCPUs a cell may have.
pub const MAX_VCPUS: usize = 8;

/// The tables of one cell.
#[derive(Clone, Copy, Debug)]
pub struct Stage2 {
    roots: [PhysAddr; MAX_VCPUS],
    count: usize,
}

impl Stage2 {
    /// The level of the root tables.
    pub const START_LEVEL: u8 = 1;

    /// Builds the tables of a cell with `vcpus` vCPUs.
    ///
    /// # Errors
    /// See [`MapError`]; [`MapError::OutOfRange`] also where there are no vCPUs or more than [`MAX_VCPUS`].
    pub fn build(
        memory: &mut dyn TableMemory,
        vcpus: usize,
        maps: impl IntoIterator<Item = (Ipa, Region<PhysAddr>, Kind)>,
    ) -> Result<Self, MapError> {
        let mut stage2 = Self { roots: [PhysAddr::default(); MAX_VCPUS], count: vcpus };
        let Some((first, others)) = stage2.roots.get_mut(..vcpus).and_then(<[_]>::split_first_mut) else {
            return Err(MapError::OutOfRange);
        };
        *first = memory.allocate().ok_or(MapError::OutOfTables)?;
        for (ipa, region, kind) in maps {
            map(memory, *first, Self::START_LEVEL, ipa.get(), region.base(), region.size(), kind.attributes())?;
        }
        for root in others {
            *root = memory.allocate().ok_or(MapError::OutOfTables)?;
            for (entry, first) in entries(memory, *root).zip(entries(memory, *first)) {
                entry.store(first.load(Relaxed), Relaxed);
            }
        }
        Ok(stage2)
    }

    /// Returns the root table of a vCPU, for `VTTBR_EL2.BADDR`.
    #[must_use]
    pub fn root(&self, vcpu: usize) -> Option<PhysAddr> {
        self.roots().get(vcpu).copied()
    }

    /// Returns all root tables, vCPU 0's first.
    #[must_use]
    pub fn roots(&self) -> &[PhysAddr] {
        self.roots.get(..self.count).unwrap_or(&[])
    }
}

/// Makes all of one vCPU's memory abort, its entries kept: the vCPU's next access or fetch comes to EL2. `root` is its
/// root table. The caller owes the invalidation ([`crate::publish`]).
pub fn revoke(memory: &dyn TableMemory, root: PhysAddr) {
    entries(memory, root)
        .filter(|entry| entry.load(Relaxed) != 0)
        .for_each(|entry| _ = entry.fetch_and(!VALID, Relaxed));
}

/// Undoes [`revoke`]. Invalid entries are in no TLB: barriers are enough.
pub fn reinstate(memory: &dyn TableMemory, root: PhysAddr) {
    for entry in entries(memory, root) {
        if entry.load(Relaxed) != 0 {
            entry.fetch_or(VALID, Relaxed);
        }
    }
}

fn entries(memory: &dyn TableMemory, table: PhysAddr) -> impl Iterator<Item = &AtomicU64> {
    memory.table(table).into_iter().flatten()
}
