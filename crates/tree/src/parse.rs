//! The one walk over the blob: header, memory reservation block, structure block (Devicetree Specification v0.4, 5.2
//! to 5.6).
//!
//! Promises to read each byte of the structure block at most once and none behind it; what it has read is in the
//! vectors of [`Tree`]. Every offset and length in the blob is an allegation and is bounded before it is used.

use crate::{Known, Name, Node, NodeId, Property, Tree, TreeError, cells};
use alloc::vec::Vec;
use fdt::Fdt;

/// How deep nodes may nest.
pub const MAX_DEPTH: usize = 64;

const MAGIC: u32 = 0xd00d_feed;
/// Bytes of a version 17 header.
const HEADER: usize = 40;
const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;

/// Returns how many bytes the tree that begins with `header` (8 bytes are enough) says it has.
#[must_use]
pub fn size_of(header: &[u8]) -> Option<u32> {
    let mut words = cells(header);
    (words.next()? == MAGIC).then_some(words.next()?)
}

impl<'a> Tree<'a> {
    /// Reads the tree at the start of `blob`; bytes behind its `totalsize` are not looked at.
    ///
    /// # Errors
    /// The first thing that makes `blob` no device tree.
    pub fn parse(blob: &'a [u8]) -> Result<Self, TreeError> {
        let total = size_of(blob).ok_or(TreeError::Magic)?;
        let blob = blob.get(..total as usize).ok_or(TreeError::Cut)?;
        let header = blob.get(..HEADER).ok_or(TreeError::Cut)?;
        let field = |index| cells(header).nth(index).unwrap_or(0);
        if field(5) < 17 || field(6) > 17 {
            return Err(TreeError::Version { oldest: field(6) });
        }
        // The crate adds and slices unchecked.
        inside(field(2), field(9), blob)?;
        inside(field(3), field(8), blob)?;
        let blocks = Fdt::new_unaligned_fallible(blob).map_err(|_| TreeError::Cut)?;
        let reserved = blocks.header().memory_reserve_map_offset;
        // QEMU's trees have a property in every 30 bytes and a node in every 120: room that seldom has to grow.
        let room = |shift: u32| (field(9) >> shift).min(u32::from(u16::MAX)) as usize;
        let mut names = Names::new(blocks.strings_block())?;
        let mut tree = Tree {
            reservations: reservations(blob.get(reserved as usize..).ok_or(TreeError::Cut)?)?,
            strings: names.block,
            phandles: Vec::with_capacity(4),
            nodes: Vec::with_capacity(room(6)),
            properties: Vec::with_capacity(room(5)),
        };
        tree.fill(blocks.structs_block().as_chunks().0, &mut names)?;
        Ok(tree)
    }

    /// Walks the structure block from its first word to the end of the root.
    fn fill(&mut self, mut block: &'a [Word], names: &mut Names<'a>) -> Result<(), TreeError> {
        let whole = block.len();
        let (mut current, mut depth) = (NodeId::ROOT, 0_usize);
        while let [token, rest @ ..] = block {
            block = rest;
            match (u32::from_be_bytes(*token), rest) {
                // A node's properties stand before its children (5.4.2), so theirs are the last ones.
                (PROPERTY, [length, name, rest @ ..])
                    if depth > 0 && current.index().saturating_add(1) == self.nodes.len() =>
                {
                    let (value, rest) = take(rest, u32::from_be_bytes(*length) as usize)?;
                    let name = names.at(u32::from_be_bytes(*name))?;
                    if let Some(Known::Phandle | Known::LinuxPhandle) = name.known {
                        self.phandles.extend(cells(value).next().map(|phandle| (phandle, current)));
                    }
                    self.properties.push(Property { name, value });
                    block = rest;
                }
                (BEGIN_NODE, rest) => {
                    depth = depth.saturating_add(1);
                    if depth > MAX_DEPTH {
                        return Err(TreeError::Deep);
                    }
                    let id = self.count();
                    let properties = u16::try_from(self.properties.len()).map_err(|_| TreeError::Large)?;
                    if id == u16::MAX {
                        return Err(TreeError::Large);
                    }
                    let bytes = rest.as_flattened();
                    let length = bytes.iter().position(|byte| *byte == 0).ok_or(TreeError::Cut)?;
                    let (name, _) = take(rest, length)?;
                    (_, block) = take(rest, length.saturating_add(1))?;
                    let name = core::str::from_utf8(name).map_err(|_| TreeError::Text)?;
                    self.nodes.push(Node { name, parent: current, end: 0, properties });
                    current = NodeId(id);
                }
                (END_NODE, _) if depth > 0 => {
                    let end = self.count();
                    let node = self.nodes.get_mut(current.index()).ok_or(TreeError::Cut)?;
                    node.end = end;
                    current = node.parent;
                    depth = depth.saturating_sub(1);
                    // The root is the only node outside a node: what follows it is no part of the tree.
                    if depth == 0 {
                        return Ok(());
                    }
                }
                (NOP, _) => {}
                (END, _) => return Err(TreeError::Cut),
                (token, rest) => {
                    let word = whole.saturating_sub(rest.len()).saturating_sub(1);
                    return Err(TreeError::Token { token, offset: word.saturating_mul(4) });
                }
            }
        }
        Err(TreeError::Cut)
    }
}

/// A word of the structure block.
type Word = [u8; 4];

/// Splits `length` bytes off `block` and what follows at the next word.
fn take(block: &[Word], length: usize) -> Result<(&[u8], &[Word]), TreeError> {
    let bytes = block.as_flattened().get(..length).ok_or(TreeError::Cut)?;
    Ok((bytes, block.get(length.div_ceil(4)..).unwrap_or_default()))
}

/// The strings block, with the names last read from it: few names serve many properties.
struct Names<'a> {
    block: &'a str,
    recent: [Name; 128],
}

impl<'a> Names<'a> {
    fn new(block: &'a [u8]) -> Result<Self, TreeError> {
        let block = core::str::from_utf8(block).map_err(|_| TreeError::Text)?;
        Ok(Self { block, recent: [Name { offset: u32::MAX, length: 0, known: None }; 128] })
    }

    fn at(&mut self, offset: u32) -> Result<Name, TreeError> {
        let slot = self.recent.get_mut((offset >> 2 ^ offset >> 9) as usize & 127).ok_or(TreeError::Text)?;
        if slot.offset != offset {
            let rest = self.block.get(offset as usize..).ok_or(TreeError::Text)?;
            let length = rest.bytes().position(|byte| byte == 0).ok_or(TreeError::Text)?;
            let known = Known::of(rest.get(..length).ok_or(TreeError::Text)?);
            *slot = Name { offset, length: u16::try_from(length).map_err(|_| TreeError::Text)?, known };
        }
        Ok(*slot)
    }
}

/// Checks that the block of `size` bytes at `offset` lies inside `blob`.
fn inside(offset: u32, size: u32, blob: &[u8]) -> Result<(), TreeError> {
    let end = offset.checked_add(size).ok_or(TreeError::Cut)? as usize;
    if end > blob.len() { Err(TreeError::Cut) } else { Ok(()) }
}

/// Reads the memory reservation block: pairs of 64 bits, ended by a pair of zeros.
fn reservations(block: &[u8]) -> Result<Vec<(u64, u64)>, TreeError> {
    let mut entries = Vec::new();
    for pair in block.as_chunks::<16>().0 {
        let mut halves = pair.as_chunks::<8>().0.iter().map(|half| u64::from_be_bytes(*half));
        let pair = halves.next().zip(halves.next()).ok_or(TreeError::Cut)?;
        if pair == (0, 0) {
            return Ok(entries);
        }
        if entries.len() >= MAX_DEPTH {
            return Err(TreeError::Large);
        }
        entries.push(pair);
    }
    Err(TreeError::Cut)
}
