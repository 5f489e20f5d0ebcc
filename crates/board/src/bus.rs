//! Where a `reg` lies for the CPU: buses, their cells and their `ranges`.
//!
//! Owns the chain of buses between the root and the node being looked at. An address that a bus does not pass on is no
//! CPU address: it yields nothing, never the untranslated number. Devicetree Specification v0.4, 2.3.5, 2.3.6, 2.3.8.

use crate::error::{Read, malformed};
use crate::node::count;
use address::{Address, PhysAddr, Region};
use alloc::vec::Vec;
use tree::{Known, NodeId, Tree};

/// A bus on the way down to the node being looked at.
pub(crate) struct Bus<'b> {
    /// The bus it is on; the root is on none.
    pub(crate) up: Option<&'b Bus<'b>>,
    /// How many there are above it.
    pub(crate) depth: usize,
    pub(crate) node: NodeId,
    /// Cells of an address, and of a size, of its children's `reg`; absent means 2 and 1.
    pub(crate) address: usize,
    pub(crate) size: usize,
    /// Its `ranges`; empty passes everything on unchanged.
    ranges: &'b [u8],
    /// What its children's interrupts go to unless they say otherwise.
    pub(crate) interrupt_parent: Option<NodeId>,
}

impl<'b> Bus<'b> {
    /// Opens the bus `node`.
    pub(crate) fn new(tree: &'b Tree<'_>, node: NodeId, up: Option<&'b Bus<'b>>) -> Self {
        Self {
            up,
            depth: up.map_or(0, |up| up.depth.saturating_add(1)),
            node,
            address: count(tree, node, Known::AddressCells, 2),
            size: count(tree, node, Known::SizeCells, 1),
            ranges: tree.get(node, Known::Ranges).filter(|_| up.is_some()).unwrap_or_default(),
            // A bus that counts interrupt cells of its own translates what is below it; that much is not followed.
            interrupt_parent: match up {
                Some(_) if tree.has(node, Known::InterruptCells) => Some(node),
                _ => interrupt_parent(tree, node, up.and_then(|up| up.interrupt_parent)),
            },
        }
    }

    /// Passes `size` bytes at `base` on to the bus above.
    fn step(&self, base: u64, size: u64) -> Option<u64> {
        if self.ranges.is_empty() {
            return Some(base);
        }
        let parent = self.up?.address;
        let mut ranges = Numbers::new(self.ranges, self.size)?;
        loop {
            let (child, to, length) = (ranges.next(self.address)?, ranges.next(parent)?, ranges.next(self.size)?);
            if let Some(offset) = base.checked_sub(child)
                && offset.checked_add(size).is_some_and(|end| end <= length)
            {
                return to.checked_add(offset);
            }
        }
    }

    /// Translates an address of this bus to the CPU's.
    fn translate(&self, mut base: u64, size: u64) -> Option<Region<PhysAddr>> {
        let mut bus = Some(self);
        while let Some(this) = bus {
            base = this.step(base, size)?;
            bus = this.up;
        }
        Region::new(PhysAddr::new(base), size)
    }

    /// Returns the `reg` of `id` as regions of the CPU's address space; what is empty or not passed on is left out.
    pub(crate) fn regions(&self, tree: &Tree<'_>, id: NodeId) -> Read<Vec<Region<PhysAddr>>> {
        let reg = tree.get(id, Known::Reg).unwrap_or_default();
        self.windows(reg, 0, self.size).ok_or_else(|| malformed(tree, id, "reg"))
    }

    /// Returns entries of so many cells to be skipped, an address of this bus and a size of so many cells.
    pub(crate) fn windows(&self, bytes: &[u8], skipped: usize, size: usize) -> Option<Vec<Region<PhysAddr>>> {
        let mut numbers = Numbers::new(bytes, self.address.wrapping_add(size).wrapping_add(skipped))?;
        let mut windows = Vec::with_capacity(1);
        while !numbers.0.is_empty() {
            numbers.next(skipped)?;
            let (base, size) = (numbers.next(self.address)?, numbers.next(size)?);
            windows.extend(self.translate(base, size));
        }
        Some(windows)
    }
}

/// Returns what the interrupts of `node` and of those below it go to.
pub(crate) fn interrupt_parent(tree: &Tree<'_>, node: NodeId, inherited: Option<NodeId>) -> Option<NodeId> {
    match tree.get(node, Known::InterruptParent) {
        Some(phandle) => tree.by_phandle(u32::from_be_bytes(phandle.try_into().ok()?)),
        None => inherited,
    }
}

/// Consecutive numbers of so many cells each.
pub(crate) struct Numbers<'a>(pub(crate) &'a [u8]);

impl<'a> Numbers<'a> {
    /// Sees numbers in `bytes`; nothing where all of them would have no `width`, and reading them no end.
    pub(crate) fn new(bytes: &'a [u8], width: usize) -> Option<Self> {
        (width != 0 || bytes.is_empty()).then_some(Self(bytes))
    }

    /// Reads the next one, of one wider than 64 bits the low 64; nothing where it is cut short.
    pub(crate) fn next(&mut self, cells: usize) -> Option<u64> {
        let (number, rest) = self.0.split_at_checked(cells << 2)?;
        self.0 = rest;
        Some(match (number.last_chunk(), number.last_chunk()) {
            (Some(wide), _) => u64::from_be_bytes(*wide),
            (_, Some(word)) => u32::from_be_bytes(*word).into(),
            _ => 0,
        })
    }
}
