//! Writes and removes leaves of one tree of tables, whichever regime it belongs to.
//!
//! Owns the shape of a walk; promises never to split a block nor to replace a valid entry by a different valid one
//! (break-before-make), to stay inside the input range the start level spans, and to end. Pages come
//! from [`TableMemory`], zeroed; what is written is visible to a walker after [`crate::publish`]. DDI 0487 D8.2 (walk), D8.3
//! (descriptors), D8 "TLB maintenance" (break-before-make).

use crate::attributes::Attributes;
use address::{Address, PAGE_BYTES, PhysAddr};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Entries of one table.
const ENTRIES: usize = 512;
/// Output addresses end here: 48 bits, the most the 4 KiB granule knows without `FEAT_LPA2`.
const OUTPUT_END: u64 = 1 << 48;
/// Bits \[47:12\]: the next table's, or at level 3 the page's, address.
const ADDRESS: u64 = OUTPUT_END.wrapping_sub(PAGE_BYTES);
/// Bit 0: the entry speaks.
pub(crate) const VALID: u64 = 0b01;
const TABLE_OR_PAGE: u64 = 0b11;
const LAST_LEVEL: u8 = 3;

/// One table: hardware reads it while we write, each entry by one 64-bit store.
pub type Table = [AtomicU64; ENTRIES];

/// Where tables live: EL2's pool on the board, a vector in tests.
pub trait TableMemory {
    /// Hands out one zeroed page, or nothing where none is left.
    fn allocate(&mut self) -> Option<PhysAddr>;
    /// Returns the table at `address`, or nothing for what is none.
    fn table(&self, address: PhysAddr) -> Option<&Table>;
}

/// Why a mapping was not made or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// No page was left for a table.
    OutOfTables,
    /// Input, output or size is no multiple of 4 KiB, or the size is 0.
    Misaligned,
    /// Input or output reaches past what the tables can address.
    OutOfRange,
    /// A different valid entry stands here: replacing it would need break-before-make.
    Occupied {
        /// The input address of that entry's conflict.
        input: u64,
    },
    /// A block reaches past what is to be removed.
    Split {
        /// The input address the block begins at.
        input: u64,
    },
}

/// Maps `size` bytes at `input` to `output` with the largest leaves both sides allow.
///
/// # Errors
/// See [`MapError`]. What was written before the error stays: a root that failed is thrown away, not used.
pub fn map<M: TableMemory>(
    memory: &mut M,
    root: PhysAddr,
    start_level: u8,
    input: u64,
    output: PhysAddr,
    size: u64,
    leaf: Attributes,
) -> Result<(), MapError> {
    let end = range_end(start_level, input, size)?;
    let (mut at, mut to) = (input, output.get());
    if !output.is_aligned(PAGE_BYTES) {
        return Err(MapError::Misaligned);
    }
    if to.checked_add(size).is_none_or(|end| end > OUTPUT_END) {
        return Err(MapError::OutOfRange);
    }
    while at < end {
        let (table, level) = descend(memory, root, start_level, at, to, end)?;
        let (span, bits) = (span(level), leaf.bits() | if level == LAST_LEVEL { TABLE_OR_PAGE } else { VALID });
        // The rest of this table in one go: the next one is found from the root again.
        let fit = index(end.wrapping_sub(at), level, usize::MAX);
        for entry in entries(memory, table)?.iter().skip(index(at, level, ENTRIES - 1)).take(fit) {
            let (old, new) = (entry.load(Relaxed), to | bits);
            if old & VALID == 0 {
                entry.store(new, Relaxed);
            } else if next_table(old, level).is_some() {
                break;
            } else if old != new {
                return Err(MapError::Occupied { input: at });
            }
            at = at.wrapping_add(span);
            to = to.wrapping_add(span);
        }
    }
    Ok(())
}

/// Finds the table, and its level, in which the next leaf at `at` is to stand; makes the tables on the way.
fn descend<M: TableMemory>(
    memory: &mut M,
    root: PhysAddr,
    start_level: u8,
    at: u64,
    to: u64,
    end: u64,
) -> Result<(PhysAddr, u8), MapError> {
    let (mut table, mut level) = (root, start_level);
    while level < LAST_LEVEL {
        let descriptor = entry(memory, table, at, level)?.load(Relaxed);
        let fits = level > 0 && (at | to) & span(level).wrapping_sub(1) == 0 && end.wrapping_sub(at) >= span(level);
        let next = match next_table(descriptor, level) {
            Some(next) => next,
            None if fits => break,
            None if descriptor & TABLE_OR_PAGE == VALID && level > 0 => return Err(MapError::Occupied { input: at }),
            None => {
                let next = memory.allocate().ok_or(MapError::OutOfTables)?;
                entry(memory, table, at, level)?.store(next.get() | TABLE_OR_PAGE, Relaxed);
                next
            }
        };
        table = next;
        level = level.wrapping_add(1);
    }
    Ok((table, level))
}

/// Removes every leaf inside `size` bytes at `input` and returns how many bytes were mapped there. Tables stay. The
/// caller owes the rest of break-before-make: see [`crate::retire_mapping`].
///
/// # Errors
/// [`MapError::Split`], before anything is removed, where a block reaches past either end.
pub fn unmap<M: TableMemory>(
    memory: &M,
    root: PhysAddr,
    start_level: u8,
    input: u64,
    size: u64,
) -> Result<u64, MapError> {
    let end = range_end(start_level, input, size)?;
    for edge in [input, end.wrapping_sub(1)] {
        let (table, level) = lookup(memory, root, start_level, edge)?;
        let (first, valid) =
            (edge & !span(level).wrapping_sub(1), entry(memory, table, edge, level)?.load(Relaxed) & VALID);
        if valid != 0 && (first < input || first.wrapping_add(span(level)) > end) {
            return Err(MapError::Split { input: first });
        }
    }
    let (mut at, mut removed) = (input, 0u64);
    while at < end {
        let (table, level) = lookup(memory, root, start_level, at)?;
        // The rest of this table in one go, as `map` does it.
        for entry in entries(memory, table)?.iter().skip(index(at, level, ENTRIES - 1)) {
            let old = entry.load(Relaxed);
            if at >= end || next_table(old, level).is_some() {
                break;
            }
            if old & VALID != 0 {
                entry.store(0, Relaxed);
                removed = removed.wrapping_add(span(level));
            }
            at = (at | span(level).wrapping_sub(1)).wrapping_add(1);
        }
    }
    Ok(removed)
}

/// Walks to the table, and its level, whose entry for `input` is no table.
fn lookup<M: TableMemory>(memory: &M, root: PhysAddr, start_level: u8, input: u64) -> Result<(PhysAddr, u8), MapError> {
    let (mut table, mut level) = (root, start_level);
    while let Some(next) = next_table(entry(memory, table, input, level)?.load(Relaxed), level) {
        table = next;
        level = level.wrapping_add(1);
    }
    Ok((table, level))
}

/// Returns the table that an entry at `level` leads to.
fn next_table(descriptor: u64, level: u8) -> Option<PhysAddr> {
    let leads = level < LAST_LEVEL && descriptor & TABLE_OR_PAGE == TABLE_OR_PAGE;
    leads.then_some(PhysAddr::at(descriptor & ADDRESS))
}

/// Returns the entries of one of our own tables.
pub(crate) fn entries<M: TableMemory>(memory: &M, table: PhysAddr) -> Result<&Table, MapError> {
    memory.table(table).ok_or(MapError::OutOfTables)
}

fn entry<M: TableMemory>(memory: &M, table: PhysAddr, input: u64, level: u8) -> Result<&AtomicU64, MapError> {
    entries(memory, table)?.get(index(input, level, ENTRIES - 1)).ok_or(MapError::OutOfRange)
}

/// Checks an input range and returns its end. One root table spans 39 bits at level 1, 48 at level 0.
fn range_end(start_level: u8, input: u64, size: u64) -> Result<u64, MapError> {
    let end = input.checked_add(size).filter(|_| start_level <= LAST_LEVEL).ok_or(MapError::OutOfRange)?;
    if size == 0 || (input | size) & PAGE_BYTES.wrapping_sub(1) != 0 {
        return Err(MapError::Misaligned);
    }
    if end > span(start_level) << 9 { Err(MapError::OutOfRange) } else { Ok(end) }
}

/// Returns what one entry at `level` spans.
fn span(level: u8) -> u64 {
    PAGE_BYTES << shift(level)
}

/// Returns how many entries of `level` lie in `bytes`, of which `mask` counts: [`ENTRIES`] less 1 for an index.
fn index(bytes: u64, level: u8, mask: usize) -> usize {
    usize::try_from(bytes >> 12 >> shift(level)).unwrap_or(usize::MAX) & mask
}

fn shift(level: u8) -> u32 {
    u32::from(LAST_LEVEL.saturating_sub(level)).wrapping_mul(9)
}
