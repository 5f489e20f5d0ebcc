//! Why a blob is not a device tree, in one sentence each.

use core::fmt;

/// Why a blob is not a device tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeError {
    /// It does not begin with the magic number.
    Magic,
    /// Its format cannot be read as version 17.
    Version,
    /// A block lies outside it, or it ends before its root does.
    Cut,
    /// The structure block has this token where it may not stand.
    Token(u32),
    /// A name is no text.
    Text,
    /// It nests deeper than [`crate::MAX_DEPTH`].
    Deep,
    /// It has more nodes than 16 bits count or than there is memory for, or a node of more than 256 KiB.
    Large,
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the device tree ")?;
        f.write_str(match self {
            Self::Magic => "does not begin with its magic number d00dfeed",
            Self::Version => "cannot be read as version 17",
            Self::Cut => "is cut short",
            Self::Token(_) => "has a stray token",
            Self::Text => "has a name that is no text",
            Self::Deep => "nests deeper than 64 nodes",
            Self::Large => "has too many or too large nodes",
        })
    }
}

impl core::error::Error for TreeError {}
