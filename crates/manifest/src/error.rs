//! What can be wrong with a bundle, each in one sentence.

use alloc::string::String;
use core::fmt;
use tree::{NodeId, Tree, TreeError};

/// Why a bundle cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BundleError {
    /// The bytes do not start with a flattened device tree.
    NotATree,
    /// The tree is damaged.
    Tree(TreeError),
    /// Fewer bytes than the bundle has.
    Truncated {
        /// Which it has.
        need: u64,
        /// Which are there.
        have: u64,
    },
    /// A node or property that must be there is not.
    Missing {
        /// Its node.
        node: String,
        /// Its name.
        key: &'static str,
    },
    /// A property's value is not what its name asks for.
    Value {
        /// Its node.
        node: String,
        /// Its name.
        key: String,
    },
    /// A property or node this version does not know.
    Unknown {
        /// Its node.
        node: String,
        /// Its name.
        key: String,
    },
    /// `/cellwall` is of another version.
    Version(u32),
    /// A cell names an image that is not in the bundle.
    NoImage {
        /// The cell.
        cell: String,
        /// The image.
        image: String,
    },
    /// A payload lies in the tree or beyond any memory.
    Payload(String),
}

impl BundleError {
    pub(crate) fn missing(tree: &Tree<'_>, node: NodeId, key: &'static str) -> Self {
        Self::Missing { node: tree.path(node), key }
    }

    pub(crate) fn value(tree: &Tree<'_>, node: NodeId, key: &str) -> Self {
        Self::Value { node: tree.path(node), key: key.into() }
    }

    pub(crate) fn unknown(tree: &Tree<'_>, node: NodeId, key: &str) -> Self {
        Self::Unknown { node: tree.path(node), key: key.into() }
    }
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotATree => f.write_str("no bundle: the bytes do not start with a flattened device tree"),
            Self::Tree(error) => write!(f, "the bundle is damaged: {error}"),
            Self::Truncated { need, have } => {
                write!(f, "the bundle is cut short: it has {need} bytes, {have} are here")
            }
            Self::Missing { node, key } => write!(f, "the bundle lacks {key} in {node}"),
            Self::Value { node, key } => {
                write!(f, "the bundle's {key} in {node} has no valid value")
            }
            Self::Unknown { node, key } => {
                write!(f, "the bundle has {key} in {node}, which this version does not know")
            }
            Self::Version(version) => {
                write!(f, "the bundle is of version {version}, this reads version {}", crate::VERSION)
            }
            Self::NoImage { cell, image } => {
                write!(f, "cell {cell} names image {image}, which the bundle lacks")
            }
            Self::Payload(image) => {
                write!(f, "the payload of image {image} lies outside the bundle")
            }
        }
    }
}

impl core::error::Error for BundleError {}
