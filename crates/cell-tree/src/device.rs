//! A passed-through device's node: the board's properties, less what points at something the cell has not.
//!
//! Owns the list of properties that point. Addresses are translated to the CPU's and written in two and two cells,
//! interrupts are re-encoded for the GIC, a PCI bridge keeps its `interrupt-map` (the GIC keeps its `phandle`) and gets
//! its `ranges` translated. Children are not copied: what they need, the device's driver finds by itself or not at all.

use crate::Error;
use crate::clock::Clocks;
use crate::writer::Writer;
use address::Address;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use board::{Board, Device};
use tree::cells;

/// Properties written anew, and those that make sense only with children or the board's own bus.
const REWRITTEN: [&str; 11] = [
    "reg",
    "ranges",
    "dma-ranges",
    "clocks",
    "interrupts",
    "interrupts-extended",
    "interrupt-parent",
    "linux,phandle",
    "#address-cells",
    "#size-cells",
    "status",
];

/// Properties that point at another node, with the names that go with them.
const POINTERS: [&str; 24] = [
    "assigned-clock-parents",
    "assigned-clock-rates",
    "assigned-clocks",
    "dma-names",
    "dmas",
    "gpio-ranges",
    "interconnect-names",
    "interconnects",
    "iommu-map",
    "iommu-map-mask",
    "iommus",
    "mboxes",
    "memory-region",
    "msi-map",
    "msi-map-mask",
    "msi-parent",
    "phy-handle",
    "phy-names",
    "phys",
    "power-domain-names",
    "power-domains",
    "reset-names",
    "resets",
    "syscon",
];

fn points(name: &str) -> bool {
    POINTERS.contains(&name)
        || name.starts_with("pinctrl-")
        || ["-supply", "-gpio", "-gpios", "gpios"].iter().any(|end| name.ends_with(end))
}

/// Returns the device's name in a cell's tree: the board's, with the address the CPU sees.
pub(crate) fn name(board: &Board<'_>, device: &Device<'_>) -> String {
    let base = board.tree.base_name(device.node);
    device.regions.first().map_or_else(|| String::from(base), |region| format!("{base}@{:x}", region.base().get()))
}

/// Writes the node of `device`.
pub(crate) fn write(
    root: &mut Writer,
    board: &Board<'_>,
    device: &Device<'_>,
    clocks: &mut Clocks,
) -> Result<(), Error> {
    let (tree, id) = (&board.tree, device.node);
    root.node(&name(board, device), |node| {
        for (key, value) in tree.properties(id).filter(|(key, _)| !REWRITTEN.contains(key) && !points(key)) {
            node.bytes(key, value)?;
        }
        let regions: Vec<_> = device.regions.iter().map(|region| (region.base().get(), region.size())).collect();
        node.reg(&regions)?;
        if let Some(clocks) = tree.property(id, "clocks").and_then(|value| clocks.translate(tree, value)) {
            node.cells("clocks", &clocks)?;
        }
        if tree.property(id, "interrupt-map").is_some() {
            return bridge(node, board, device);
        }
        let lines = device.interrupts.iter().flat_map(|line| {
            let (kind, first) = if line.intid < 32 { (1, 16) } else { (0, 32) };
            [kind, line.intid.saturating_sub(first), if line.edge { 1 } else { 4 }]
        });
        if device.interrupts.is_empty() { Ok(()) } else { node.cells("interrupts", &lines.collect::<Vec<_>>()) }
    })
}

/// Writes a PCI host bridge's `ranges`: three cells of PCI address, two of CPU address, two of size.
fn bridge(node: &mut Writer, board: &Board<'_>, device: &Device<'_>) -> Result<(), Error> {
    node.cells("#address-cells", &[3])?;
    node.cells("#size-cells", &[2])?;
    let ranges = board.tree.property(device.node, "ranges").unwrap_or_default();
    let stride = ranges.len().checked_div(device.windows.len()).filter(|stride| *stride >= 12);
    let entries = stride.into_iter().flat_map(|stride| ranges.chunks_exact(stride)).zip(&device.windows);
    let translated = entries.flat_map(|(entry, window)| {
        let halves = |number: u64| [number >> 32, number & u64::from(u32::MAX)];
        let numbers = [halves(window.base().get()), halves(window.size())];
        cells(entry).take(3).chain(numbers.into_iter().flatten().filter_map(|half| u32::try_from(half).ok()))
    });
    node.cells("ranges", &translated.collect::<Vec<_>>())
}
