//! A device tree, checked once and read where it lies.
//!
//! Owns an index of the nodes, borrows the blob. [`Tree::parse`] walks the structure block front to back, never looks at
//! the padding behind it, and notes where each node's properties begin; a later question for a property is a walk of
//! that node's own few. A tree that is cut short, nests or counts beyond the limits below, or says anything the format
//! does not allow ends in a [`TreeError`], never in a panic and never in half a tree. The board's tree (crate `board`)
//! and the bundle (a FIT, crate `manifest`) are both read through it.
//!
//! The `fdt` crate is the desk's second reader (cli) and the tests' oracle, not the reader here: its walk ends silently
//! at depth 16 and at a cut, passes every property twice, adds hostile offsets unchecked and has no memory reservation
//! block.
//!
//! Format: Devicetree Specification v0.4, chapter 5.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod error;
mod known;
mod lookup;
mod parse;
mod value;

use alloc::borrow::Cow;
use alloc::vec::Vec;

pub use error::TreeError;
pub use known::Known;
pub use parse::{MAX_DEPTH, size_of};
use value::first_string;
pub use value::{cells, number, which};

/// A node of a [`Tree`]: its place in pre-order, the root first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) u16);

impl NodeId {
    /// The root of every tree.
    pub const ROOT: Self = Self(0);
}

/// The index.
#[derive(Clone, Debug)]
pub struct Tree<'a> {
    /// In pre-order.
    nodes: Vec<Node<'a>>,
    /// The structure block, as it lies in memory.
    block: &'a [u8],
    /// The same in words; copied on the desk only: a loader puts a tree at a multiple of 8.
    words: Cow<'a, [u32]>,
    /// The strings block.
    strings: &'a [u8],
    /// The memory reservation block.
    reserved: &'a [[u8; 16]],
}

/// What the index keeps of a node.
#[derive(Clone, Copy, Debug)]
struct Node<'a> {
    /// With its unit address; printable ASCII.
    name: &'a [u8],
    /// By the number of a name in [`Known`]: where in the structure block its value is, in words; 0 is none. The last is
    /// where the properties begin.
    known: [u32; 16],
    /// The root is its own.
    parent: NodeId,
    /// First node behind its subtree.
    end: u16,
}

/// Tells whether `name` stands at the start of `text`, where a NUL ends it.
#[inline(always)]
fn is(text: &[u8], name: &str) -> bool {
    text.get(name.len()) == Some(&0) && text.starts_with(name.as_bytes())
}

impl<'a> Tree<'a> {
    /// Returns the entries of the memory reservation block: address and size.
    pub fn reservations(&self) -> impl Iterator<Item = (u64, u64)> + use<'a> {
        let half = |half: Option<&[u8]>| half.and_then(number).unwrap_or(0);
        self.reserved.iter().map(move |pair| (half(pair.get(..8)), half(pair.get(8..))))
    }

    /// Walks all nodes in pre-order, the root first.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = NodeId> + use<> {
        (0..self.end(NodeId::ROOT)).map(NodeId)
    }

    /// Walks the children of `id` in tree order.
    pub fn children(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let (mut next, end) = (id.0.saturating_add(1), self.end(id));
        core::iter::from_fn(move || {
            let child = NodeId(next);
            (next < end).then(|| {
                next = self.end(child).max(next.saturating_add(1));
                child
            })
        })
    }

    /// Returns the parent of `id`, which the root has not.
    #[must_use]
    pub fn parent(&self, id: NodeId) -> Option<NodeId> {
        self.node(id).map(|node| node.parent).filter(|parent| *parent != id)
    }

    /// Returns the name of `id` with its unit address; the root's is empty.
    #[must_use]
    pub fn name(&self, id: NodeId) -> &'a str {
        core::str::from_utf8(self.name_bytes(id)).unwrap_or_default()
    }

    /// The same as bytes, all ASCII.
    #[must_use]
    pub fn name_bytes(&self, id: NodeId) -> &'a [u8] {
        self.node(id).map_or(b"", |node| node.name)
    }

    /// Returns the name of `id` without its unit address.
    #[must_use]
    pub fn base_name(&self, id: NodeId) -> &'a str {
        let name = self.name(id);
        name.bytes().position(|byte| byte == b'@').and_then(|end| name.get(..end)).unwrap_or(name)
    }

    /// Walks the properties of `id` in tree order; a name that is no text is "".
    pub fn properties(&self, id: NodeId) -> impl Iterator<Item = (&'a str, &'a [u8])> + '_ {
        let mut at = self.start(id);
        core::iter::from_fn(move || {
            let (name, value, next) = self.entry(at)?;
            at = next;
            let name = self.strings.get(name..).and_then(first_string).unwrap_or_default();
            Some((core::str::from_utf8(name).unwrap_or_default(), self.value(value)?))
        })
    }

    /// Tells whether `id` has a property, without looking for it.
    #[must_use]
    #[inline]
    pub fn has(&self, id: NodeId, name: Known) -> bool {
        self.node(id).is_some_and(|node| node.known.get(name as usize) != Some(&0))
    }

    /// Returns the value of a property of `id`, without looking for it.
    #[must_use]
    #[inline(never)]
    pub fn get(&self, id: NodeId, name: Known) -> Option<&'a [u8]> {
        self.value(*self.node(id)?.known.get(name as usize)?)
    }

    /// Returns the value of property `name` of `id`.
    #[must_use]
    pub fn property(&self, id: NodeId, name: &str) -> Option<&'a [u8]> {
        let mut at = self.start(id);
        loop {
            let (text, value, next) = self.entry(at)?;
            if is(self.strings.get(text..)?, name) {
                return self.value(value);
            }
            at = next;
        }
    }

    fn node(&self, id: NodeId) -> Option<&Node<'a>> {
        self.nodes.get(usize::from(id.0))
    }

    /// Returns where the properties of `id` begin.
    fn start(&self, id: NodeId) -> u32 {
        self.node(id).map_or(u32::MAX, |Node { known: [.., first], .. }| *first)
    }

    fn end(&self, id: NodeId) -> u16 {
        self.node(id).map_or(0, |node| node.end)
    }
}
