//! What can be wrong with a bundle, each in one sentence.

use address::{Dec, Text};
use core::fmt;
use tree::TreeError;

/// Why a bundle cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BundleError<'a> {
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
    /// The image of this name has no place, or no hash known here.
    Image(&'a str),
    /// The plan is not there, or not what it was.
    Plan,
    /// The plan is of another version.
    Version(u64),
}

impl fmt::Display for BundleError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotATree => f.write_str("no bundle: the bytes do not start with a flattened device tree"),
            Self::Tree(error) => write!(f, "the bundle is damaged: {error}"),
            Self::Truncated { need, have } => {
                write!(f, "the bundle is cut short: it has {} bytes, {} are here", Dec(*need), Dec(*have))
            }
            Self::Image(name) => {
                let name = Text(name);
                write!(f, "the bundle's image {name} lacks data-position, data-size or a hash-1 of sha256 or crc32")
            }
            Self::Plan => f.write_str("the bundle's plan is missing or damaged"),
            Self::Version(version) => {
                let (version, known) = (Dec(*version), Dec(crate::VERSION));
                write!(f, "the bundle is of version {version}, this reads version {known}")
            }
        }
    }
}

impl core::error::Error for BundleError<'_> {}
