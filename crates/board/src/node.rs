//! The properties every node may have that this crate asks for, gathered in one pass over the node.
//!
//! Owns nothing. Asking the tree once per property would walk the node's properties a dozen times over.

use tree::{Known, NodeId, Tree, any_string, number, strings};

/// A node's common properties.
pub(crate) struct Node<'a>([Option<&'a [u8]>; Known::COUNT]);

impl<'a> Node<'a> {
    pub(crate) fn of(tree: &Tree<'a>, id: NodeId) -> Self {
        let mut values = [None; Known::COUNT];
        for (known, value) in tree.known(id) {
            if let Some(slot) = values.get_mut(known as usize) {
                *slot = Some(value);
            }
        }
        Self(values)
    }

    /// Returns the value of a property, if the node has it.
    pub(crate) fn get(&self, known: Known) -> Option<&'a [u8]> {
        self.0.get(known as usize).copied().flatten()
    }

    /// Returns the most specific `compatible`, "" where there is none.
    pub(crate) fn compatible(&self) -> &'a str {
        strings(self.get(Known::Compatible).unwrap_or_default()).next().unwrap_or_default()
    }

    pub(crate) fn is_compatible(&self, these: &[&str]) -> bool {
        any_string(self.get(Known::Compatible).unwrap_or_default(), these)
    }

    pub(crate) fn is_type(&self, name: &str) -> bool {
        self.get(Known::DeviceType).and_then(|value| value.strip_suffix(b"\0")) == Some(name.as_bytes())
    }

    /// Behind an IOMMU: it, or the bus it bridges to.
    pub(crate) fn iommu(&self) -> bool {
        self.get(Known::Iommus).or(self.get(Known::IommuMap)).is_some()
    }

    /// `status` is neither absent nor okay.
    pub(crate) fn disabled(&self) -> bool {
        self.get(Known::Status).is_some_and(|status| !matches!(status, b"okay\0" | b"ok\0"))
    }

    /// Cells of its children's `reg`; absent means 2 and 1 (Devicetree Specification v0.4, 2.3.5).
    pub(crate) fn cells(&self) -> crate::bus::Cells {
        crate::bus::Cells {
            address: small(self.get(Known::AddressCells), 2),
            size: small(self.get(Known::SizeCells), 1),
        }
    }
}

/// Reads a number of cells; one that no binding has counts as none.
pub(crate) fn small(value: Option<&[u8]>, absent: u32) -> u32 {
    let Some(value) = value else { return absent };
    number(value).and_then(|count| u32::try_from(count).ok()).filter(|count| *count <= 8).unwrap_or(0)
}
