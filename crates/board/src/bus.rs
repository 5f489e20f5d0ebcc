//! Where a `reg` lies for the CPU: buses, their cells and their `ranges`.
//!
//! Owns the stack of buses between the root and the node being looked at. An address that a bus does not pass on is no
//! CPU address: it yields nothing, never the untranslated number. Devicetree Specification v0.4, 2.3.5, 2.3.6, 2.3.8.

use crate::node::Node;
use address::{Address, PhysAddr, Region};
use alloc::string::String;
use alloc::vec::Vec;
use tree::{Known, NodeId};

/// How many cells an address and a size of `reg` take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cells {
    pub(crate) address: u32,
    pub(crate) size: u32,
}

/// A bus on the way down to the node being looked at.
pub(crate) struct Bus<'a> {
    /// First node behind it.
    pub(crate) end: Option<NodeId>,
    /// Its full path, "" for the root.
    pub(crate) path: String,
    /// Cells of its children's `reg`.
    pub(crate) cells: Cells,
    /// Cells of an address of its own bus.
    pub(crate) parent_address: u32,
    /// Its `ranges`; empty passes everything on unchanged.
    pub(crate) ranges: &'a [u8],
    /// What its children's interrupts go to unless they say otherwise.
    pub(crate) interrupt_parent: Option<NodeId>,
}

/// Reads `bytes` as entries of consecutive numbers, number `i` being `widths[i]` cells wide; nothing where they do not
/// come out even. A number wider than 64 bits keeps its low 64.
pub(crate) fn entries<const N: usize>(bytes: &[u8], widths: [u32; N]) -> Option<impl Iterator<Item = [u64; N]> + '_> {
    let stride = widths.iter().try_fold(0_u32, |sum, width| sum.checked_add(*width))?;
    let stride = usize::try_from(stride.checked_mul(4)?).ok()?;
    if stride == 0 || bytes.len().checked_rem(stride)? != 0 {
        return None;
    }
    Some(bytes.chunks_exact(stride).map(move |entry| {
        let mut rest = entry.as_chunks().0;
        widths.map(|width| {
            let (words, behind) = rest.split_at_checked(width as usize).unwrap_or_default();
            rest = behind;
            words.iter().fold(0, |sum, word| sum << 32 | u64::from(u32::from_be_bytes(*word)))
        })
    }))
}

/// Passes an address through one `ranges` whose entries' numbers are `widths` cells wide.
pub(crate) fn step(ranges: &[u8], widths: [u32; 3], base: u64, size: u64) -> Option<u64> {
    if ranges.is_empty() {
        return Some(base);
    }
    entries(ranges, widths)?.find_map(|[child, parent, length]| {
        let offset = base.checked_sub(child)?;
        if offset.checked_add(size)? <= length { parent.checked_add(offset) } else { None }
    })
}

/// Translates an address of the innermost of `buses` to the CPU's.
pub(crate) fn translate(buses: &[Bus<'_>], base: u64, size: u64) -> Option<Region<PhysAddr>> {
    let up =
        |base, bus: &Bus<'_>| step(bus.ranges, [bus.cells.address, bus.parent_address, bus.cells.size], base, size);
    Region::new(PhysAddr::new(buses.iter().rev().try_fold(base, up)?), size)
}

/// Reads the `reg` of `node` as regions of the CPU's address space; what is empty or not passed on is left out.
/// Nothing where it does not come out even.
pub(crate) fn regions(buses: &[Bus<'_>], node: &Node<'_>) -> Option<Vec<Region<PhysAddr>>> {
    let Some(reg) = node.get(Known::Reg) else {
        return Some(Vec::new());
    };
    let cells = buses.last()?.cells;
    let mut regions = Vec::new();
    for [base, size] in entries(reg, [cells.address, cells.size])? {
        regions.extend(translate(buses, base, size));
    }
    Some(regions)
}
