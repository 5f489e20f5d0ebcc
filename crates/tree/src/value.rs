//! What property values mean: big-endian cells, numbers of one or two cells, lists of NUL-ended strings.
//!
//! Owns nothing; a value of the wrong length or kind is no value, never a wrong one.
//! Devicetree Specification v0.4, 2.2.4.

use crate::{Known, NodeId, Tree};

/// Walks `bytes` as 32-bit big-endian cells; bytes left over at the end are dropped.
#[must_use]
pub fn cells(bytes: &[u8]) -> impl DoubleEndedIterator<Item = u32> + ExactSizeIterator + Clone + '_ {
    bytes.as_chunks().0.iter().map(|cell| u32::from_be_bytes(*cell))
}

/// Reads `bytes` as one number of one or two cells.
#[must_use]
pub fn number(bytes: &[u8]) -> Option<u64> {
    match bytes.len() {
        4 => Some(u64::from(u32::from_be_bytes(bytes.try_into().ok()?))),
        8 => Some(u64::from_be_bytes(bytes.try_into().ok()?)),
        _ => None,
    }
}

/// Walks `bytes` as strings, each ended by a NUL; what is no text is left out.
pub fn strings(bytes: &[u8]) -> impl Iterator<Item = &str> + Clone {
    pieces(bytes).filter_map(|piece| core::str::from_utf8(piece).ok())
}

/// Returns the first string in `bytes`, less the NUL that ends it.
#[must_use]
pub fn first_string(bytes: &[u8]) -> Option<&[u8]> {
    pieces(bytes).next()
}

fn pieces(bytes: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    bytes.split_inclusive(|byte| *byte == 0).filter_map(|piece| piece.strip_suffix(&[0]))
}

impl<'a> Tree<'a> {
    /// Returns the first string of property `name`.
    #[must_use]
    pub fn string(&self, id: NodeId, name: &str) -> Option<&'a str> {
        core::str::from_utf8(first_string(self.property(id, name)?)?).ok()
    }

    /// Walks the strings of property `name`; none where it is absent.
    pub fn strings(&self, id: NodeId, name: &str) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
        strings(self.property(id, name).unwrap_or_default())
    }

    /// Returns property `name`, exactly one cell.
    #[must_use]
    pub fn u32(&self, id: NodeId, name: &str) -> Option<u32> {
        Some(u32::from_be_bytes(self.property(id, name)?.try_into().ok()?))
    }

    /// Returns property `name`, one or two cells.
    #[must_use]
    pub fn u64(&self, id: NodeId, name: &str) -> Option<u64> {
        number(self.property(id, name)?)
    }

    /// Tells whether `compatible` of `id` has any of `these`.
    #[must_use]
    pub fn is_compatible(&self, id: NodeId, these: &[&str]) -> bool {
        let own = self.get(id, Known::Compatible).unwrap_or_default();
        pieces(own).any(|piece| these.iter().any(|one| one.as_bytes() == piece))
    }
}
