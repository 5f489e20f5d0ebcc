//! A device tree that can be changed: read by `tree`, written here.
//!
//! Owns a copy of everything; what the desk completes or merges (a board's tree without RAM, a cell's own tree) goes
//! through it. `vm-fdt` does not write what trees in the field have: property names of other characters or lengths
//! than the specification's. Devicetree Specification v0.4, chapter 5.

use anyhow::Result;
use std::collections::BTreeMap;
use tree::{NodeId, Tree};

/// A tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dom {
    /// The root.
    pub root: Node,
    /// The memory reservation block: address and size.
    pub reservations: Vec<(u64, u64)>,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// With its unit address.
    pub name: String,
    /// In tree order.
    pub properties: Vec<(String, Vec<u8>)>,
    /// In tree order.
    pub children: Vec<Node>,
}

impl Dom {
    /// Reads the tree at the start of `blob`.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(blob: &[u8]) -> Result<Self> {
        let tree = Tree::parse(blob)?;
        Ok(Self { root: Node::copy(&tree, NodeId::ROOT), reservations: tree.reservations().collect() })
    }

    /// Writes the tree.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut blocks = Blocks::default();
        self.root.write(&mut blocks);
        blocks.word(9);
        let reserved = self.reservations.iter().chain([&(0, 0)]);
        let reserved: Vec<u8> = reserved.flat_map(|(base, size)| [*base, *size]).flat_map(u64::to_be_bytes).collect();
        let structure = HEADER_BYTES.saturating_add(reserved.len());
        let strings = structure.saturating_add(blocks.structure.len());
        let total = strings.saturating_add(blocks.strings.len());
        // Version 17, read by version 16 too; the CPU that boots is the first.
        let header = [total, structure, strings, HEADER_BYTES, 17, 16, 0, blocks.strings.len(), blocks.structure.len()]
            .map(word);
        [&0xd00d_feed_u32.to_be_bytes(), header.as_flattened(), &reserved, &blocks.structure, &blocks.strings].concat()
    }
}

/// Bytes of a version 17 header.
const HEADER_BYTES: usize = 40;

/// The two blocks while they grow.
#[derive(Default)]
struct Blocks {
    structure: Vec<u8>,
    strings: Vec<u8>,
    offsets: BTreeMap<String, usize>,
}

impl Blocks {
    fn word(&mut self, value: usize) {
        self.structure.extend(word(value));
    }

    fn pad(&mut self) {
        self.structure.resize(self.structure.len().next_multiple_of(4), 0);
    }
}

/// Fits: no tree comes near 4 GiB.
fn word(value: usize) -> [u8; 4] {
    u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes()
}

impl Node {
    /// Makes an empty node.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    fn copy(tree: &Tree<'_>, id: NodeId) -> Self {
        Self {
            name: tree.name(id).to_owned(),
            properties: tree.properties(id).map(|(name, value)| (name.to_owned(), value.to_vec())).collect(),
            children: tree.children(id).map(|child| Self::copy(tree, child)).collect(),
        }
    }

    fn write(&self, blocks: &mut Blocks) {
        blocks.word(1);
        blocks.structure.extend(self.name.bytes().chain([0]));
        blocks.pad();
        for (name, value) in &self.properties {
            let end = blocks.strings.len();
            let offset = *blocks.offsets.entry(name.clone()).or_insert(end);
            if offset == end {
                blocks.strings.extend(name.bytes().chain([0]));
            }
            for number in [3, value.len(), offset] {
                blocks.word(number);
            }
            blocks.structure.extend(value);
            blocks.pad();
        }
        self.children.iter().for_each(|child| child.write(blocks));
        blocks.word(2);
    }

    /// Finds the node at `path`.
    pub fn find(&mut self, path: &str) -> Option<&mut Self> {
        path.split('/')
            .filter(|name| !name.is_empty())
            .try_fold(self, |node, name| node.children.iter_mut().find(|child| child.name == name))
    }

    /// Returns the value of property `name`.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&[u8]> {
        self.properties.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
    }

    /// Sets property `name`.
    pub fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.properties.retain(|(known, _)| known != name);
        self.properties.push((name.to_owned(), value.into()));
    }

    /// Returns the child `name`, made where it is not there.
    pub fn child(&mut self, name: &str) -> &mut Self {
        let found = self.children.iter().position(|child| child.name == name);
        let index = found.unwrap_or_else(|| {
            self.children.push(Self::new(name));
            self.children.len().saturating_sub(1)
        });
        #[expect(clippy::indexing_slicing, reason = "the line above found or made it")]
        &mut self.children[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_read_and_written_is_the_same_tree() {
        let mut dom = Dom { root: Node::new(""), reservations: vec![(0x1000, 0x2000)] };
        dom.root.set("#address-cells", 2_u32.to_be_bytes());
        dom.root.child("soc").child("uart@1000").set("status", *b"okay\0");
        dom.root.child("soc").set("ranges", []);
        let again = Dom::parse(&dom.write()).expect("reads");
        assert_eq!(again, dom);
    }

    #[test]
    fn a_property_set_twice_has_its_last_value() {
        let mut node = Node::new("n");
        node.set("reg", [1]);
        node.set("reg", [2]);
        assert_eq!((node.property("reg"), node.properties.len()), (Some(&[2][..]), 1));
    }
}
