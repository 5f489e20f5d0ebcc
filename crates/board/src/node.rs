//! The properties every node may have that this crate asks for, gathered in one pass over the node.
//!
//! Owns nothing. Asking the tree once per property would walk the node's properties a dozen times over.

use tree::{NodeId, Tree, any_string, number, strings};

/// A node's common properties.
#[derive(Clone, Copy, Default)]
pub(crate) struct Node<'a> {
    pub(crate) compatible: &'a [u8],
    pub(crate) device_type: &'a [u8],
    pub(crate) reg: Option<&'a [u8]>,
    pub(crate) ranges: Option<&'a [u8]>,
    pub(crate) status: Option<&'a [u8]>,
    pub(crate) interrupts: Option<&'a [u8]>,
    pub(crate) interrupts_extended: Option<&'a [u8]>,
    pub(crate) interrupt_parent: Option<&'a [u8]>,
    pub(crate) interrupt_map: Option<&'a [u8]>,
    pub(crate) address_cells: Option<&'a [u8]>,
    pub(crate) size_cells: Option<&'a [u8]>,
    pub(crate) interrupt_cells: Option<&'a [u8]>,
    pub(crate) iommu: bool,
}

impl<'a> Node<'a> {
    pub(crate) fn of(tree: &Tree<'a>, id: NodeId) -> Self {
        let mut node = Self::default();
        for (name, value) in tree.properties(id) {
            match name {
                "compatible" => node.compatible = value,
                "device_type" => node.device_type = value,
                "reg" => node.reg = Some(value),
                "ranges" => node.ranges = Some(value),
                "status" => node.status = Some(value),
                "interrupts" => node.interrupts = Some(value),
                "interrupts-extended" => node.interrupts_extended = Some(value),
                "interrupt-parent" => node.interrupt_parent = Some(value),
                "interrupt-map" => node.interrupt_map = Some(value),
                "#address-cells" => node.address_cells = Some(value),
                "#size-cells" => node.size_cells = Some(value),
                "#interrupt-cells" => node.interrupt_cells = Some(value),
                "iommus" | "iommu-map" => node.iommu = true,
                _ => {}
            }
        }
        node
    }

    /// Returns the most specific `compatible`, "" where there is none.
    pub(crate) fn compatible(&self) -> &'a str {
        strings(self.compatible).next().unwrap_or_default()
    }

    pub(crate) fn is_compatible(&self, these: &[&str]) -> bool {
        any_string(self.compatible, these)
    }

    pub(crate) fn is_type(&self, name: &str) -> bool {
        self.device_type.strip_suffix(b"\0") == Some(name.as_bytes())
    }

    /// `status` is neither absent nor okay.
    pub(crate) fn disabled(&self) -> bool {
        self.status.is_some_and(|status| !matches!(status, b"okay\0" | b"ok\0"))
    }

    /// Cells of its children's `reg`; absent means 2 and 1 (Devicetree Specification v0.4, 2.3.5).
    pub(crate) fn cells(&self) -> crate::bus::Cells {
        crate::bus::Cells { address: small(self.address_cells, 2), size: small(self.size_cells, 1) }
    }
}

/// Reads a number of cells; one that no binding has counts as none.
pub(crate) fn small(value: Option<&[u8]>, absent: u32) -> u32 {
    let Some(value) = value else { return absent };
    number(value).and_then(|count| u32::try_from(count).ok()).filter(|count| *count <= 8).unwrap_or(0)
}
