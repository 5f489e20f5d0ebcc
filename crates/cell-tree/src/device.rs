//! A passed-through device's node: the board's properties, less what points at something the cell has not.
//!
//! Owns the list of properties that point. Addresses are translated to the CPU's and written in two and two cells,
//! interrupts are re-encoded for the GIC, a PCI bridge keeps its `interrupt-map` (the GIC keeps its `phandle`) and gets
//! its `ranges` translated. Children are not copied: what they need, the device's driver finds by itself or not at all.

use crate::clock::Clocks;
use crate::writer::Writer;
use address::Address;
use alloc::vec::Vec;
use board::{Board, Device};
use tree::{Known, which};

/// Properties written anew, those that make sense only with children or the board's own bus, and those that point at
/// another node, with the names that go with them.
const DROPPED: &str = "reg ranges dma-ranges clocks interrupts interrupts-extended interrupt-parent linux,phandle \
    #address-cells #size-cells status assigned-clock-parents assigned-clock-rates assigned-clocks dma-names dmas \
    gpio-ranges interconnect-names interconnects iommu-map iommu-map-mask iommus mboxes memory-region msi-map \
    msi-map-mask msi-parent phy-handle phy-names phys power-domain-names power-domains reset-names resets syscon";

fn dropped(name: &str) -> bool {
    name.is_empty()
        || which(DROPPED, name.as_bytes()).is_some()
        || name.starts_with("pinctrl-")
        || ["-supply", "-gpio", "-gpios", "gpios"].iter().any(|end| name.ends_with(end))
}

/// Returns the device's name in a cell's tree: the board's, with the address the CPU sees.
pub(crate) fn name<'n>(board: &Board<'n>, device: &Device<'_>) -> (&'n str, Option<u64>) {
    (board.tree.base_name(device.node), device.regions.first().map(|region| region.base().get()))
}

/// Writes the node of `device`.
pub(crate) fn write<'n>(root: &mut Writer<'n>, board: &Board<'n>, device: &Device<'_>, clocks: &mut Clocks) {
    let (tree, id) = (&board.tree, device.node);
    let (base, address) = name(board, device);
    root.begin(base, address);
    for (key, value) in tree.properties(id).filter(|(key, _)| !dropped(key)) {
        root.bytes(key, value);
    }
    root.regions("reg", &device.regions);
    if let Some(clocks) = tree.property(id, "clocks").and_then(|value| clocks.translate(tree, value)) {
        root.cells("clocks", &clocks);
    }
    let mapped = tree.has(id, Known::InterruptMap);
    // What a bridge's map leads to comes behind its own interrupts, three cells each, and stays in the map.
    let own = if mapped { tree.get(id, Known::Interrupts).map_or(0, |value| value.len() / 12) } else { usize::MAX };
    let lines = device.interrupts.get(..own).unwrap_or(&device.interrupts);
    if !lines.is_empty() {
        root.interrupts(lines, 0);
    }
    if mapped {
        bridge(root, board, device);
    }
    root.end();
}

/// Writes a PCI host bridge's `ranges`: three cells of PCI address, two of CPU address, two of size.
fn bridge(node: &mut Writer<'_>, board: &Board<'_>, device: &Device<'_>) {
    node.cell("#address-cells", 3);
    node.cell("#size-cells", 2);
    let windows = &device.windows;
    let ranges = board.tree.get(device.node, Known::Ranges).unwrap_or_default();
    let stride = ranges.len().checked_div(windows.len()).filter(|stride| *stride >= 12);
    let mut translated = Vec::new();
    for (entry, window) in ranges.chunks(stride.unwrap_or(usize::MAX)).zip(windows) {
        translated.extend_from_slice(entry.get(..12).unwrap_or_default());
        translated.extend_from_slice(&window.base().get().to_be_bytes());
        translated.extend_from_slice(&window.size().to_be_bytes());
    }
    node.bytes("ranges", &translated);
}
