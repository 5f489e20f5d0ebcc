//! Why a tree is no board a hypervisor can run on, in one sentence each.

use address::Text;
use alloc::boxed::Box;
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

/// What was read, or why not: one word to pass on.
pub(crate) type Read<T> = Result<T, Box<BoardError>>;

#[cold]
#[expect(clippy::unnecessary_box_returns, reason = "results are a word")]
pub(crate) fn missing(what: &'static str) -> Box<BoardError> {
    Box::new(BoardError::Missing(what))
}

#[cold]
#[expect(clippy::unnecessary_box_returns, reason = "results are a word")]
pub(crate) fn malformed(tree: &Tree<'_>, node: NodeId, property: &'static str) -> Box<BoardError> {
    Box::new(BoardError::Malformed { path: tree.path(node), property })
}

impl fmt::Display for BoardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tree(error) => error.fmt(f),
            Self::Missing(what) => write!(f, "the device tree tells of no {}", Text(what)),
            Self::Malformed { path, property } => {
                write!(f, "the device tree's {} has a malformed `{}`", Text(path), Text(property))
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
