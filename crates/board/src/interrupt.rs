//! Interrupts of the GIC as trees write them.
//!
//! Owns nothing; reads raw cells, follows `interrupt-parent`, `interrupts-extended` and `interrupt-map`, and leaves out
//! what goes to another controller than the GIC. The GIC's format is type, number, flags and perhaps more: SPI `n` is
//! INTID 32 + n, PPI `n` is 16 + n (binding `arm,gic-v3`).

use crate::Interrupt;
use crate::node::{Node, small};
use alloc::vec::Vec;
use tree::{Known, NodeId, Tree, cells};

/// The tree's GIC node and how many cells its interrupts take, 3 at least.
#[derive(Clone, Copy)]
pub(crate) struct Controller {
    pub(crate) node: NodeId,
    pub(crate) cells: usize,
    pub(crate) address_cells: usize,
}

/// Reads one interrupt in the GIC's format.
fn decode(mut words: impl Iterator<Item = u32>) -> Option<Interrupt> {
    let (kind, number, flags) = (words.next()?, words.next()?, words.next()?);
    let intid = match kind {
        0 if number < 988 => number.checked_add(32)?,
        1 if number < 16 => number.checked_add(16)?,
        _ => return None,
    };
    Some(Interrupt { intid, edge: flags & 0xf < 4 && flags & 3 != 0 })
}

impl Controller {
    /// Reads an `interrupts` that goes to the GIC; nothing where it is malformed.
    pub(crate) fn decode_all(self, bytes: &[u8]) -> Option<Vec<Interrupt>> {
        let stride = self.cells.checked_mul(4)?;
        if bytes.len().checked_rem(stride)? != 0 {
            return None;
        }
        let mut lines = Vec::with_capacity(bytes.len().checked_div(stride)?);
        for one in bytes.chunks_exact(stride) {
            lines.push(decode(cells(one))?);
        }
        Some(lines)
    }

    /// Reads the interrupts of `node`, whose interrupts go to `parent` unless it says otherwise.
    /// The name of the malformed property on failure.
    pub(crate) fn of(
        self,
        tree: &Tree<'_>,
        node: &Node<'_>,
        parent: Option<NodeId>,
    ) -> Result<Vec<Interrupt>, &'static str> {
        let mut found = match (node.get(Known::InterruptsExtended), node.get(Known::Interrupts)) {
            (Some(extended), _) => self.extended(tree, extended).ok_or("interrupts-extended")?,
            (None, Some(plain)) if parent == Some(self.node) => self.decode_all(plain).ok_or("interrupts")?,
            _ => Vec::new(),
        };
        if let Some(map) = node.get(Known::InterruptMap) {
            self.mapped(tree, node, map, &mut found).ok_or("interrupt-map")?;
        }
        Ok(found)
    }

    /// Reads pairs of a controller and an interrupt in that controller's format.
    fn extended(self, tree: &Tree<'_>, bytes: &[u8]) -> Option<Vec<Interrupt>> {
        let (mut words, mut found) = (cells(bytes), Vec::new());
        while let Some(phandle) = words.next() {
            let controller = tree.by_phandle(phandle)?;
            let count = small(tree.property(controller, "#interrupt-cells"), 0) as usize;
            if controller == self.node {
                found.push(decode(words.clone())?);
            }
            if count > words.len() {
                return None;
            }
            words = skip(words, count);
        }
        Some(found)
    }

    /// Adds what the entries of a bus's `interrupt-map` lead to, each interrupt once.
    fn mapped(self, tree: &Tree<'_>, node: &Node<'_>, map: &[u8], found: &mut Vec<Interrupt>) -> Option<()> {
        let child =
            small(node.get(Known::AddressCells), 2).checked_add(small(node.get(Known::InterruptCells), 1))? as usize;
        let mut words = cells(map);
        while words.len() > 0 {
            words = skip(words, child);
            let controller = tree.by_phandle(words.next()?)?;
            let (address, count) = if controller == self.node {
                (self.address_cells, self.cells)
            } else {
                let cells_of = |name| small(tree.property(controller, name), 0) as usize;
                (cells_of("#address-cells"), cells_of("#interrupt-cells"))
            };
            if address.checked_add(count)? > words.len() {
                return None;
            }
            words = skip(words, address);
            if controller == self.node {
                let interrupt = decode(words.clone())?;
                if !found.contains(&interrupt) {
                    found.push(interrupt);
                }
            }
            words = skip(words, count);
        }
        Some(())
    }
}

/// Steps over `count` words.
fn skip<I: Iterator>(mut words: I, count: usize) -> I {
    words.by_ref().take(count).for_each(drop);
    words
}
