//! The walk over every node the CPUs can address: RAM, GIC, timer, firmware's conduit, devices.
//!
//! Owns the order: one pre-order walk with the stack of buses above the node at hand. A node that is no bus hides its
//! children (an I2C controller's children are no addresses), and so does a PCI host bridge, whose `ranges` are its
//! windows instead. Devicetree Specification v0.4, 2.3 and 3; IEEE 1275 PCI binding, 2.2.1.1.

use crate::bus::{Bus, Cells, entries, regions, translate};
use crate::interrupt::Controller;
use crate::node::Node;
use crate::{BoardError, Conduit, Device, Gic, Timers, UARTS, gic, malformed, memory};
use address::{PhysAddr, Region};
use alloc::string::String;
use alloc::vec::Vec;
use tree::{Known, NodeId, Tree, cells};

/// How many buses may stand between the root and a device.
const MAX_BUSES: usize = 16;

/// Children of the root that describe no device although some have `reg`.
const NO_DEVICES: [&str; 7] = ["cpus", "reserved-memory", "chosen", "aliases", "firmware", "options", "__symbols__"];

/// What the walk found.
#[derive(Default)]
pub(crate) struct Found<'a> {
    pub(crate) ram: Vec<Region<PhysAddr>>,
    /// What is wrong with these two waits for the end of the walk, which finds the UART to say it on.
    pub(crate) gic: Option<Result<Gic, BoardError>>,
    pub(crate) timers: Option<Result<Timers, BoardError>>,
    pub(crate) psci: Option<Conduit>,
    pub(crate) devices: Vec<Device<'a>>,
}

/// Walks the tree.
pub(crate) fn survey<'a>(tree: &Tree<'a>) -> Result<Found<'a>, BoardError> {
    let controller = gic::find(tree)?;
    let mut found = Found { devices: Vec::with_capacity(tree.nodes().len()), ..Found::default() };
    let root = Node::of(tree, NodeId::ROOT);
    let mut buses = Vec::with_capacity(MAX_BUSES);
    buses.push(Bus {
        end: None,
        path: String::new(),
        cells: root.cells(),
        parent_address: root.cells().address,
        ranges: &[],
        interrupt_parent: resolve(tree, &root, None),
    });
    let mut next = tree.next(NodeId::ROOT);
    while let Some(id) = next {
        while buses.len() > 1 && buses.last().is_some_and(|bus| bus.end == Some(id)) {
            buses.pop();
        }
        next = match found.visit(tree, controller, &buses, id)? {
            Some(bus) if buses.len() < MAX_BUSES => {
                buses.push(bus);
                tree.next(id)
            }
            Some(_) => return Err(malformed(tree, id, "ranges")),
            None => tree.after(id),
        };
    }
    Ok(found)
}

/// Returns what the interrupts of `node` and of those below it go to.
fn resolve(tree: &Tree<'_>, node: &Node<'_>, inherited: Option<NodeId>) -> Option<NodeId> {
    node.get(Known::InterruptParent).map_or(inherited, |phandle| tree.by_phandle(cells(phandle).next()?))
}

impl<'a> Found<'a> {
    /// Takes note of node `id` below `buses`; returns the bus it opens, if it opens one.
    fn visit(
        &mut self,
        tree: &Tree<'a>,
        controller: Controller,
        buses: &[Bus<'a>],
        id: NodeId,
    ) -> Result<Option<Bus<'a>>, BoardError> {
        let Some(bus) = buses.last() else {
            return Ok(None);
        };
        let top = buses.len() == 1;
        if top && NO_DEVICES.iter().any(|none| *none == tree.name(id)) {
            return Ok(None);
        }
        let node = Node::of(tree, id);
        if id == controller.node {
            self.gic = Some(gic::gic(tree, controller, &node, buses));
            return Ok(None);
        }
        if top && node.is_type("memory") {
            memory::ram(tree, id, &node, bus.cells, &mut self.ram)?;
            return Ok(None);
        }
        let parent = resolve(tree, &node, bus.interrupt_parent);
        if node.get(Known::Reg).is_none() && gic::is_timer(&node) {
            self.timers = Some(gic::timers(tree, controller, id, &node, parent));
            return Ok(None);
        }
        if top && tree.name(id) == "psci" {
            self.psci = Some(match tree.string(id, "method") {
                Some("smc") => Conduit::Smc,
                Some("hvc") => Conduit::Hvc,
                _ => return Err(malformed(tree, id, "method")),
            });
            return Ok(None);
        }
        let pci = node.is_type("pci");
        let opens = if pci { None } else { node.get(Known::Ranges) };
        if node.get(Known::Reg).is_none() && opens.is_none() {
            return Ok(None);
        }
        let path = path_below(bus, tree.name(id));
        let Some(ranges) = opens else {
            self.device(tree, controller, buses, id, &node, path)?;
            return Ok(None);
        };
        if node.get(Known::Reg).is_some() {
            self.device(tree, controller, buses, id, &node, path.clone())?;
        }
        let (cells, parent_address) = (node.cells(), bus.cells.address);
        // A bus that counts interrupt cells of its own translates what is below it; that much is not followed.
        let interrupt_parent = node.get(Known::InterruptCells).map_or(parent, |_| Some(id));
        Ok(Some(Bus { end: tree.after(id), path, cells, parent_address, ranges, interrupt_parent }))
    }

    /// Adds the device `node` is, if the CPUs can reach any of it.
    fn device(
        &mut self,
        tree: &Tree<'a>,
        controller: Controller,
        buses: &[Bus<'a>],
        id: NodeId,
        node: &Node<'a>,
        path: String,
    ) -> Result<(), BoardError> {
        let regions = regions(buses, node).ok_or_else(|| malformed(tree, id, "reg"))?;
        if regions.is_empty() {
            return Ok(());
        }
        let inherited = buses.last().and_then(|bus| bus.interrupt_parent);
        let parent = resolve(tree, node, inherited);
        let interrupts = controller.of(tree, node, parent).map_err(|property| malformed(tree, id, property))?;
        self.devices.push(Device {
            node: id,
            path,
            compatible: node.compatible(),
            regions,
            windows: windows(buses, node).ok_or_else(|| malformed(tree, id, "ranges"))?,
            interrupts,
            disabled: node.disabled(),
            iommu: node.iommu(),
        });
        Ok(())
    }
}

/// Reads the windows of a PCI host bridge: PCI address (space and 64 bits), CPU address, size.
fn windows(buses: &[Bus<'_>], node: &Node<'_>) -> Option<Vec<Region<PhysAddr>>> {
    let (Some(ranges), true) = (node.get(Known::Ranges), node.is_type("pci")) else {
        return Some(Vec::new());
    };
    let (Cells { size, .. }, parent) = (node.cells(), buses.last()?.cells.address);
    if ranges.is_empty() {
        return Some(Vec::new());
    }
    let windows = entries(ranges, [1, 2, parent, size])?;
    Some(windows.filter_map(|[_, _, base, size]| translate(buses, base, size)).collect())
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

/// Returns the path of the child `name` of `bus`.
fn path_below(bus: &Bus<'_>, name: &str) -> String {
    let mut path = String::with_capacity(bus.path.len().saturating_add(name.len()).saturating_add(1));
    path.push_str(&bus.path);
    path.push('/');
    path.push_str(name);
    path
}
