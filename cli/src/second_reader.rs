//! A second opinion on a board's tree: what EL2's own reader sees in it, the `fdt` crate must see too.
//!
//! The plan is proved against what `tree` reads, on the desk and on the board alike, so a mistake in that reader would
//! be in both verdicts. Here somebody else's reader goes through the same bytes: every node by name, every property by
//! name and value, in order. `fdt` ends at a depth of 16 without a word; what lies deeper has one reader only.

use anyhow::{Result, anyhow, ensure};
use fdt::Fdt;
use tree::{NodeId, Tree};

/// Nodes at this depth and below are not seen by `fdt`.
const DEPTH: usize = 16;

/// Compares `tree` with what the second reader sees in `blob`.
///
/// # Errors
/// Names the first node of which they say different things.
pub fn agrees(tree: &Tree<'_>, blob: &[u8]) -> Result<()> {
    let differ = |id: NodeId, what: &str| {
        anyhow!("{what} of {} reads differently in a second reader: the device tree is damaged", tree.path(id))
    };
    let other = Fdt::new_unaligned_fallible(blob).map_err(|_| differ(NodeId::ROOT, "the header"))?;
    let mut theirs = other.all_nodes().map_err(|_| differ(NodeId::ROOT, "the structure"))?;
    for id in tree.nodes().skip(1) {
        let Some(one) = theirs.next() else {
            let deep = tree.nodes().any(|id| tree.path(id).matches('/').count() >= DEPTH);
            ensure!(deep, differ(id, "the existence"));
            return Ok(());
        };
        let (_, one) = one.map_err(|_| differ(id, "the start"))?;
        let name = one.name().map_err(|_| differ(id, "the name"))?;
        ensure!(name.to_string() == tree.name(id), differ(id, "the name"));
        let properties = one.properties().map_err(|_| differ(id, "a property"))?;
        let mut properties = properties.iter();
        for (key, value) in tree.properties(id) {
            let same = properties.next().is_some_and(|one| one.is_ok_and(|one| (one.name, one.value) == (key, value)));
            ensure!(same, differ(id, &format!("property {key}")));
        }
        ensure!(properties.next().is_none(), differ(id, "the last property"));
    }
    ensure!(theirs.next().is_none(), differ(NodeId::ROOT, "the last node"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &[u8] = include_bytes!("../../crates/board/tests/data/qemu-virt-gicv3.dtb");

    #[test]
    fn a_difference_is_said_with_its_place() {
        agrees(&Tree::parse(GOOD).unwrap(), GOOD).unwrap();
        let at = GOOD.windows(11).position(|bytes| bytes == b"arm,pl011\0a").unwrap();
        let mut other = GOOD.to_vec();
        other[at] = b'A';
        let error = agrees(&Tree::parse(GOOD).unwrap(), &other).unwrap_err().to_string();
        assert!(error.starts_with("property compatible of /pl011@9000000 reads differently"), "{error}");
    }

    #[test]
    fn a_node_more_or_less_is_a_difference() {
        let other = include_bytes!("../../crates/board/tests/data/qemu-virt-gicv2.dtb");
        agrees(&Tree::parse(GOOD).unwrap(), other).unwrap_err();
        agrees(&Tree::parse(other).unwrap(), GOOD).unwrap_err();
    }
}
