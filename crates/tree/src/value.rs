//! What property values mean: big-endian cells, numbers of one or two cells, NUL-ended strings.
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

/// Returns which of `names`, with a space between, is `name`. Without a table, since each of its entries is two words.
#[must_use]
#[inline(never)]
pub fn which(names: &str, name: &[u8]) -> Option<usize> {
    names.as_bytes().split(|byte| *byte == b' ').position(|one| one == name)
}

/// Returns the first string in `bytes`, less the NUL that ends it.
pub(crate) fn first_string(bytes: &[u8]) -> Option<&[u8]> {
    bytes.get(..bytes.iter().position(|byte| *byte == 0)?)
}

impl<'a> Tree<'a> {
    /// Returns the first string of property `name`.
    #[must_use]
    pub fn string(&self, id: NodeId, name: &str) -> Option<&'a str> {
        core::str::from_utf8(first_string(self.property(id, name)?)?).ok()
    }

    /// The same as bytes; nothing is empty.
    #[must_use]
    pub fn first(&self, id: NodeId, name: &str) -> &'a [u8] {
        self.property(id, name).and_then(first_string).unwrap_or_default()
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

    /// Tells whether `compatible` of `id` has any of `these`, which stand behind one another with a space between.
    #[must_use]
    pub fn is_compatible(&self, id: NodeId, these: &str) -> bool {
        let own = self.get(id, Known::Compatible).unwrap_or_default().split_inclusive(|byte| *byte == 0);
        own.filter_map(|name| name.strip_suffix(&[0])).any(|name| which(these, name).is_some())
    }
}
