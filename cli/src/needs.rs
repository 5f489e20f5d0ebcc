//! What a device's node points at: clocks, power, pins, interrupts' detours, DMA engines.
//!
//! Owns the list of properties that hold references and the binding that says how many cells each reference has behind
//! its `phandle`. What they point at belongs to somebody too: who plans must know it.
//!
//! Devicetree Specification v0.4, 2.3.3; the bindings under `clock/`, `power/`, `phy/`, `dma/`, `gpio/`, `pinctrl/` ...

use serde::Serialize;
use tree::{NodeId, Tree, cells};

/// A reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Need {
    /// The property that refers.
    pub property: String,
    /// What it refers to.
    pub path: String,
}

/// Properties whole by name, and the property of the target that counts the cells behind the `phandle`.
const REFERENCES: [(&str, &str); 17] = [
    ("clocks", "#clock-cells"),
    ("power-domains", "#power-domain-cells"),
    ("phys", "#phy-cells"),
    ("phy-handle", ""),
    ("dmas", "#dma-cells"),
    ("iommus", "#iommu-cells"),
    ("resets", "#reset-cells"),
    ("mboxes", "#mbox-cells"),
    ("interconnects", "#interconnect-cells"),
    ("memory-region", ""),
    ("msi-parent", "#msi-cells"),
    ("nvmem-cells", "#nvmem-cell-cells"),
    ("pwms", "#pwm-cells"),
    ("hwlocks", "#hwlock-cells"),
    ("syscon", ""),
    ("gpios", "#gpio-cells"),
    ("interrupt-parent", ""),
];

/// Properties by how their names begin or end.
const FAMILIES: [(&str, &str, &str); 4] =
    [("pinctrl-", "", ""), ("", "-supply", ""), ("", "-gpios", "#gpio-cells"), ("", "-gpio", "#gpio-cells")];

/// Returns what node `id` refers to, each once; the interrupt controller only where it is not `gic`.
#[must_use]
pub fn of(tree: &Tree<'_>, id: NodeId, gic: NodeId) -> Vec<Need> {
    let mut needs = Vec::new();
    for (name, value) in tree.properties(id) {
        let Some(counted) = counted_by(name) else { continue };
        let mut words = cells(value);
        while let Some(target) = words.next().and_then(|phandle| tree.by_phandle(phandle)) {
            let need = Need { property: name.to_owned(), path: tree.path(target) };
            if target != gic && !needs.contains(&need) {
                needs.push(need);
            }
            let behind = if counted.is_empty() { 0 } else { tree.u32(target, counted).unwrap_or(0) };
            words.by_ref().take(behind as usize).for_each(drop);
        }
    }
    needs
}

/// Tells which property of the target counts the cells, "" for none; nothing where `name` refers to nothing.
fn counted_by(name: &str) -> Option<&'static str> {
    let whole = REFERENCES.iter().find(|(known, _)| *known == name).map(|(_, counted)| *counted);
    let family = || {
        let (.., counted) = FAMILIES.iter().find(|(start, end, _)| name.starts_with(start) && name.ends_with(end))?;
        // pinctrl-names holds text.
        (name != "pinctrl-names").then_some(*counted)
    };
    whole.or_else(family)
}

/// Returns what node `id` needs without saying so: the controller its interrupts go to by the bus it is on, where that
/// is not `gic`; clocks, power and resets of the buses between it and the root.
#[must_use]
pub fn inherited(tree: &Tree<'_>, id: NodeId, gic: NodeId) -> Vec<Need> {
    let mut needs = Vec::new();
    let buses = std::iter::successors(tree.parent(id), |bus| tree.parent(*bus));
    let mut parent = tree.u32(id, "interrupt-parent");
    for bus in buses {
        let inherits = parent.is_none() && tree.property(id, "interrupts").is_some();
        parent = parent.or(tree.u32(bus, "interrupt-parent"));
        if let Some(target) = parent.filter(|_| inherits).and_then(|phandle| tree.by_phandle(phandle))
            && target != gic
        {
            needs.push(Need { property: "interrupt-parent".to_owned(), path: tree.path(target) });
        }
        for need in of(tree, bus, gic) {
            if ["clocks", "power-domains", "resets"].contains(&need.property.as_str()) {
                needs.push(Need { property: format!("{} of {}", need.property, tree.path(bus)), path: need.path });
            }
        }
    }
    needs
}
