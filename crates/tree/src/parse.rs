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
// Tokens as they lie in memory.
const BEGIN_NODE: u32 = 1_u32.to_be();
const END_NODE: u32 = 2_u32.to_be();
const PROPERTY: u32 = 3_u32.to_be();
const NOP: u32 = 4_u32.to_be();
/// Of how many names the numbers are kept while a tree is read: few names serve many properties.
const SEEN: usize = 128;
/// No strings block is longer: of a name's place 27 bits are kept beside its number.
const MAX_STRINGS: u32 = (1 << 27) - 1;
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
        let end = reserved
            .iter()
            .take(MAX_DEPTH)
            .position(|pair| pair.as_slice() == [0; 16].as_slice())
            .ok_or(TreeError::Cut)?;
        let reserved = reserved.get(..end).unwrap_or_default();
        let tree = Tree { nodes: Vec::new(), properties: Vec::new(), strings, phandles: Vec::new(), reserved };
        let copy: Vec<u32>;
        let words = if let Ok(words) = bytemuck::try_cast_slice(structure) {
            words
        } else {
            // On the desk only: a loader puts a tree at a multiple of 8.
            copy = cells(structure).map(u32::to_be).collect();
            &copy
        };
        let mut reader = Reader { tree, block: structure, words, at: 0, seen: [0; SEEN] };
        reader.nodes()?;
        Ok(reader.tree)
    }
}

/// The structure block while it is read.
struct Reader<'a, 'w> {
    tree: Tree<'a>,
    block: &'a [u8],
    /// The same.
    words: &'w [u32],
    /// The next word.
    at: usize,
    /// The names last met, each at a place its own decides: that place and one, times 32, and its number in [`Known`].
    seen: [u32; SEEN],
}

impl<'a> Reader<'a, '_> {
    /// Reads to the end of the root.
    fn nodes(&mut self) -> Result<(), TreeError> {
        // QEMU's trees have a property in every 30 bytes and a node in every 120: room that seldom has to grow.
        self.tree.nodes.try_reserve(self.words.len() >> 4).map_err(|_| TreeError::Large)?;
        self.tree.properties.try_reserve(self.words.len() >> 3).map_err(|_| TreeError::Large)?;
        let (mut current, mut depth) = (NodeId::ROOT, 0_usize);
        while let Some((token, rest)) = self.words.get(self.at..).and_then(<[u32]>::split_first) {
            self.at = self.at.wrapping_add(1);
            match *token {
                BEGIN_NODE => {
                    let (id, from) = (NodeId(self.tree.count()), self.tree.properties.len());
                    if depth >= MAX_DEPTH {
                        return Err(TreeError::Deep);
                    }
                    if id.0 == u16::MAX {
                        return Err(TreeError::Large);
                    }
                    let name = self.bytes(name_length(rest)?)?;
                    // The NUL behind it may take a word of its own.
                    self.at = self.at.wrapping_add(usize::from(name.len().is_multiple_of(4)));
                    let known = self.properties(id)?;
                    let node = Node { name, known, parent: current, end: 0, from, to: self.tree.properties.len() };
                    push(&mut self.tree.nodes, node)?;
                    (current, depth) = (id, depth.wrapping_add(1));
                }
                END_NODE if depth > 0 => {
                    let end = self.tree.count();
                    let node = self.tree.nodes.get_mut(current.index()).ok_or(TreeError::Cut)?;
                    (node.end, current, depth) = (end, node.parent, depth.wrapping_sub(1));
                    // The root is the only node outside a node: what follows it is no part of the tree.
                    if depth == 0 {
                        return Ok(());
                    }
                }
                NOP => {}
                token => return Err(TreeError::Token(u32::from_be(token))),
            }
        }
        Err(TreeError::Cut)
    }

    /// Reads the properties of node `id`, which stand before its children (5.4.2), and returns which of [`Known`] are
    /// among them.
    #[inline(never)]
    fn properties(&mut self, id: NodeId) -> Result<u32, TreeError> {
        let mut all = 0;
        loop {
            match self.words.get(self.at..) {
                Some([PROPERTY, length, name, ..]) => {
                    let (length, name) = (u32::from_be(*length) as usize, u32::from_be(*name));
                    self.at = self.at.wrapping_add(3);
                    let value = self.bytes(length)?;
                    let Some(slot) = self.seen.get_mut((name >> 2 ^ name >> 9) as usize & (SEEN - 1)) else {
                        return Err(TreeError::Text);
                    };
                    if *slot >> 5 != name.saturating_add(1) {
                        let text = self.tree.strings.get(name as usize..).filter(|_| name < MAX_STRINGS);
                        *slot = name.wrapping_add(1) << 5 | Known::of(text.ok_or(TreeError::Text)?);
                    }
                    let known = *slot & 31;
                    if known == Known::Phandle as u32 || known == Known::LinuxPhandle as u32 {
                        self.tree.phandles.extend(cells(value).next().map(|phandle| (phandle, id)));
                    }
                    all |= 1_u32.wrapping_shl(known);
                    push(&mut self.tree.properties, Property { value, name, known })?;
                }
                Some([NOP, ..]) => self.at = self.at.wrapping_add(1),
                _ => return Ok(all),
            }
        }
    }

    /// Takes `length` bytes and those that fill up their last word.
    fn bytes(&mut self, length: usize) -> Result<&'a [u8], TreeError> {
        let start = self.at << 2;
        let end = start.wrapping_add(length);
        self.at = end.wrapping_add(3) >> 2;
        self.block.get(start..end).ok_or(TreeError::Cut)
    }
}

/// Measures a node's name: ASCII, ended by a NUL.
fn name_length(words: &[u32]) -> Result<usize, TreeError> {
    let mut all = 0;
    for (index, word) in words.iter().enumerate() {
        let word = u32::from_le(*word);
        // The lowest of these bits marks the first NUL; what pads the name behind it may be anything (U-Boot's is).
        let zeros = word.wrapping_sub(0x0101_0101) & !word & HIGH;
        all |= word & zeros.wrapping_sub(1) & !zeros;
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
