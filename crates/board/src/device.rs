//! The walk over every node the CPUs can address: RAM, GIC, timer, firmware's conduit, devices.
//!
//! Owns the order: one pre-order walk with the stack of buses above the node at hand. A node that is no bus hides its
//! children (an I2C controller's children are no addresses), and so does a PCI host bridge, whose `ranges` are its
//! windows instead. Devicetree Specification v0.4, 2.3 and 3; IEEE 1275 PCI binding, 2.2.1.1.

use crate::bus::{Bus, interrupt_parent};
use crate::interrupt::Controller;
use crate::node::{count, disabled, is_type};
use crate::{Conduit, Device, Fault, Gic, Timers, UARTS, gic, memory};
use address::{PhysAddr, Region};
use alloc::vec::Vec;
use tree::{Known, NodeId, Tree, first_string};

/// How many buses may stand between the root and a device.
const MAX_BUSES: usize = 16;

/// Children of the root that are no bus although some have `ranges`.
const NO_BUSES: [&str; 3] = ["reserved-memory", "chosen", "firmware"];

/// What the walk found.
pub(crate) struct Found<'t, 'a> {
    tree: &'t Tree<'a>,
    controller: Controller,
    pub(crate) ram: Vec<Region<PhysAddr>>,
    /// What is wrong with these two waits for the end of the walk, which finds the UART to say it on.
    pub(crate) gic: Result<Gic, Fault>,
    pub(crate) timers: Result<Timers, Fault>,
    pub(crate) psci: Option<Conduit>,
    pub(crate) devices: Vec<Device<'a>>,
}

/// Walks the tree.
pub(crate) fn survey<'t, 'a>(tree: &'t Tree<'a>) -> Result<Found<'t, 'a>, Fault> {
    let mut found = Found {
        tree,
        controller: gic::find(tree)?,
        ram: Vec::new(),
        gic: Err(Fault::missing("GICv2 or GICv3")),
        timers: Err(Fault::missing("generic timer")),
        psci: None,
        devices: Vec::with_capacity(tree.nodes().len().min(64)),
    };
    found.walk(&Bus::new(tree, NodeId::ROOT, "", None))?;
    Ok(found)
}

impl Found<'_, '_> {
    /// Takes note of every node on `bus`, and of those below it where it is a bus itself.
    fn walk(&mut self, bus: &Bus<'_>) -> Result<(), Fault> {
        let (tree, controller, top) = (self.tree, self.controller, bus.up.is_none());
        for id in tree.children(bus.node) {
            let pci = is_type(tree, id, b"pci\0");
            let (reg, opens) = (tree.has(id, Known::Reg), !pci && tree.has(id, Known::Ranges));
            if id == controller.node {
                self.gic = gic::gic(tree, controller, bus);
            } else if reg {
                if top && is_type(tree, id, b"memory\0") {
                    // What goes on where the last one ends is one with it: with sizes of 32 bits 4 GiB are two.
                    memory::banks(tree, id, bus, |bank| {
                        match self.ram.last_mut().filter(|last| last.end() == bank.base()) {
                            Some(last) => *last = Region::from_ends(last.base(), bank.end()).unwrap_or(*last),
                            None => self.ram.push(bank),
                        }
                    })?;
                    continue;
                }
                self.device(bus, id, pci)?;
            } else if tree.is_compatible(id, &gic::TIMER) {
                self.timers = gic::timers(tree, controller, id, bus);
            } else if top && tree.name(id) == "psci" {
                self.psci = Some(match tree.string(id, "method") {
                    Some("smc") => Conduit::Smc,
                    Some("hvc") => Conduit::Hvc,
                    _ => return Err(Fault::malformed(id, "method")),
                });
            }
            if opens && id != controller.node && !(top && NO_BUSES.contains(&tree.name(id))) {
                if bus.depth >= MAX_BUSES {
                    return Err(Fault::malformed(id, "ranges"));
                }
                self.walk(&Bus::new(tree, id, &[bus.path, "/", tree.name(id)].concat(), Some(bus)))?;
            }
        }
        Ok(())
    }

    /// Adds the device `node` is, if the CPUs can reach any of it.
    fn device(&mut self, bus: &Bus<'_>, node: NodeId, pci: bool) -> Result<(), Fault> {
        let tree = self.tree;
        let regions = bus.regions(tree, node)?;
        if regions.is_empty() {
            return Ok(());
        }
        let mut windows = Vec::new();
        if pci {
            // PCI address (space and 64 bits), CPU address, size.
            let ranges = tree.get(node, Known::Ranges).unwrap_or_default();
            let windows_of = bus.windows(ranges, 3, count(tree, node, Known::SizeCells, 1));
            windows = windows_of.ok_or(Fault::malformed(node, "ranges"))?;
        }
        let parent = interrupt_parent(tree, node, bus.interrupt_parent);
        self.devices.push(Device {
            node,
            path: [bus.path, "/", tree.name(node)].concat(),
            compatible: tree.get(node, Known::Compatible).and_then(first_string).unwrap_or_default(),
            regions,
            windows,
            interrupts: self.controller.of(tree, node, parent)?,
            disabled: disabled(tree, node),
            iommu: tree.has(node, Known::Iommus) || tree.has(node, Known::IommuMap),
        });
        Ok(())
    }
}

/// Returns the index of the device whose node is `id`.
pub(crate) fn of_node(devices: &[Device<'_>], id: NodeId) -> Option<usize> {
    devices.binary_search_by_key(&id, |device| device.node).ok()
}

/// Finds the device `stdout-path` names, else the first UART that EL2 drives and that is not disabled.
pub(crate) fn stdout(tree: &Tree<'_>, devices: &[Device<'_>]) -> Option<usize> {
    let chosen = tree.child(NodeId::ROOT, "chosen");
    let path = chosen.and_then(|id| tree.string(id, "stdout-path").or(tree.string(id, "linux,stdout-path")));
    // What follows a colon is the UART's mode.
    let path = path.map(|path| path.split_once(':').map_or(path, |(path, _)| path));
    let named = path.and_then(|path| of_node(devices, tree.find(path)?));
    named.or_else(|| devices.iter().position(|device| !device.disabled && UARTS.contains(&device.compatible)))
}
