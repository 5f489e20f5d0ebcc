//! The fixed clocks of a cell's tree, and the `phandle`s it adds to the board's.
//!
//! Owns the numbers: each frequency is one clock node. A new `phandle` is above that of the GIC and of every device the
//! cell has, so that none is said twice.

use crate::writer::Writer;
use alloc::vec::Vec;
use board::{Board, Gic};
use plan::SealedCell;
use tree::{NodeId, Tree, cells};

/// What a clock counts as where the board's tree does not say.
pub(crate) const DEFAULT_HZ: u32 = 24_000_000;

/// The clocks named so far.
pub(crate) struct Clocks {
    /// The GIC's `phandle`: the board's where it has one.
    pub(crate) gic: u32,
    /// The first clock's `phandle`; the others' follow.
    first: u32,
    frequencies: Vec<u32>,
}

impl Clocks {
    pub(crate) fn new(board: &Board<'_>, cell: &SealedCell<'_>) -> Self {
        let (Gic::V2 { node, .. } | Gic::V3 { node, .. }) = board.gic;
        let phandle = |id| board.tree.u32(id, "phandle");
        let mut highest = phandle(node).unwrap_or(0);
        for device in cell.devices.iter().filter_map(|index| board.devices.get(*index)) {
            highest = highest.max(phandle(device.node).unwrap_or(0));
        }
        let gic = phandle(node).unwrap_or(highest.wrapping_add(1));
        Self { gic, first: highest.max(gic).wrapping_add(1), frequencies: Vec::new() }
    }

    /// Returns the `phandle` of the fixed clock of `hertz`.
    pub(crate) fn phandle(&mut self, hertz: u32) -> u32 {
        let known = self.frequencies.iter().position(|known| *known == hertz);
        let index = known.unwrap_or_else(|| {
            self.frequencies.push(hertz);
            self.frequencies.len().saturating_sub(1)
        });
        self.first.wrapping_add(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// Translates a `clocks` property of the board; nothing where it names a clock that is not there.
    pub(crate) fn translate(&mut self, tree: &Tree<'_>, clocks: &[u8]) -> Option<Vec<u32>> {
        let (mut words, mut translated) = (cells(clocks), Vec::new());
        while let Some(phandle) = words.next() {
            let clock = tree.by_phandle(phandle)?;
            let arguments = tree.u32(clock, "#clock-cells")? as usize;
            words.by_ref().take(arguments).for_each(drop);
            translated.push(self.phandle(frequency(tree, clock)));
        }
        Some(translated)
    }

    /// Writes the clocks' nodes.
    pub(crate) fn write(&self, root: &mut Writer<'_>) {
        for (phandle, hertz) in (self.first..).zip(&self.frequencies) {
            root.begin("clock", Some(u64::from(*hertz)));
            root.text("compatible", "fixed-clock");
            root.cell("#clock-cells", 0);
            root.cell("clock-frequency", *hertz);
            root.cell("phandle", phandle);
            root.end();
        }
    }
}

fn frequency(tree: &Tree<'_>, clock: NodeId) -> u32 {
    let fixed = tree.is_compatible(clock, "fixed-clock");
    tree.u32(clock, "clock-frequency").filter(|_| fixed).unwrap_or(DEFAULT_HZ)
}
