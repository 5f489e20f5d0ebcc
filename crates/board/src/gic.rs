//! The interrupt controller and the generic timer (bindings `arm,gic`, `arm,gic-v3`, `arm,armv8-timer`).

use crate::bus::{Bus, Cells, regions};
use crate::interrupt::Controller;
use crate::node::{Node, small};
use crate::{BoardError, Gic, Timers, malformed};
use address::{PhysAddr, Region};
use alloc::vec::Vec;
use tree::{Known, NodeId, Tree};

const V2: [&str; 5] = ["arm,gic-400", "arm,cortex-a15-gic", "arm,cortex-a7-gic", "arm,cortex-a9-gic", "arm,tc11mp-gic"];
const V3: &str = "arm,gic-v3";
const TIMER: [&str; 2] = ["arm,armv8-timer", "arm,armv7-timer"];

/// PPI 9: what the bindings' examples, the SBSA and every board of platforms/ use.
const MAINTENANCE: u32 = 25;

/// Finds the GIC's node; without one the root stands in, to which no interrupt goes.
pub(crate) fn find(tree: &Tree<'_>) -> Result<Controller, BoardError> {
    let is_gic = |id: &NodeId| {
        tree.known(*id).any(|(name, _)| name == Known::InterruptController)
            && (tree.is_compatible(*id, &[V3]) || tree.is_compatible(*id, &V2))
    };
    let node = tree.nodes().find(is_gic);
    let Some(node) = node else {
        return Ok(Controller { node: NodeId::ROOT, cells: 3, address_cells: 0 });
    };
    let cells_of = |name| small(tree.property(node, name), 0);
    let cells = cells_of("#interrupt-cells");
    if cells < 3 {
        return Err(malformed(tree, node, "#interrupt-cells"));
    }
    Ok(Controller { node, cells: cells as usize, address_cells: cells_of("#address-cells") as usize })
}

/// Reads the GIC's frames; `buses` lead to it.
pub(crate) fn gic(
    tree: &Tree<'_>,
    controller: Controller,
    node: &Node<'_>,
    buses: &[Bus<'_>],
) -> Result<Gic, BoardError> {
    let id = controller.node;
    let bad = |property| move || malformed(tree, id, property);
    let mut frames = regions(buses, node).ok_or_else(bad("reg"))?.into_iter();
    let lines = node.get(Known::Interrupts).map_or(Some(Vec::new()), |bytes| controller.decode_all(bytes));
    let maintenance = lines.ok_or_else(bad("interrupts"))?.first().map_or(MAINTENANCE, |line| line.intid);
    let mut next = || frames.next().ok_or_else(bad("reg"));
    let distributor = next()?;
    let frames_below = |compatible| children(tree, id, node, buses, compatible);
    if node.is_compatible(&[V3]) {
        let count = small(tree.property(id, "#redistributor-regions"), 1).max(1);
        let redistributors = (0..count).map(|_| next()).collect::<Result<_, _>>()?;
        let its = frames_below("arm,gic-v3-its")?;
        return Ok(Gic::V3 { distributor, redistributors, its, node: id, maintenance });
    }
    let cpu = next()?;
    let mut virtual_frame = || next().map_err(|_| BoardError::Missing("GICv2 with a virtual CPU interface"));
    let (hypervisor, virtual_cpu) = (virtual_frame()?, virtual_frame()?);
    let msi = frames_below("arm,gic-v2m-frame")?;
    Ok(Gic::V2 { distributor, cpu, hypervisor, virtual_cpu, msi, node: id, maintenance })
}

/// Reads the regions of the GIC's children that are `compatible`.
fn children(
    tree: &Tree<'_>,
    gic: NodeId,
    node: &Node<'_>,
    buses: &[Bus<'_>],
    compatible: &str,
) -> Result<Vec<Region<PhysAddr>>, BoardError> {
    let mut found = Vec::new();
    let Some(ranges) = node.get(Known::Ranges) else {
        return Ok(found);
    };
    let Cells { address, size } = node.cells();
    for id in tree.children(gic) {
        let child = Node::of(tree, id);
        if child.is_compatible(&[compatible]) && !child.disabled() {
            let bad = || malformed(tree, id, "reg");
            let entries =
                crate::bus::entries(child.get(Known::Reg).ok_or_else(bad)?, [address, size]).ok_or_else(bad)?;
            let parent = buses.last().map_or(0, |bus| bus.cells.address);
            found.extend(entries.filter_map(|[base, length]| {
                let base = crate::bus::step(ranges, [address, parent, size], base, length)?;
                crate::bus::translate(buses, base, length)
            }));
        }
    }
    Ok(found)
}

/// Reads the generic timer's PPIs: secure, physical, virtual, hypervisor, and perhaps the hypervisor's virtual one.
pub(crate) fn timers(
    tree: &Tree<'_>,
    controller: Controller,
    id: NodeId,
    node: &Node<'_>,
    parent: Option<NodeId>,
) -> Result<Timers, BoardError> {
    let bad = |property| malformed(tree, id, property);
    let lines = controller.of(tree, node, parent).map_err(bad)?;
    match lines.as_slice() {
        [secure, physical, virtual_, hypervisor, ..] if lines.iter().all(|line| line.intid < 32) => Ok(Timers {
            secure: secure.intid,
            physical: physical.intid,
            virtual_: virtual_.intid,
            hypervisor: hypervisor.intid,
            node: id,
        }),
        _ => Err(bad("interrupts")),
    }
}

/// Tells whether `node` is the generic timer.
pub(crate) fn is_timer(node: &Node<'_>) -> bool {
    node.is_compatible(&TIMER)
}
