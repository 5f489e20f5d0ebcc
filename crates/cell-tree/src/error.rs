//! Why a cell's tree could not be built.

use core::fmt;

/// The tree is larger than the room the plan left for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// The tree's bytes.
    pub size: usize,
    /// Bytes left for it.
    pub room: u64,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the cell's device tree takes {} bytes, its room has {}", self.size, self.room)
    }
}

impl core::error::Error for Error {}
