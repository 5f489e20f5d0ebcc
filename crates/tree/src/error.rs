//! Why a blob is not a device tree, in one sentence each.

use core::fmt;

/// Why a blob is not a device tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeError {
    /// It does not begin with the magic number.
    Magic,
    /// Its format cannot be read as version 17.
    Version {
        /// The oldest version it says it is compatible with.
        oldest: u32,
    },
    /// A block lies outside it, or it ends before its root does.
    Cut,
    /// The structure block has a token that may not stand there.
    Token {
        /// Which token.
        token: u32,
        /// Where in the structure block.
        offset: usize,
    },
    /// A name is no text.
    Text,
    /// It nests deeper than [`crate::MAX_DEPTH`].
    Deep,
    /// It has more nodes or properties than 16 bits count.
    Large,
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("the device tree does not begin with its magic number d00dfeed"),
            Self::Version { oldest } => write!(f, "the device tree's version is {oldest}, not 17 or compatible"),
            Self::Cut => f.write_str("the device tree is cut short"),
            Self::Token { token, offset } => write!(f, "the device tree has a stray token {token:#x} at {offset:#x}"),
            Self::Text => f.write_str("the device tree has a name that is no text"),
            Self::Deep => write!(f, "the device tree nests deeper than {} nodes", crate::MAX_DEPTH),
            Self::Large => f.write_str("the device tree has more than 65535 nodes or properties"),
        }
    }
}

impl core::error::Error for TreeError {}
