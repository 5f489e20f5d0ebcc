//! The interrupt controller and the generic timer (bindings `arm,gic`, `arm,gic-v3`, `arm,armv8-timer`).

use crate::bus::Bus;
use crate::error::{Read, malformed, missing};
use crate::interrupt::Controller;
use crate::node::{count, disabled};
use crate::{Gic, Timers};
use address::{PhysAddr, Region};
use alloc::vec::Vec;
use tree::{Known, NodeId, Tree};

const V2: &str = "arm,gic-400 arm,cortex-a15-gic arm,cortex-a7-gic arm,cortex-a9-gic arm,tc11mp-gic";
const V3: &str = "arm,gic-v3";
pub(crate) const TIMER: &str = "arm,armv8-timer arm,armv7-timer";

/// PPI 9: what the bindings' examples, the SBSA and every board of platforms/ use.
const MAINTENANCE: u32 = 25;

/// Finds the GIC's node; without one the root stands in, to which no interrupt goes.
pub(crate) fn find(tree: &Tree<'_>) -> Read<Controller> {
    let is_gic = |id: &NodeId| {
        let is = |these| tree.is_compatible(*id, these);
        tree.has(*id, Known::InterruptController) && (is(V3) || is(V2))
    };
    let Some(node) = tree.nodes().find(is_gic) else {
        return Ok(Controller { node: NodeId::ROOT, cells: 3, address_cells: 0 });
    };
    let cells = count(tree, node, Known::InterruptCells, 0);
    if cells < 3 {
        return Err(malformed(tree, node, "#interrupt-cells"));
    }
    Ok(Controller { node, cells, address_cells: count(tree, node, Known::AddressCells, 0) })
}

/// Reads the GIC's frames on `bus`.
pub(crate) fn gic(tree: &Tree<'_>, controller: Controller, bus: &Bus<'_>) -> Read<Gic> {
    let (node, frames) = (controller.node, bus.regions(tree, controller.node)?);
    let maintenance = controller.interrupts(tree, node, bus)?.first().map_or(MAINTENANCE, |line| line.intid);
    let v3 = tree.is_compatible(node, V3);
    let others = children(tree, node, bus, if v3 { "arm,gic-v3-its" } else { "arm,gic-v2m-frame" })?;
    match *frames.as_slice() {
        [distributor, ref rest @ ..] if v3 => {
            let count = tree.u32(node, "#redistributor-regions").unwrap_or(1).max(1);
            let redistributors = rest.get(..count as usize).ok_or_else(|| malformed(tree, node, "reg"))?.to_vec();
            Ok(Gic::V3 { distributor, redistributors, its: others, node, maintenance })
        }
        [distributor, cpu, hypervisor, virtual_cpu, ..] => {
            Ok(Gic::V2 { distributor, cpu, hypervisor, virtual_cpu, msi: others, node, maintenance })
        }
        [_, _, ..] => Err(missing("GICv2 with a virtual CPU interface")),
        _ => Err(malformed(tree, node, "reg")),
    }
}

/// Reads the regions of the GIC's children that are `compatible`.
fn children(tree: &Tree<'_>, gic: NodeId, bus: &Bus<'_>, compatible: &str) -> Read<Vec<Region<PhysAddr>>> {
    let mut found = Vec::new();
    let bus = Bus::new(tree, gic, Some(bus));
    for id in tree.children(gic).filter(|id| tree.is_compatible(*id, compatible) && !disabled(tree, *id)) {
        if tree.has(gic, Known::Ranges) {
            found.append(&mut bus.regions(tree, id)?);
        }
    }
    Ok(found)
}

/// Reads the generic timer's PPIs: secure, physical, virtual, hypervisor, and perhaps the hypervisor's virtual one.
pub(crate) fn timers(tree: &Tree<'_>, controller: Controller, node: NodeId, bus: &Bus<'_>) -> Read<Timers> {
    let lines = controller.interrupts(tree, node, bus)?;
    let monitors = tree.child(NodeId::ROOT, "pmu").and_then(|node| {
        match controller.interrupts(tree, node, bus).ok()?.as_slice() {
            [line] if line.intid < 32 => Some((node, line.intid)),
            _ => None,
        }
    });
    match lines.as_slice() {
        [secure, physical, virtual_, hypervisor, ..] if lines.iter().all(|line| line.intid < 32) => Ok(Timers {
            secure: secure.intid,
            physical: physical.intid,
            virtual_: virtual_.intid,
            hypervisor: hypervisor.intid,
            node,
            monitors,
        }),
        _ => Err(malformed(tree, node, "interrupts")),
    }
}
