//! Writes and removes leaves of one tree of tables, whichever regime it belongs to.
//!
//! Owns the shape of a walk; promises never to replace a valid entry by a different valid one
//! (break-before-make), to stay inside the input range the start level spans, and to end. Pages come
//! from [`TableMemory`], zeroed; what is written is visible to a walker after [`crate::publish`]. DDI 0487 D8.2 (walk), D8.3
//! (descriptors), D8 "TLB maintenance" (break-before-make).

use crate::attributes::{Attributes, VALID};
use address::{Address, PAGE_BYTES, PhysAddr};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Entries of one table.
const ENTRIES: usize = 512;
/// Output addresses end here: 48 bits, the most the 4 KiB granule knows without `FEAT_LPA2`.
const OUTPUT_END: u64 = 1 << 48;
/// Bits \[47:12\]: the next table's, or at level 3 the page's, address.
const ADDRESS: u64 = OUTPUT_END.wrapping_sub(PAGE_BYTES);
/// Bit 1: of a valid entry, at level 3 a page, before it a table.
const TABLE_OR_PAGE: u64 = 0b10;
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
    Occupied,
}

/// Maps `size` bytes at `input` to `output` with the largest leaves both sides allow.
///
/// # Errors
/// See [`MapError`]. What was written before the error stays: a root that failed is thrown away, not used.
pub fn map(
    memory: &mut dyn TableMemory,
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
        let (entries, level) = lookup(memory, root, start_level, at)?;
        let (span, left) = (span(level), end.wrapping_sub(at));
        if level == 0 || (at | to) & span.wrapping_sub(1) != 0 || left < span {
            // No leaf of this level fits: what stands here is to be a table.
            if entries.first().is_some_and(|entry| entry.load(Relaxed) & VALID != 0) {
                return Err(MapError::Occupied);
            }
            let table = memory.allocate().ok_or(MapError::OutOfTables)?.get();
            let (entries, _) = lookup(memory, root, start_level, at)?;
            if let Some(entry) = entries.first() {
                entry.store(table | TABLE_OR_PAGE | VALID, Relaxed);
            }
            continue;
        }
        let bits = leaf.0 | if level == LAST_LEVEL { TABLE_OR_PAGE } else { 0 };
        let fit = usize::try_from(left >> shift(level)).unwrap_or(usize::MAX).min(entries.len());
        // The rest of this table in one go, up to what is valid: what comes then is found from the root again.
        let mut new = to | bits;
        for entry in entries.get(..fit).unwrap_or_default() {
            let old = entry.load(Relaxed);
            if old & VALID != 0 && old != new {
                break;
            }
            entry.store(new, Relaxed);
            new = new.wrapping_add(span);
        }
        let done = new.wrapping_sub(to | bits);
        if done == 0 {
            return Err(MapError::Occupied);
        }
        (at, to) = (at.wrapping_add(done), to.wrapping_add(done));
    }
    Ok(())
}

/// Makes what one [`map`] of `size` bytes at `input` wrote valid, or invalid with its entries kept: neither allocates. The
/// caller owes [`crate::publish`].
///
/// # Errors
/// See [`MapError`].
pub fn switch(
    memory: &dyn TableMemory,
    root: PhysAddr,
    start_level: u8,
    input: u64,
    size: u64,
    on: bool,
) -> Result<(), MapError> {
    let (end, mut at) = (range_end(start_level, input, size)?, input);
    while at < end {
        let (entries, level) = lookup(memory, root, start_level, at)?;
        // Pages in one go; what follows a block may lead to a table.
        let most = if level == LAST_LEVEL { entries.len() } else { 1 };
        let fit = usize::try_from(end.wrapping_sub(at) >> shift(LAST_LEVEL)).unwrap_or(usize::MAX).min(most);
        for entry in entries.get(..fit).unwrap_or_default() {
            set_valid(entry, entry.load(Relaxed), on);
        }
        at = at.wrapping_add((fit as u64) << shift(level));
    }
    Ok(())
}

/// Makes an entry, by now `old`, valid or invalid; one that was never written stays.
pub(crate) fn set_valid(entry: &AtomicU64, old: u64, valid: bool) {
    if old != 0 {
        entry.store(old & !VALID | u64::from(valid), Relaxed);
    }
}

/// Walks to the entry for `input` that leads to no table: it and what follows it in its table, and their level.
fn lookup(memory: &dyn TableMemory, root: PhysAddr, level: u8, input: u64) -> Result<(&[AtomicU64], u8), MapError> {
    let (mut table, mut level) = (root, level);
    loop {
        let index = usize::try_from(input >> shift(level)).unwrap_or(0) & (ENTRIES - 1);
        let entries = memory.table(table).and_then(|table| table.get(index..)).ok_or(MapError::OutOfTables)?;
        let descriptor = entries.first().map_or(0, |entry| entry.load(Relaxed));
        if !leads_on(descriptor, level) {
            return Ok((entries, level));
        }
        table = PhysAddr::at(descriptor & ADDRESS);
        level = level.wrapping_add(1);
    }
}

/// Tells whether an entry at `level` leads to a table.
fn leads_on(descriptor: u64, level: u8) -> bool {
    level < LAST_LEVEL && descriptor & (TABLE_OR_PAGE | VALID) == TABLE_OR_PAGE | VALID
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
    1 << shift(level)
}

fn shift(level: u8) -> u32 {
    u32::from(LAST_LEVEL.saturating_sub(level)).wrapping_mul(9).wrapping_add(12)
}
