//! The walk over every node the CPUs can address: RAM, GIC, timer, firmware's conduit, devices.
//!
//! Owns the order: one pre-order walk with the stack of buses above the node at hand. A node that is no bus hides its
//! children (an I2C controller's children are no addresses), and so does a PCI host bridge, whose `ranges` are its
//! windows instead. The `reg` of a simple bus is what it passes on (i.MX 8M, Meson), no registers of its own. Devicetree Specification v0.4, 2.3 and 3; IEEE 1275 PCI binding, 2.2.1.1.

use crate::bus::Bus;
use crate::error::{Read, malformed};
use crate::interrupt::Controller;
use crate::node::{count, disabled, is_type};
use crate::{Conduit, Device, Gic, Timers, gic, memory};
use address::{PhysAddr, Region};
use alloc::vec::Vec;
use tree::{Known, NodeId, Tree, which};

/// How many buses may stand between the root and a device.
const MAX_BUSES: usize = 10;

/// Children of the root that are no bus although some have `ranges`.
const NO_BUSES: &str = "reserved-memory chosen firmware";

/// What the walk found.
pub(crate) struct Found<'t, 'a> {
    tree: &'t Tree<'a>,
    controller: Controller,
    pub(crate) ram: Vec<Region<PhysAddr>>,
    /// What is wrong with these two waits for the end of the walk, which finds the UART to say it on.
    pub(crate) gic: Option<Read<Gic>>,
    pub(crate) timers: Option<Read<Timers>>,
    pub(crate) psci: Option<Conduit>,
    pub(crate) devices: Vec<Device<'a>>,
    pub(crate) paths: Vec<u8>,
}

/// Walks the tree.
pub(crate) fn survey<'t, 'a>(tree: &'t Tree<'a>) -> Read<Found<'t, 'a>> {
    let controller = gic::find(tree)?;
    let (devices, paths) = (Vec::with_capacity(tree.nodes().len().min(64)), Vec::with_capacity(1024));
    let mut found = Found { tree, controller, ram: Vec::new(), gic: None, timers: None, psci: None, devices, paths };
    found.walk(&Bus::new(tree, NodeId::ROOT, None))?;
    Ok(found)
}

impl Found<'_, '_> {
    /// Takes note of every node on `bus`, and of those below it where it is a bus itself.
    fn walk(&mut self, bus: &Bus<'_>) -> Read<()> {
        let (tree, controller, top) = (self.tree, self.controller, bus.up.is_none());
        for id in tree.children(bus.node) {
            let pci = is_type(tree, id, b"pci\0");
            let (reg, opens) = (tree.has(id, Known::Reg), !pci && tree.has(id, Known::Ranges));
            if id == controller.node {
                self.gic = Some(gic::gic(tree, controller, bus));
            } else if reg && !(opens && tree.is_compatible(id, "simple-bus")) {
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
            } else if tree.is_compatible(id, gic::TIMER) {
                self.timers = Some(gic::timers(tree, controller, id, bus));
            } else if top && which("psci", tree.name_bytes(id)).is_some() {
                self.psci = Some(match which("smc hvc", tree.first(id, "method")) {
                    Some(0) => Conduit::Smc,
                    Some(_) => Conduit::Hvc,
                    _ => return Err(malformed(tree, id, "method")),
                });
            }
            if opens && id != controller.node && !(top && which(NO_BUSES, tree.name_bytes(id)).is_some()) {
                if bus.depth >= MAX_BUSES {
                    return Err(malformed(tree, id, "ranges"));
                }
                self.walk(&Bus::new(tree, id, Some(bus)))?;
            }
        }
        Ok(())
    }

    /// Adds the device `node` is, if the CPUs can reach any of it.
    fn device(&mut self, bus: &Bus<'_>, node: NodeId, pci: bool) -> Read<()> {
        let tree = self.tree;
        let regions = bus.regions(tree, node)?;
        if regions.is_empty() {
            return Ok(());
        }
        let mut windows = Vec::new();
        if pci {
            // PCI address (space and 64 bits), CPU address, size.
            let ranges = tree.get(node, Known::Ranges).unwrap_or_default();
            let found = bus.windows(ranges, 3, count(tree, node, Known::SizeCells, 1));
            windows = found.ok_or_else(|| malformed(tree, node, "ranges"))?;
        }
        let start = self.paths.len();
        tree.path_into(node, &mut self.paths);
        self.devices.push(Device {
            node,
            compatible: tree.get(node, Known::Compatible).unwrap_or_default(),
            path: start..self.paths.len(),
            regions,
            windows,
            interrupts: self.controller.interrupts(tree, node, bus)?,
            disabled: disabled(tree, node),
            is_iommu: [node, bus.node].iter().any(|id| tree.has(*id, Known::IommuCells)),
        });
        Ok(())
    }
}
