//! A passed-through device's node: the board's properties, less what points at something the cell has not.
//!
//! Owns the list of properties that point. Addresses are translated to the CPU's and written in two and two cells,
//! interrupts are re-encoded for the GIC, a PCI bridge keeps its `interrupt-map` (the GIC keeps its `phandle`) and gets
//! its `ranges` translated. Children are not copied: what they need, the device's driver finds by itself or not at all.

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
pub(crate) fn write<'n>(root: &mut Writer<'n>, board: &Board<'n>, device: &Device<'_>, clocks: &mut Clocks) {
    let (tree, id) = (&board.tree, device.node);
    root.node(&name(board, device), |node| {
        for (key, value) in tree.properties(id).filter(|(key, _)| !REWRITTEN.contains(key) && !points(key)) {
            node.bytes(key, value);
        }
        let reg = device.regions.iter().flat_map(|region| [region.base().get(), region.size()]);
        node.numbers("reg", &reg.collect::<Vec<_>>());
        if let Some(clocks) = tree.property(id, "clocks").and_then(|value| clocks.translate(tree, value)) {
            node.cells("clocks", &clocks);
        }
        let mapped = tree.property(id, "interrupt-map").is_some();
        // What a bridge's map leads to comes behind its own interrupts, three cells each, and stays in the map.
        let own = tree.property(id, "interrupts").map_or(0, |value| cells(value).len() / 3);
        let count = if mapped { own } else { device.interrupts.len() };
        let lines = device.interrupts.iter().take(count).flat_map(|line| {
            let (kind, first) = if line.intid < 32 { (1, 16) } else { (0, 32) };
            [kind, line.intid.saturating_sub(first), if line.edge { 1 } else { 4 }]
        });
        let lines: Vec<u32> = lines.collect();
        if !lines.is_empty() {
            node.cells("interrupts", &lines);
        }
        if mapped {
            bridge(node, board, device);
        }
    });
}

/// Writes a PCI host bridge's `ranges`: three cells of PCI address, two of CPU address, two of size.
fn bridge(node: &mut Writer<'_>, board: &Board<'_>, device: &Device<'_>) {
    node.cells("#address-cells", &[3]);
    node.cells("#size-cells", &[2]);
    let ranges = board.tree.property(device.node, "ranges").unwrap_or_default();
    let stride = ranges.len().checked_div(device.windows.len()).filter(|stride| *stride >= 12);
    let entries = stride.into_iter().flat_map(|stride| ranges.chunks_exact(stride)).zip(&device.windows);
    let mut translated = Vec::new();
    for (entry, window) in entries {
        translated.extend(entry.iter().take(12));
        translated.extend(window.base().get().to_be_bytes());
        translated.extend(window.size().to_be_bytes());
    }
    node.bytes("ranges", &translated);
}
