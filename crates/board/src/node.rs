//! What the properties many nodes have mean (Devicetree Specification v0.4, 2.3).

use tree::{Known, NodeId, Tree, number, which};

pub(crate) fn is_type(tree: &Tree<'_>, id: NodeId, name: &[u8]) -> bool {
    tree.get(id, Known::DeviceType) == Some(name)
}

/// `status` is neither absent nor okay.
pub(crate) fn disabled(tree: &Tree<'_>, id: NodeId) -> bool {
    tree.get(id, Known::Status).is_some_and(|status| which("okay\0 ok\0", status).is_none())
}

/// Reads a number of cells; one that no binding has counts as none.
pub(crate) fn count(tree: &Tree<'_>, id: NodeId, name: Known, absent: usize) -> usize {
    let Some(value) = tree.get(id, name) else { return absent };
    number(value).filter(|count| *count <= 8).and_then(|count| usize::try_from(count).ok()).unwrap_or(0)
}
