//! Interrupts of the GIC as trees write them.
//!
//! Owns nothing; reads raw cells, follows `interrupt-parent`, `interrupts-extended` and `interrupt-map`, and leaves out
//! what goes to another controller than the GIC. The GIC's format is type, number, flags and perhaps more: SPI `n` is
//! INTID 32 + n, PPI `n` is 16 + n (binding `arm,gic-v3`).

use crate::Interrupt;
use crate::bus::{Bus, interrupt_parent};
use crate::error::{Read, malformed};
use crate::node::count;
use alloc::vec::Vec;
use tree::{Known, NodeId, Tree};

/// The tree's GIC node and how many cells its interrupts take, 3 at least.
#[derive(Clone, Copy)]
pub(crate) struct Controller {
    pub(crate) node: NodeId,
    pub(crate) cells: usize,
    pub(crate) address_cells: usize,
}

/// Reads one interrupt in the GIC's format.
fn decode(words: &[[u8; 4]]) -> Option<Interrupt> {
    let [kind, number, [.., flags], ..] = words else { return None };
    let number = u32::from_be_bytes(*number);
    let intid = match u32::from_be_bytes(*kind) {
        0 if number < 988 => number.wrapping_add(32),
        1 if number < 16 => number.wrapping_add(16),
        _ => return None,
    };
    Some(Interrupt { intid, edge: matches!(flags & 0xf, 1..=3) })
}

impl Controller {
    /// Reads the interrupts of `node` on `bus`.
    pub(crate) fn interrupts(self, tree: &Tree<'_>, node: NodeId, bus: &Bus<'_>) -> Read<Vec<Interrupt>> {
        let (mut lines, bad) = (Vec::with_capacity(1), |property| move || malformed(tree, node, property));
        if let Some(extended) = tree.get(node, Known::InterruptsExtended) {
            self.listed(tree, extended, None, &mut lines).ok_or_else(bad("interrupts-extended"))?;
        } else if let Some(plain) = tree.get(node, Known::Interrupts)
            && (node == self.node || interrupt_parent(tree, node, bus.interrupt_parent) == Some(self.node))
        {
            let (mut words, rest) = plain.as_chunks();
            while !words.is_empty() || !rest.is_empty() {
                lines.push(decode(words).ok_or_else(bad("interrupts"))?);
                words = words.get(self.cells..).ok_or_else(bad("interrupts"))?;
            }
        }
        if let Some(map) = tree.get(node, Known::InterruptMap) {
            let child =
                count(tree, node, Known::AddressCells, 2).saturating_add(count(tree, node, Known::InterruptCells, 1));
            self.listed(tree, map, Some(child), &mut lines).ok_or_else(bad("interrupt-map"))?;
        }
        Ok(lines)
    }

    /// Adds what the entries of a list lead to, each a controller and an interrupt in that controller's format; in a
    /// bus's `interrupt-map` behind so many cells of the child, with an address between, and each interrupt once.
    fn listed(self, tree: &Tree<'_>, list: &[u8], child: Option<usize>, lines: &mut Vec<Interrupt>) -> Option<()> {
        let (mut words, []) = list.as_chunks() else { return None };
        let (mut before, mut controller) = (None, self.node);
        while !words.is_empty() {
            let (phandle, rest) = words.get(child.unwrap_or(0)..)?.split_first()?;
            if before != Some(phandle) {
                controller = tree.by_phandle(u32::from_be_bytes(*phandle))?;
                before = Some(phandle);
            }
            let (mut address, mut width) = (self.address_cells, self.cells);
            if controller != self.node {
                address = count(tree, controller, Known::AddressCells, 0);
                width = count(tree, controller, Known::InterruptCells, 0);
            }
            let (line, rest) = rest.get(child.map_or(0, |_| address)..)?.split_at_checked(width)?;
            words = rest;
            if controller == self.node {
                let interrupt = decode(line)?;
                if child.is_none() || !lines.contains(&interrupt) {
                    lines.push(interrupt);
                }
            }
        }
        Some(())
    }
}
