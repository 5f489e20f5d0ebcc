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
/// Of how many names the numbers are kept while a tree is read: few names serve many properties.
const SEEN: usize = 128;

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
        let (mut nodes, mut at, mut current, mut depth) = (Vec::<Node<'a>>::new(), 0_u32, NodeId::ROOT, 0_usize);
        // The names last met, each at a place its own decides: that place and one, times 16, and its number.
        let mut seen = [0_u64; SEEN];
        while let Some(&token) = self.words.get(at as usize) {
            let count = u16::try_from(nodes.len()).unwrap_or(u16::MAX);
            at = at.wrapping_add(1);
            if token == BEGIN_NODE {
                if depth >= MAX_DEPTH {
                    return Err(TreeError::Deep);
                }
                if count == u16::MAX || nodes.try_reserve(1).is_err() {
                    return Err(TreeError::Large);
                }
                let name = self.text(at)?;
                // The NUL behind it takes a byte at least.
                at = at.wrapping_add(u32::try_from(name.len() >> 2).unwrap_or(0)).wrapping_add(1);
                nodes.push(Node { name, known: [0; 12], properties: at, parent: current, end: 0 });
                let Some(node) = nodes.last_mut() else { break };
                // Properties stand before children (5.4.2).
                while let Some((name, _, next)) = self.entry(at) {
                    let Some(slot) = seen.get_mut((name >> 2 ^ name >> 9) as usize & (SEEN - 1)) else { break };
                    if *slot >> 4 != u64::from(name).wrapping_add(1) {
                        let text = self.strings.get(name as usize..).ok_or(TreeError::Text)?;
                        *slot = u64::from(name).wrapping_add(1) << 4 | u64::from(known::number(text));
                    }
                    if let Some(first @ 0) = node.known.get_mut((*slot & 15) as usize) {
                        *first = at;
                    }
                    at = next;
                }
                (current, depth) = (NodeId(count), depth.wrapping_add(1));
            } else if token == END_NODE
                && let Some(node) = nodes.get_mut(usize::from(current.0))
            {
                node.end = count;
                (current, depth) = (node.parent, depth.wrapping_sub(1));
                // The root is the only node outside a node: what follows it is no part of the tree.
                if depth == 0 {
                    return Ok(nodes);
                }
            } else if token != NOP {
                return Err(TreeError::Token(u32::from_be(token)));
            }
        }
        Err(TreeError::Cut)
    }

    /// Reads the name at `at`: ASCII of which nothing moves a terminal's cursor, ended by a NUL.
    fn text(&self, at: u32) -> Result<&'a [u8], TreeError> {
        let (at, mut bad) = (at as usize, 0);
        for (index, word) in (at..).zip(self.words.get(at..).unwrap_or_default()) {
            let word = u32::from_le(*word);
            // The lowest of these bits marks the first NUL; what pads the name behind it may be anything (U-Boot's is).
            let zeros = word.wrapping_sub(0x0101_0101) & !word & HIGH;
            // The highest bit of a byte is no ASCII, and with the next two clear it is a control character.
            bad |= (word | !(word << 1 | word << 2)) & zeros.wrapping_sub(1) & !zeros & HIGH;
            if zeros != 0 && bad == 0 {
                let end = (index << 2).wrapping_add(zeros.trailing_zeros() as usize / 8);
                return self.block.get(at << 2..end).ok_or(TreeError::Cut);
            }
            if bad != 0 {
                return Err(TreeError::Text);
            }
        }
        Err(TreeError::Cut)
    }

    /// Reads the property at `at`: where its name is in the strings block, its value, and where the next token is.
    #[inline(always)]
    pub(crate) fn entry(&self, at: u32) -> Option<(u32, &'a [u8], u32)> {
        let mut words = self.words.get(at as usize..)?;
        while let [NOP, rest @ ..] = words {
            words = rest;
        }
        let [PROPERTY, length, name, rest @ ..] = words else { return None };
        let start = self.words.len().wrapping_sub(rest.len()) << 2;
        let end = start.wrapping_add(u32::from_be(*length) as usize);
        let next = u32::try_from(end.wrapping_add(3) >> 2).ok()?;
        Some((u32::from_be(*name), self.block.get(start..end)?, next))
    }
}
