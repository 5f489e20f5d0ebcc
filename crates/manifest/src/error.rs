//! What can be wrong with a bundle, each in one sentence.

use alloc::boxed::Box;
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
    /// `/cellwall` is of another version.
    Version(u64),
    /// A node lacks something, or says what it may not.
    Said {
        /// The sentence round the two others.
        words: &'static Words,
        /// The property, image or node at fault.
        key: String,
        /// Its node's path.
        node: String,
    },
}

/// What was read, or why not.
pub(crate) type Read<T> = Result<T, Box<BundleError>>;
/// A sentence round a key and its node.
type Words = [&'static str; 3];

/// A node or property that must be there is not.
pub(crate) const LACKS: Words = ["the bundle lacks ", " in ", ""];
/// A property's value is not what its name asks for.
pub(crate) const INVALID: Words = ["the bundle's ", " in ", " has no valid value"];
/// A property or node this version does not know.
pub(crate) const UNKNOWN: Words = ["the bundle has ", " in ", ", which this version does not know"];
/// A cell names an image that is not in the bundle.
pub(crate) const NO_IMAGE: Words = ["the bundle lacks image ", " of ", ""];
/// A payload lies in the tree or beyond any memory.
pub(crate) const OUTSIDE: Words = ["the bundle's ", " in ", " leads outside it"];

/// Says what is wrong with `key` in `node`.
#[cold]
#[expect(clippy::unnecessary_box_returns, reason = "results are a word")]
pub(crate) fn said(tree: &Tree<'_>, words: &'static Words, key: &str, node: NodeId) -> Box<BundleError> {
    Box::new(BundleError::Said { words, key: key.into(), node: tree.path(node) })
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotATree => f.write_str("no bundle: the bytes do not start with a flattened device tree"),
            Self::Tree(error) => write!(f, "the bundle is damaged: {error}"),
            Self::Truncated { need, have } => {
                write!(f, "the bundle is cut short: it has {need} bytes, {have} are here")
            }
            Self::Version(version) => {
                write!(f, "the bundle is of version {version}, this reads version {}", crate::VERSION)
            }
            Self::Said { words: [before, between, behind], key, node } => {
                write!(f, "{before}{key}{between}{node}{behind}")
            }
        }
    }
}

impl core::error::Error for BundleError {}
