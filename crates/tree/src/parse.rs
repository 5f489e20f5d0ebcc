//! The one walk over the blob: header, memory reservation block, structure block (Devicetree Specification v0.4, 5.2
//! to 5.6).
//!
//! Promises to read each byte of the structure block at most once and none behind it; what it has read is in the
//! vectors of [`Tree`]. Every offset and length in the blob is an allegation and is bounded before it is used.

use crate::{Known, Node, NodeId, Property, Tree, TreeError, cells};
use alloc::vec::Vec;

/// How deep nodes may nest, and how many entries the memory reservation block may have.
pub const MAX_DEPTH: usize = 64;

const MAGIC: u32 = 0xd00d_feed;
const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;
/// The highest bit of each byte of a word.
const HIGH: u32 = 0x8080_8080;

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
        let header: &[u8; 40] = blob.first_chunk().ok_or(TreeError::Cut)?;
        let field = |index| cells(header).nth(index).unwrap_or(0) as usize;
        if field(5) < 17 || field(6) > 17 {
            return Err(TreeError::Version);
        }
        let block = |start: usize, size| blob.get(start..)?.get(..size);
        let blocks = block(field(2), field(9)).zip(block(field(3), field(8)));
        let (structure, strings) = blocks.ok_or(TreeError::Cut)?;
        let reserved = blob.get(field(4)..).ok_or(TreeError::Cut)?.as_chunks().0;
        let end = reserved.iter().take(MAX_DEPTH).position(|pair| *pair == [0; 16]).ok_or(TreeError::Cut)?;
        let reserved = reserved.get(..end).unwrap_or_default();
        let mut tree = Tree { nodes: Vec::new(), properties: Vec::new(), strings, phandles: Vec::new(), reserved };
        // QEMU's trees have a property in every 30 bytes and a node in every 120: room that seldom has to grow.
        tree.nodes.try_reserve(structure.len() >> 6).map_err(|_| TreeError::Large)?;
        tree.properties.try_reserve(structure.len() >> 5).map_err(|_| TreeError::Large)?;
        let copy: Vec<u32>;
        let words = if let Ok(words) = bytemuck::try_cast_slice(structure) {
            words
        } else {
            // On the desk only: a loader puts a tree at a multiple of 8.
            copy = cells(structure).map(u32::to_be).collect();
            &copy
        };
        tree.fill(structure, words)?;
        Ok(tree)
    }

    /// Walks the structure block from its first word to the end of the root.
    fn fill(&mut self, block: &'a [u8], words: &[u32]) -> Result<(), TreeError> {
        let (mut current, mut depth, mut at) = (NodeId::ROOT, 0_usize, 0_usize);
        // A node's properties stand before its children (5.4.2): while it is open it is the last one.
        let (mut open, mut all) = (false, 0);
        // The names last met, each by its place: few names serve many properties.
        let (mut seen, mut kinds) = ([u32::MAX; 128], [0_u8; 128]);
        while let Some((token, rest)) = words.get(at..).and_then(<[u32]>::split_first) {
            at = at.wrapping_add(1);
            let token = u32::from_be(*token);
            if let (true, Some(node)) = (open && token != PROPERTY, self.nodes.last_mut()) {
                let count = self.properties.len().wrapping_sub(node.properties.into());
                (node.known, node.count) = (all, u16::try_from(count).map_err(|_| TreeError::Large)?);
            }
            match (token, rest) {
                (PROPERTY, [length, name, ..]) if open => {
                    let (length, name) = (u32::from_be(*length) as usize, u32::from_be(*name));
                    let start = at.wrapping_add(2) << 2;
                    let value = block.get(start..start.wrapping_add(length)).ok_or(TreeError::Cut)?;
                    let slot = (name >> 2 ^ name >> 9) as usize & 127;
                    let (Some(seen), Some(known)) = (seen.get_mut(slot), kinds.get_mut(slot)) else { continue };
                    if *seen != name {
                        *known = Known::of(self.strings.get(name as usize..).ok_or(TreeError::Text)?);
                        *seen = name;
                    }
                    let known = *known;
                    if known == Known::Phandle as u8 || known == Known::LinuxPhandle as u8 {
                        self.phandles.extend(cells(value).next().map(|phandle| (phandle, current)));
                    }
                    all |= 1_u32.wrapping_shl(known.into());
                    push(&mut self.properties, Property { value, name, known })?;
                    at = start.wrapping_add(length).wrapping_add(3) >> 2;
                }
                (BEGIN_NODE, _) => {
                    if depth >= MAX_DEPTH {
                        return Err(TreeError::Deep);
                    }
                    depth = depth.wrapping_add(1);
                    let length = name_length(rest)?;
                    let start = at << 2;
                    let name = block.get(start..start.wrapping_add(length)).ok_or(TreeError::Cut)?;
                    let id = self.count();
                    let properties = u16::try_from(self.properties.len()).map_err(|_| TreeError::Large)?;
                    if id == u16::MAX {
                        return Err(TreeError::Large);
                    }
                    push(&mut self.nodes, Node { name, known: 0, parent: current, end: 0, properties, count: 0 })?;
                    (current, open, all) = (NodeId(id), true, 0);
                    at = start.wrapping_add(length).wrapping_add(4) >> 2;
                }
                (END_NODE, _) if depth > 0 => {
                    let end = self.count();
                    let node = self.nodes.get_mut(current.index()).ok_or(TreeError::Cut)?;
                    node.end = end;
                    (current, open) = (node.parent, false);
                    depth = depth.wrapping_sub(1);
                    // The root is the only node outside a node: what follows it is no part of the tree.
                    if depth == 0 {
                        return Ok(());
                    }
                }
                (NOP, _) => {}
                (token, _) => return Err(TreeError::Token(token)),
            }
        }
        Err(TreeError::Cut)
    }
}

/// Measures a node's name: ASCII, ended by a NUL.
fn name_length(words: &[u32]) -> Result<usize, TreeError> {
    let mut all = 0;
    for (index, word) in words.iter().enumerate() {
        let word = u32::from_le(*word);
        all |= word;
        // The lowest of these bits marks the first NUL.
        let zeros = word.wrapping_sub(0x0101_0101) & !word & HIGH;
        if zeros != 0 {
            let length = index.wrapping_mul(4).wrapping_add(zeros.trailing_zeros() as usize / 8);
            return if all & HIGH == 0 { Ok(length) } else { Err(TreeError::Text) };
        }
    }
    Err(TreeError::Cut)
}

fn push<T>(list: &mut Vec<T>, item: T) -> Result<(), TreeError> {
    if list.len() == list.capacity() {
        list.try_reserve(1).map_err(|_| TreeError::Large)?;
    }
    list.push(item);
    Ok(())
}
