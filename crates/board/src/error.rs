//! Why a tree is no board a hypervisor can run on, in one sentence each.

use alloc::string::String;
use core::fmt;
use tree::{NodeId, Tree, TreeError};

/// Why there is no [`crate::Board`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoardError {
    /// The blob is no device tree.
    Tree(TreeError),
    /// The tree does not tell what no board can be without.
    Missing(&'static str),
    /// A property does not say what its binding has it say.
    Malformed {
        /// The node's path.
        path: String,
        /// The property.
        property: &'static str,
    },
}

/// The same while the tree is at hand: the node's index, [`usize::MAX`] where something is missing, and what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault(usize, &'static str);

impl Fault {
    pub(crate) fn missing(what: &'static str) -> Self {
        Self(usize::MAX, what)
    }

    pub(crate) fn malformed(node: NodeId, property: &'static str) -> Self {
        Self(node.index(), property)
    }

    pub(crate) fn named(self, tree: &Tree<'_>) -> BoardError {
        match tree.nodes().nth(self.0) {
            None => BoardError::Missing(self.1),
            Some(node) => BoardError::Malformed { path: tree.path(node), property: self.1 },
        }
    }
}

impl fmt::Display for BoardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tree(error) => error.fmt(f),
            Self::Missing(what) => write!(f, "the device tree tells of no {what}"),
            Self::Malformed { path, property } => {
                write!(f, "the device tree's {path} has a malformed `{property}`")
            }
        }
    }
}

impl core::error::Error for BoardError {}

impl From<TreeError> for BoardError {
    fn from(error: TreeError) -> Self {
        Self::Tree(error)
    }
}
