//! The stage-2 tables of one cell: a root of its own for every vCPU over shared lower tables.
//!
//! Owns the roots; promises that they translate exactly the regions given, for every vCPU alike. One root each lets
//! another CPU revoke a vCPU's memory, and so regain its CPU, without touching its siblings. Regions come from the
//! sealed plan. DDI 0487 D8.2: start level 1 gives 39 bits of IPA, as `controls::vtcr_el2` says.

use crate::attributes::Kind;
use crate::maintenance::{Maintenance, Regime, retire_mapping};
use crate::table::{ENTRIES, Leaf, MapError, TableMemory, VALID, for_each_leaf, map, unmap, walk};
use address::{Address, Ipa, PhysAddr, Region};

/// Copies `count` entries of a table, in place too, with bit 0 set or clear where they are not 0.
fn copy<M: TableMemory>(memory: &mut M, from: PhysAddr, to: PhysAddr, count: usize, valid: u64) {
    for index in 0..count {
        let descriptor = memory.read(from, index);
        if descriptor != 0 {
            memory.write(to, index, descriptor & !VALID | valid);
        }
    }
}

/// The most vCPUs a cell may have.
pub const MAX_VCPUS: usize = 8;

/// The tables of one cell.
#[derive(Clone, Copy, Debug)]
pub struct Stage2 {
    roots: [PhysAddr; MAX_VCPUS],
    count: usize,
    /// Entries of a root up to the last that is in use.
    used: usize,
}

impl Stage2 {
    /// The level of the root tables.
    pub const START_LEVEL: u8 = 1;

    /// Builds the tables of a cell with `vcpus` vCPUs.
    ///
    /// # Errors
    /// See [`MapError`]; [`MapError::OutOfRange`] also where there are no vCPUs or more than [`MAX_VCPUS`].
    pub fn build<M: TableMemory>(
        memory: &mut M,
        vcpus: usize,
        maps: impl IntoIterator<Item = (Ipa, Region<PhysAddr>, Kind)>,
    ) -> Result<Self, MapError> {
        let mut stage2 = Self { roots: [PhysAddr::default(); MAX_VCPUS], count: vcpus, used: 0 };
        let Some((first, others)) = stage2.roots.get_mut(..vcpus).and_then(<[_]>::split_first_mut) else {
            return Err(MapError::OutOfRange);
        };
        *first = memory.allocate().ok_or(MapError::OutOfTables)?;
        for (ipa, region, kind) in maps {
            map(memory, *first, Self::START_LEVEL, ipa.get(), region.base(), region.size(), kind.attributes())?;
        }
        stage2.used =
            (0..ENTRIES).rev().find(|index| memory.read(*first, *index) != 0).map_or(0, |last| last.saturating_add(1));
        for root in others {
            *root = memory.allocate().ok_or(MapError::OutOfTables)?;
            copy(memory, *first, *root, stage2.used, VALID);
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

    /// Translates a guest's address, as its first vCPU's tables do.
    pub fn walk<M: TableMemory>(&self, memory: &M, ipa: Ipa) -> Option<Leaf> {
        walk(memory, self.root(0)?, Self::START_LEVEL, ipa.get())
    }

    /// Visits all that a vCPU can reach.
    pub fn for_each_leaf<M: TableMemory>(&self, memory: &M, vcpu: usize, mut visit: impl FnMut(Ipa, Leaf)) {
        if let Some(root) = self.root(vcpu) {
            for_each_leaf(memory, root, Self::START_LEVEL, |leaf| visit(Ipa::at(leaf.input), leaf));
        }
    }

    /// Makes all of one vCPU's memory abort, its entries kept: the vCPU's next access or fetch comes to EL2. The caller
    /// owes the invalidation ([`crate::publish`]).
    pub fn revoke<M: TableMemory>(&self, memory: &mut M, vcpu: usize) {
        if let Some(root) = self.root(vcpu) {
            copy(memory, root, root, self.used, 0);
        }
    }

    /// Undoes [`Stage2::revoke`]. Invalid entries are in no TLB: barriers are enough.
    pub fn reinstate<M: TableMemory>(&self, memory: &mut M, vcpu: usize) {
        if let Some(root) = self.root(vcpu) {
            copy(memory, root, root, self.used, VALID);
        }
    }

    /// Takes a region from every vCPU, none of them revoked: entries made invalid, then no TLB holds them. Returns the bytes unmapped.
    ///
    /// # Errors
    /// See [`unmap`].
    pub fn retire<M: TableMemory>(
        &self,
        memory: &mut M,
        maintenance: &mut impl Maintenance,
        vmid: u16,
        region: Region<Ipa>,
    ) -> Result<u64, MapError> {
        retire_mapping(maintenance, Regime::Cell { vmid }, || {
            // Leaves below the roots are shared: the first root finds them, the others find them gone.
            self.roots().iter().try_fold(0, |most: u64, &root| {
                unmap(memory, root, Self::START_LEVEL, region.base().get(), region.size()).map(|bytes| most.max(bytes))
            })
        })
    }
}
