//! Why a cell's tree could not be built.

use core::fmt;

/// Why a cell's tree could not be built.
#[derive(Debug)]
pub enum Error {
    /// It is larger than the room the plan left for it.
    Room {
        /// Its bytes.
        size: usize,
        /// Bytes left for it.
        room: u64,
    },
    /// A name or value cannot be written.
    Write(vm_fdt::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Room { size, room } => write!(f, "the cell's device tree takes {size} bytes, its room has {room}"),
            Self::Write(error) => write!(f, "the cell's device tree cannot be written: {error}"),
        }
    }
}

impl core::error::Error for Error {}

impl From<vm_fdt::Error> for Error {
    fn from(error: vm_fdt::Error) -> Self {
        Self::Write(error)
    }
}
