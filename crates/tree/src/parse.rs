//! The one walk over the blob: header, memory reservation block, structure block (Devicetree Specification v0.4, 5.2
//! to 5.6).
//!
//! Promises to look at none of the structure block behind the root. Every offset and length in the blob is an
//! allegation and is bounded before it is used, here and whenever a property is read again.

use crate::{Node, NodeId, Tree, TreeError, cells, known};
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// How deep nodes may nest, and how many entries the memory reservation block may have.
pub const MAX_DEPTH: usize = 64;

const MAGIC: u32 = 0xd00d_feed;
// Tokens as they lie in memory.
const BEGIN_NODE: u32 = 1_u32.to_be();
const END_NODE: u32 = 2_u32.to_be();
const PROPERTY: u32 = 3_u32.to_be();
const NOP: u32 = 4_u32.to_be();
/// The highest bit of each byte of a word.
const HIGH: u32 = 0x8080_8080;
/// In how much of the strings block the numbers of names are kept while a tree is read: few names serve many properties.
const SEEN: usize = 1024;

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
        let (block, strings) = blocks.ok_or(TreeError::Cut)?;
        let entries = blob.get(field(4)..).ok_or(TreeError::Cut)?.as_chunks().0;
        let end = entries.iter().take(MAX_DEPTH).position(|pair| pair.as_slice() == [0; 16].as_slice());
        let reserved = end.and_then(|end| entries.get(..end)).ok_or(TreeError::Cut)?;
        let words = bytemuck::try_cast_slice(block)
            .map_or_else(|_| Cow::Owned(cells(block).map(u32::to_be).collect()), Cow::Borrowed);
        let mut tree = Tree { nodes: Vec::new(), block, words, strings, reserved };
        tree.nodes = tree.index()?;
        Ok(tree)
    }

    /// Walks the structure block to the end of the root.
    fn index(&self) -> Result<Vec<Node<'a>>, TreeError> {
        let (mut nodes, mut rest, mut current, mut depth) = (Vec::new(), &*self.words, NodeId::ROOT, 0_usize);
        // The numbers of the names met and 16, by their places.
        let mut seen = [0_u8; SEEN];
        while let [token, behind @ ..] = rest {
            rest = behind;
            let count = u16::try_from(nodes.len()).unwrap_or(u16::MAX);
            if *token == BEGIN_NODE {
                if depth >= MAX_DEPTH {
                    return Err(TreeError::Deep);
                }
                if count == u16::MAX || nodes.try_reserve(1).is_err() {
                    return Err(TreeError::Large);
                }
                let (start, length) = (self.words.len().wrapping_sub(rest.len()) << 2, length(rest)?);
                let name = self.block.get(start..start.wrapping_add(length)).ok_or(TreeError::Cut)?;
                // The NUL behind it takes a byte at least.
                rest = rest.get((length >> 2).wrapping_add(1)..).unwrap_or_default();
                let mut known = [0; 16];
                let [.., properties] = &mut known;
                *properties = self.place(rest);
                nodes.push(Node { name, known, parent: current, end: 0 });
                let Some(Node { known, .. }) = nodes.last_mut() else { break };
                // Properties stand before children (5.4.2).
                while let Some((name, value, behind)) = property(rest) {
                    let mut number = seen.get(name).copied().unwrap_or(0);
                    if number == 0 {
                        number = known::number(self.strings.get(name..).ok_or(TreeError::Text)?) | 16;
                        if let Some(seen) = seen.get_mut(name) {
                            *seen = number;
                        }
                    }
                    if let Some(first @ 0) = known.get_mut(usize::from(number & 15)) {
                        *first = self.place(value);
                    }
                    rest = behind;
                }
                (current, depth) = (NodeId(count), depth.wrapping_add(1));
            } else if *token == END_NODE
                && let Some(node) = nodes.get_mut(usize::from(current.0))
            {
                node.end = count;
                (current, depth) = (node.parent, depth.wrapping_sub(1));
                // The root is the only node outside a node: what follows it is no part of the tree.
                if depth == 0 {
                    return Ok(nodes);
                }
            } else if *token != NOP {
                return Err(TreeError::Token(u32::from_be(*token)));
            }
        }
        Err(TreeError::Cut)
    }

    /// Returns where in the structure block `rest` of it begins, in words.
    #[inline(always)]
    fn place(&self, rest: &[u32]) -> u32 {
        let [low, ..] = *self.words.len().wrapping_sub(rest.len()).to_le_bytes().as_chunks().0 else { return 0 };
        u32::from_le_bytes(low)
    }

    /// Returns the value at `place`, behind its length.
    #[inline(always)]
    pub(crate) fn value(&self, place: u32) -> Option<&'a [u8]> {
        let length = u32::from_be(*self.words.get((place as usize).wrapping_sub(2))?) as usize;
        let start = (place as usize) << 2;
        self.block.get(start..start.wrapping_add(length))
    }

    /// Returns the property of `id` at `place` or behind it: where its name is in the strings block, where its value is, and the next place.
    pub(crate) fn entry(&self, place: u32) -> Option<(usize, u32, u32)> {
        let (name, value, rest) = property(self.words.get(place as usize..)?)?;
        Some((name, self.place(value), self.place(rest)))
    }
}

/// Returns the property that comes next in `words`: where its name is in the strings block, its value and all behind it,
/// and what is behind it.
#[inline(always)]
fn property(mut words: &[u32]) -> Option<(usize, &[u32], &[u32])> {
    loop {
        match words {
            [PROPERTY, length, name, value @ ..] => {
                let length = (u32::from_be(*length) as usize).wrapping_add(3) >> 2;
                return Some((u32::from_be(*name) as usize, value, value.get(length..)?));
            }
            [NOP, rest @ ..] => words = rest,
            _ => return None,
        }
    }
}

/// Measures the name at the start of `words`: ASCII of which nothing moves a terminal's cursor, ended by a NUL.
#[inline(always)]
fn length(words: &[u32]) -> Result<usize, TreeError> {
    for (index, word) in words.iter().enumerate() {
        let word = u32::from_le(*word);
        // The highest bit of a byte is no ASCII, and with the next two clear it is a control character.
        let odd = (word | !(word << 1 | word << 2)) & HIGH;
        if odd != 0 {
            // Of these the first is the NUL; what pads the name behind it may be anything (U-Boot's is).
            let byte = odd.trailing_zeros() >> 3;
            let ended = (word >> (byte << 3)).trailing_zeros() >= 8;
            return if ended { Ok(index << 2 | byte as usize) } else { Err(TreeError::Text) };
        }
    }
    Err(TreeError::Cut)
}
