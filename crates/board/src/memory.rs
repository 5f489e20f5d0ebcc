//! RAM and what the tree takes out of it (Devicetree Specification v0.4, 3.4, 3.5, 5.3).

use crate::Reserved;
use crate::bus::{Bus, Numbers};
use crate::error::{Read, malformed};
use crate::node::disabled;
use address::{Address, PhysAddr, Region};
use alloc::vec::Vec;
use tree::{Known, NodeId, Tree};

/// Reads the `reg` of `id` on `bus`, empty entries left out; what is disabled is the secure world's.
pub(crate) fn banks(tree: &Tree<'_>, id: NodeId, bus: &Bus<'_>, mut add: impl FnMut(Region<PhysAddr>)) -> Read<()> {
    let bad = || malformed(tree, id, "reg");
    let Some(reg) = tree.get(id, Known::Reg).filter(|_| !disabled(tree, id)) else { return Ok(()) };
    let mut numbers = Numbers::new(reg, bus.address | bus.size).ok_or_else(bad)?;
    while !numbers.0.is_empty() {
        let (base, size) = numbers.next(bus.address).zip(numbers.next(bus.size)).ok_or_else(bad)?;
        if size != 0 {
            add(Region::new(PhysAddr::new(base), size).ok_or_else(bad)?);
        }
    }
    Ok(())
}

/// Reads the memory reservation block and `/reserved-memory`.
pub(crate) fn reserved<'a>(tree: &Tree<'a>) -> Read<Vec<Reserved<'a>>> {
    let mut reserved = Vec::new();
    for (base, size) in tree.reservations() {
        let region = Region::new(PhysAddr::new(base), size);
        reserved.extend(region.map(|region| Reserved { region, name: "memreserve" }));
    }
    if let Some(list) = tree.child(NodeId::ROOT, "reserved-memory") {
        let bus = Bus::new(tree, list, None);
        for id in tree.children(list) {
            banks(tree, id, &bus, |region| reserved.push(Reserved { region, name: tree.name(id) }))?;
        }
    }
    Ok(reserved)
}
