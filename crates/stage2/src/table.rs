//! Writes, removes and reads leaves of one tree of tables, whichever regime it belongs to.
//!
//! Owns the shape of a walk; promises never to split a block nor to replace a valid entry by a different valid one
//! (break-before-make), to stay inside the input range the start level spans, and to end. Pages come
//! from [`TableMemory`], zeroed; what is written is visible to a walker after [`crate::publish`]. DDI 0487 D8.2 (walk), D8.3
//! (descriptors), D8 "TLB maintenance" (break-before-make).

use crate::attributes::Attributes;
use address::{Address, PAGE_BYTES, PhysAddr};

/// Entries of one table.
pub(crate) const ENTRIES: usize = 512;
/// Output addresses end here: 48 bits, the most the 4 KiB granule knows without `FEAT_LPA2`.
const OUTPUT_END: u64 = 1 << 48;
/// Bits \[47:12\]: the next table's, or at level 3 the page's, address.
const ADDRESS: u64 = OUTPUT_END.wrapping_sub(PAGE_BYTES);
/// Bit 0: the entry speaks.
pub(crate) const VALID: u64 = 0b01;
const TABLE_OR_PAGE: u64 = 0b11;
const LAST_LEVEL: u8 = 3;

/// Where tables live: EL2's pool on the board, a vector in tests.
pub trait TableMemory {
    /// Hands out one zeroed page, or nothing where none is left.
    fn allocate(&mut self) -> Option<PhysAddr>;
    /// Reads entry `index` (below 512) of `table`.
    fn read(&self, table: PhysAddr, index: usize) -> u64;
    /// Writes entry `index` (below 512) of `table`, as one 64-bit store.
    fn write(&mut self, table: PhysAddr, index: usize, descriptor: u64);
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

/// One valid block or page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The first input address it translates.
    pub input: u64,
    /// What that address becomes.
    pub output: PhysAddr,
    /// 4 KiB, 2 MiB or 1 GiB.
    pub size: u64,
    /// Its attribute bits.
    pub attributes: Attributes,
}

impl Leaf {
    /// Translates an input address inside the leaf.
    #[must_use]
    pub fn translate(&self, input: u64) -> PhysAddr {
        PhysAddr::at(self.output.get() | (input & self.size.wrapping_sub(1)))
    }
}

/// What one entry says at its level.
enum Entry {
    Invalid,
    Table(PhysAddr),
    Leaf(PhysAddr),
}

impl Entry {
    #[inline(always)]
    fn decode(descriptor: u64, level: u8) -> Self {
        let address = PhysAddr::at(descriptor & ADDRESS);
        match (descriptor & TABLE_OR_PAGE, level) {
            (TABLE_OR_PAGE, LAST_LEVEL) | (VALID, 1 | 2) => Self::Leaf(address),
            (TABLE_OR_PAGE, _) => Self::Table(address),
            _ => Self::Invalid,
        }
    }
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
    let output_end = output.get().checked_add(size).ok_or(MapError::OutOfRange)?;
    if !output.is_aligned(PAGE_BYTES) {
        return Err(MapError::Misaligned);
    }
    if output_end > OUTPUT_END {
        return Err(MapError::OutOfRange);
    }
    let (mut at, mut to) = (input, output.get());
    while at < end {
        let (table, level) = descend(memory, root, start_level, at, to, end)?;
        let span = span(level);
        let kind = if level == LAST_LEVEL { TABLE_OR_PAGE } else { VALID };
        // The rest of this table in one go: the next one is found from the root again.
        for index in index(at, level)..ENTRIES {
            let old = memory.read(table, index);
            if end.wrapping_sub(at) < span || matches!(Entry::decode(old, level), Entry::Table(_)) {
                break;
            }
            let new = to | leaf.bits() | kind;
            if old & VALID == 0 {
                memory.write(table, index, new);
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
    let mut table = root;
    for level in start_level..LAST_LEVEL {
        let span = span(level);
        let fits = level > 0 && (at | to) & span.wrapping_sub(1) == 0 && end.wrapping_sub(at) >= span;
        let index = index(at, level);
        table = match Entry::decode(memory.read(table, index), level) {
            Entry::Table(next) => next,
            _ if fits => return Ok((table, level)),
            Entry::Leaf(_) => return Err(MapError::Occupied { input: at }),
            Entry::Invalid => {
                let next = memory.allocate().ok_or(MapError::OutOfTables)?;
                memory.write(table, index, next.get() | TABLE_OR_PAGE);
                next
            }
        };
    }
    Ok((table, LAST_LEVEL))
}

/// Removes every leaf inside `size` bytes at `input` and returns how many bytes were mapped there. Tables stay. The
/// caller owes the rest of break-before-make: see [`crate::retire_mapping`].
///
/// # Errors
/// [`MapError::Split`], before anything is removed, where a block reaches past either end.
pub fn unmap<M: TableMemory>(
    memory: &mut M,
    root: PhysAddr,
    start_level: u8,
    input: u64,
    size: u64,
) -> Result<u64, MapError> {
    let end = range_end(start_level, input, size)?;
    for edge in [input, end.wrapping_sub(1)] {
        if let Some(leaf) = walk(memory, root, start_level, edge)
            && (leaf.input < input || leaf.input.wrapping_add(leaf.size) > end)
        {
            return Err(MapError::Split { input: leaf.input });
        }
    }
    let (mut at, mut removed) = (input, 0u64);
    while at < end {
        let Step { table, level, next, .. } = lookup(memory, root, start_level, at);
        let span = span(level);
        // The rest of this table in one go, as `map` does it.
        let mut next = next;
        for index in index(at, level)..ENTRIES {
            match Entry::decode(memory.read(table, index), level) {
                Entry::Table(_) => break,
                Entry::Leaf(_) => {
                    memory.write(table, index, 0);
                    removed = removed.wrapping_add(span);
                }
                Entry::Invalid => {}
            }
            at = next;
            if at >= end {
                break;
            }
            next = next.wrapping_add(span);
        }
    }
    Ok(removed)
}

/// Returns the leaf that translates `input`, if any.
pub fn walk<M: TableMemory>(memory: &M, root: PhysAddr, start_level: u8, input: u64) -> Option<Leaf> {
    if input >= input_end(start_level)? {
        return None;
    }
    leaf(&lookup(memory, root, start_level, input), input)
}

/// Visits every leaf in ascending order of input addresses.
pub fn for_each_leaf<M: TableMemory>(memory: &M, root: PhysAddr, start_level: u8, mut visit: impl FnMut(Leaf)) {
    let end = input_end(start_level).unwrap_or(0);
    let mut at = 0;
    while at < end {
        let step = lookup(memory, root, start_level, at);
        if let Some(leaf) = leaf(&step, at) {
            visit(leaf);
        }
        at = step.next;
    }
}

/// Where a walk ended.
struct Step {
    table: PhysAddr,
    level: u8,
    descriptor: u64,
    /// The first input address the entry does not speak for.
    next: u64,
}

/// Walks to the first entry for `input` that is no table.
fn lookup<M: TableMemory>(memory: &M, root: PhysAddr, start_level: u8, input: u64) -> Step {
    let (mut table, mut level) = (root, start_level);
    loop {
        let descriptor = memory.read(table, index(input, level));
        if let Entry::Table(next) = Entry::decode(descriptor, level) {
            table = next;
            level = level.wrapping_add(1);
            continue;
        }
        let last = input | span(level).wrapping_sub(1);
        return Step { table, level, descriptor, next: last.wrapping_add(1) };
    }
}

fn leaf(step: &Step, input: u64) -> Option<Leaf> {
    let Entry::Leaf(output) = Entry::decode(step.descriptor, step.level) else { return None };
    let size = span(step.level);
    let attributes = Attributes::of(step.descriptor);
    Some(Leaf { input: input & !size.wrapping_sub(1), output, size, attributes })
}

/// Checks an input range and returns its end.
fn range_end(start_level: u8, input: u64, size: u64) -> Result<u64, MapError> {
    let end = input.checked_add(size).ok_or(MapError::OutOfRange)?;
    if size == 0 || (input | size) & PAGE_BYTES.wrapping_sub(1) != 0 {
        return Err(MapError::Misaligned);
    }
    match input_end(start_level) {
        Some(limit) if end <= limit => Ok(end),
        _ => Err(MapError::OutOfRange),
    }
}

/// Returns the end of what one root table at `start_level` spans: 39 bits at level 1, 48 at level 0.
fn input_end(start_level: u8) -> Option<u64> {
    (start_level <= LAST_LEVEL).then(|| span(start_level) << 9)
}

/// Returns what one entry at `level` spans.
fn span(level: u8) -> u64 {
    PAGE_BYTES << shift(level)
}

fn index(input: u64, level: u8) -> usize {
    // Nine bits: the conversion cannot fail on any target.
    usize::try_from((input >> 12 >> shift(level)) & 0x1ff).unwrap_or(0)
}

fn shift(level: u8) -> u32 {
    u32::from(LAST_LEVEL.saturating_sub(level)).wrapping_mul(9)
}
