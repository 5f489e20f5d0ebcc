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
        let mut tree = Tree { nodes: Vec::new(), properties: Vec::new(), strings, phandles: Vec::new(), reserved };
        let copy: Vec<u32>;
        let words = if let Ok(words) = bytemuck::try_cast_slice(structure) {
            words
        } else {
            // On the desk only: a loader puts a tree at a multiple of 8.
            copy = cells(structure).map(u32::to_be).collect();
            &copy
        };
        tree.read(structure, words)?;
        Ok(tree)
    }

    /// Reads the structure block, as bytes and as words, to the end of the root.
    fn read(&mut self, block: &'a [u8], words: &[u32]) -> Result<(), TreeError> {
        // QEMU's trees have a property in every 30 bytes and a node in every 120: room that seldom has to grow.
        self.nodes.try_reserve(words.len() >> 4).map_err(|_| TreeError::Large)?;
        self.properties.try_reserve(words.len() >> 3).map_err(|_| TreeError::Large)?;
        // The names last met, each at a place its own decides: that place and one, times 32, and its number in `Known`.
        let mut seen = [0_u32; SEEN];
        let (mut at, mut current, mut depth) = (0_usize, NodeId::ROOT, 0_usize);
        // Properties stand before children (5.4.2).
        let (mut takes_properties, mut known) = (false, 0);
        while let Some((token, rest)) = words.get(at..).and_then(<[u32]>::split_first) {
            at = at.wrapping_add(1);
            if *token == PROPERTY && takes_properties {
                let [length, name, ..] = rest else { break };
                let (length, name) = (u32::from_be(*length) as usize, u32::from_be(*name));
                let start = at.wrapping_add(2) << 2;
                let end = start.wrapping_add(length);
                at = end.wrapping_add(3) >> 2;
                let Some(value) = block.get(start..end) else { break };
                let Some(slot) = seen.get_mut((name >> 2 ^ name >> 9) as usize & (SEEN - 1)) else { break };
                if *slot >> 5 != name.saturating_add(1) {
                    *slot = self.number(name)?;
                }
                let number = *slot & 31;
                if number == Known::Phandle as u32 || number == Known::LinuxPhandle as u32 {
                    self.refer(current, value);
                }
                known |= 1_u32.wrapping_shl(number);
                push(&mut self.properties, Property { value, name, known: number })?;
                continue;
            }
            // The properties so far are the node's that was opened last.
            if let Some(node) = self.nodes.last_mut().filter(|_| takes_properties) {
                (node.known, node.to) = (known, self.properties.len());
            }
            match *token {
                BEGIN_NODE => {
                    let (id, from) = (NodeId(self.count()), self.properties.len());
                    if depth >= MAX_DEPTH {
                        return Err(TreeError::Deep);
                    }
                    if id.0 == u16::MAX {
                        return Err(TreeError::Large);
                    }
                    let (start, length) = (at << 2, name_length(rest)?);
                    let Some(name) = block.get(start..start.wrapping_add(length)) else { break };
                    // The NUL behind it takes a byte at least.
                    at = at.wrapping_add(length >> 2).wrapping_add(1);
                    push(&mut self.nodes, Node { name, known: 0, parent: current, end: 0, from, to: from })?;
                    (current, depth, takes_properties, known) = (id, depth.wrapping_add(1), true, 0);
                }
                END_NODE if depth > 0 => {
                    let end = self.count();
                    let Some(node) = self.nodes.get_mut(current.index()) else { break };
                    node.end = end;
                    (current, depth, takes_properties) = (node.parent, depth.wrapping_sub(1), false);
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

    /// Makes what is kept of a name met first.
    #[inline(never)]
    fn number(&self, name: u32) -> Result<u32, TreeError> {
        let text = self.strings.get(name as usize..).filter(|_| name < MAX_STRINGS);
        Ok(name.wrapping_add(1) << 5 | Known::of(text.ok_or(TreeError::Text)?))
    }

    #[inline(never)]
    fn refer(&mut self, id: NodeId, phandle: &[u8]) {
        self.phandles.extend(cells(phandle).next().map(|phandle| (phandle, id)));
    }
}

/// Measures a node's name: ASCII of which nothing moves a terminal's cursor, ended by a NUL.
fn name_length(words: &[u32]) -> Result<usize, TreeError> {
    let mut all = 0;
    for (index, word) in words.iter().enumerate() {
        let word = u32::from_le(*word);
        // The lowest of these bits marks the first NUL; what pads the name behind it may be anything (U-Boot's is).
        let zeros = word.wrapping_sub(0x0101_0101) & !word & HIGH;
        // The highest bit of a byte is no ASCII, and with the next two clear it is a control character.
        all |= (word | !(word << 1 | word << 2)) & zeros.wrapping_sub(1) & !zeros;
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
