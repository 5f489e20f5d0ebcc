//! A device tree read once into an index of nodes and properties.
//!
//! Owns the index, borrows the blob. [`Tree::parse`] walks the structure block a single time, front to back, and never
//! touches it again, nor the padding behind it; every later question is a walk of small vectors. A tree that is cut
//! short, nests or counts beyond the limits below, or says anything the format does not allow ends in a [`TreeError`],
//! never in a panic and never in half a tree. The board's tree (crate `board`) and the bundle (a FIT, crate `manifest`)
//! are both read through it.
//!
//! The `fdt` crate reads the header and finds the blocks, once their bounds are checked: it adds hostile offsets
//! unchecked. The walk is ours: its own ends silently at depth 16 and at a cut, passes every property twice, and has no
//! memory reservation block. It is also the tests' oracle.
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

use alloc::vec::Vec;

pub use error::TreeError;
pub use known::Known;
pub use parse::{MAX_DEPTH, size_of};
pub use value::{any_string, cells, number, strings};

/// A node of a [`Tree`]: its place in pre-order, the root first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) u16);

impl NodeId {
    /// The root of every tree.
    pub const ROOT: Self = Self(0);

    /// Returns the node's place in pre-order.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The index.
#[derive(Clone, Debug)]
pub struct Tree<'a> {
    /// In pre-order.
    nodes: Vec<Node<'a>>,
    /// Of all nodes, in the nodes' order.
    properties: Vec<Property<'a>>,
    /// The strings block.
    strings: &'a str,
    /// Who says which `phandle`, in tree order.
    phandles: Vec<(u32, NodeId)>,
    /// Address and size, as the memory reservation block has them.
    reservations: Vec<(u64, u64)>,
}

/// What the index keeps of a node.
#[derive(Clone, Copy, Debug)]
struct Node<'a> {
    /// With its unit address.
    name: &'a str,
    /// The root is its own.
    parent: NodeId,
    /// First node behind its subtree.
    end: u16,
    /// Its first property; the last is the one before the next node's first.
    properties: u16,
}

/// A property: its name and its value.
#[derive(Clone, Copy, Debug)]
struct Property<'a> {
    name: Name,
    value: &'a [u8],
}

/// A name: where it stands in the strings block, and whether it is a known one.
#[derive(Clone, Copy, Debug)]
struct Name {
    offset: u32,
    length: u16,
    known: Option<Known>,
}

impl<'a> Tree<'a> {
    /// Returns the root.
    #[must_use]
    pub fn root(&self) -> NodeId {
        NodeId::ROOT
    }

    /// Returns the entries of the memory reservation block: address and size.
    #[must_use]
    pub fn reservations(&self) -> &[(u64, u64)] {
        &self.reservations
    }

    /// Walks all nodes in pre-order, the root first.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = NodeId> + use<> {
        (0..self.count()).map(NodeId)
    }

    /// Walks the nodes below `id` and `id` itself, in pre-order.
    pub fn subtree(&self, id: NodeId) -> impl Iterator<Item = NodeId> + use<> {
        (id.0..self.end(id)).map(NodeId)
    }

    /// Returns the node behind the subtree of `id` in pre-order, if there is one.
    #[must_use]
    pub fn after(&self, id: NodeId) -> Option<NodeId> {
        Some(NodeId(self.end(id))).filter(|next| *next > id && next.0 < self.count())
    }

    /// Returns the node behind `id` in pre-order, its first child if it has one.
    #[must_use]
    pub fn next(&self, id: NodeId) -> Option<NodeId> {
        Some(NodeId(id.0.saturating_add(1))).filter(|next| next.0 < self.count())
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
        self.node(id).map_or("", |node| node.name)
    }

    /// Returns the name of `id` without its unit address.
    #[must_use]
    pub fn base_name(&self, id: NodeId) -> &'a str {
        let name = self.name(id);
        name.split_once('@').map_or(name, |(base, _)| base)
    }

    /// Walks the properties of `id` in tree order.
    pub fn properties(&self, id: NodeId) -> impl Iterator<Item = (&'a str, &'a [u8])> + '_ {
        self.list(id).iter().map(|property| (self.text(property.name), property.value))
    }

    /// Walks those properties of `id` whose names are [`Known`], without comparing strings.
    pub fn known(&self, id: NodeId) -> impl Iterator<Item = (Known, &'a [u8])> + '_ {
        self.list(id).iter().filter_map(|property| Some((property.name.known?, property.value)))
    }

    fn list(&self, id: NodeId) -> &[Property<'a>] {
        let first = |index: u16| self.nodes.get(usize::from(index)).map(|node| usize::from(node.properties));
        let from = first(id.0).unwrap_or(self.properties.len());
        let to = first(id.0.saturating_add(1)).unwrap_or(self.properties.len());
        self.properties.get(from..to).unwrap_or_default()
    }

    /// Returns the value of property `name` of `id`.
    #[must_use]
    pub fn property(&self, id: NodeId, name: &str) -> Option<&'a [u8]> {
        let named = |it: &&Property<'a>| usize::from(it.name.length) == name.len() && self.text(it.name) == name;
        self.list(id).iter().find(named).map(|property| property.value)
    }

    fn text(&self, name: Name) -> &'a str {
        let start = name.offset as usize;
        self.strings.get(start..start.saturating_add(name.length.into())).unwrap_or_default()
    }

    fn node(&self, id: NodeId) -> Option<&Node<'a>> {
        self.nodes.get(id.index())
    }

    fn end(&self, id: NodeId) -> u16 {
        self.node(id).map_or(0, |node| node.end)
    }

    /// Fits: [`Tree::parse`] stops at `u16::MAX` nodes.
    fn count(&self) -> u16 {
        u16::try_from(self.nodes.len()).unwrap_or(u16::MAX)
    }
}
