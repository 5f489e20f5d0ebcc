//! RAM and what the tree takes out of it (Devicetree Specification v0.4, 3.4, 3.5, 5.3).

use crate::bus::{Cells, entries};
use crate::node::Node;
use crate::{BoardError, Reserved, malformed};
use address::{Address, PhysAddr, Region};
use alloc::vec::Vec;
use tree::{Known, NodeId, Tree};

/// Reads the `reg` of `id` in `cells`, empty entries left out.
fn banks(
    tree: &Tree<'_>,
    id: NodeId,
    reg: &[u8],
    cells: Cells,
    mut add: impl FnMut(Region<PhysAddr>),
) -> Result<(), BoardError> {
    let mut entries = entries(reg, [cells.address, cells.size]).ok_or_else(|| malformed(tree, id, "reg"))?;
    entries.try_for_each(|[base, size]| {
        if size != 0 {
            add(Region::new(PhysAddr::new(base), size).ok_or_else(|| malformed(tree, id, "reg"))?);
        }
        Ok(())
    })
}

/// Adds the banks of memory node `node` to `ram`; memory that is disabled is the secure world's.
pub(crate) fn ram(
    tree: &Tree<'_>,
    id: NodeId,
    node: &Node<'_>,
    cells: Cells,
    ram: &mut Vec<Region<PhysAddr>>,
) -> Result<(), BoardError> {
    if node.disabled() {
        return Ok(());
    }
    banks(tree, id, node.get(Known::Reg).unwrap_or_default(), cells, |bank| {
        ram.push(bank);
    })
}

/// Reads the memory reservation block and `/reserved-memory`.
pub(crate) fn reserved<'a>(tree: &Tree<'a>) -> Result<Vec<Reserved<'a>>, BoardError> {
    let listed = tree.reservations().iter().filter_map(|(base, size)| Region::new(PhysAddr::new(*base), *size));
    let mut reserved: Vec<_> = listed.map(|region| Reserved { region, name: "memreserve" }).collect();
    if let Some(list) = tree.child(NodeId::ROOT, "reserved-memory") {
        let cells = Node::of(tree, list).cells();
        for id in tree.children(list) {
            let node = Node::of(tree, id);
            if let (Some(reg), false) = (node.get(Known::Reg), node.disabled()) {
                banks(tree, id, reg, cells, |region| {
                    reserved.push(Reserved { region, name: tree.name(id) });
                })?;
            }
        }
    }
    Ok(reserved)
}
