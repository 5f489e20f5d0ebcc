//! What the devices of cells depend on, and whose that is.
//!
//! Owns the judgement on references of the tree (clocks, power, PHYs, DMA engines, pins, interrupt controllers), those
//! of the buses above a device included: what has no registers of its own is nobody's and harmless (a fixed clock);
//! what the cell itself owns is in its hands; what another cell owns (E0318), EL2 keeps or nobody programs (E0319) is
//! said. [`crate::needs`] finds the references.

use crate::needs::{self, Need};
use crate::plan_file::PlanFile;
use crate::report::Problem;
use board::{Board, Gic};
use manifest::Console;

/// A reference from a device of a cell.
#[derive(Clone, Debug)]
pub struct Dependence<'a> {
    /// The cell.
    pub cell: usize,
    /// Which of its `devices`; none for the board's console, passed through.
    pub entry: Option<usize>,
    /// The device's path.
    pub device: &'a str,
    /// What it refers to.
    pub need: Need,
    /// Whose that is.
    pub owner: Owner,
}

/// Whose a thing is that a device refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// No registers: the tree says all there is to it.
    Nothing,
    /// The cell's own.
    Own,
    /// Of another cell: which, and which of its `devices`.
    Cell(usize, usize),
    /// EL2's: an IOMMU.
    El2,
    /// Nobody's.
    Nobody,
}

/// Returns every reference of the devices that cells name.
#[must_use]
pub fn all<'a>(plan: &PlanFile, board: &'a Board<'_>) -> Vec<Dependence<'a>> {
    let (Gic::V2 { node: gic, .. } | Gic::V3 { node: gic, .. }) = board.gic;
    let owner_of = |device: usize| {
        let named = |path: &String| board.device(path) == Some(device);
        plan.cells.iter().enumerate().find_map(|(cell, wanted)| Some((cell, wanted.devices.iter().position(named)?)))
    };
    let mut found = Vec::new();
    for (cell, wanted) in plan.cells.iter().enumerate() {
        let named = wanted.devices.iter().enumerate().map(|(entry, path)| (Some(entry), board.device(path)));
        let console = (wanted.console == Console::Passthrough).then_some((None, board.stdout));
        for (entry, device) in console.into_iter().chain(named) {
            let Some(device) = device.and_then(|device| board.devices.get(device)) else { continue };
            let needs = [needs::of(&board.tree, device.node, gic), needs::inherited(&board.tree, device.node, gic)];
            for need in needs.concat() {
                // A pin's, regulator's or DMA channel's node may stand below the device that provides it.
                let provider = board.devices.iter().position(|other| {
                    let below = need.path.strip_prefix(board.path(other));
                    other.node != device.node && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                });
                let owner = match provider.map(owner_of) {
                    None => Owner::Nothing,
                    _ if need.property == "iommus" => Owner::El2,
                    Some(Some((other, _))) if other == cell => Owner::Own,
                    Some(Some((other, place))) => Owner::Cell(other, place),
                    Some(None) => Owner::Nobody,
                };
                found.push(Dependence { cell, entry, device: board.path(device), need, owner });
            }
        }
    }
    found
}

/// Returns a warning for each device that needs another cell's thing or nobody's.
#[must_use]
pub fn judge(plan: &PlanFile, board: &Board<'_>) -> Vec<Problem> {
    let name = |cell: usize| plan.cells.get(cell).map_or_else(String::new, |cell| cell.name.clone());
    let mut all = all(plan, board);
    all.retain(|found| matches!(found.owner, Owner::Cell(..) | Owner::Nobody));
    all.sort_by_key(|found| (found.cell, found.entry, found.owner));
    let same = |a: &Dependence<'_>, b: &Dependence<'_>| (a.cell, a.entry, a.owner) == (b.cell, b.entry, b.owner);
    let warn = |found: &[Dependence<'_>]| {
        let first = found.first()?;
        let (who, device) = (name(first.cell), first.device);
        let needs: Vec<String> =
            found.iter().map(|found| format!("{} ({})", found.need.path, found.need.property)).collect();
        let said = format!("cell {who}'s {device} needs {}, which ", needs.join(", "));
        let problem = match first.owner {
            Owner::Cell(other, place) => Problem {
                other: plan.span(Some(other), &format!("devices[{place}]")),
                cells: vec![who, name(other)],
                ..Problem::new(format!("{said}cell {} owns", name(other))).code("E0318")
            }
            .help("give both to one cell, or trust that one with it"),
            _ => Problem { cells: vec![who], ..Problem::new(format!("{said}no cell owns")).code("E0319") }
                .help("it works as firmware left that running; else name it too"),
        };
        let paths = found.iter().map(|found| found.need.path.clone());
        let problem = Problem { names: std::iter::once(device.to_owned()).chain(paths).collect(), ..problem };
        let key = first.entry.map_or_else(|| "console".to_owned(), |entry| format!("devices[{entry}]"));
        Some(Problem { warning: true, ..problem.at(plan.span(Some(first.cell), &key)) })
    };
    all.chunk_by(same).filter_map(warn).collect()
}

/// Tells in a line a device what it depends on, for people.
#[must_use]
pub fn told(plan: &PlanFile, board: &Board<'_>) -> Vec<String> {
    let all = all(plan, board);
    let mut lines: Vec<String> = Vec::new();
    for device in all.chunk_by(|a, b| (a.cell, a.entry) == (b.cell, b.entry)) {
        let needs: Vec<String> = device
            .iter()
            .map(|found| {
                let whose = match found.owner {
                    Owner::Nothing => "fixed".to_owned(),
                    Owner::Own => "its own".to_owned(),
                    Owner::Cell(other, _) => plan.cells.get(other).map_or_else(String::new, |cell| cell.name.clone()),
                    Owner::El2 => "EL2's".to_owned(),
                    Owner::Nobody => "nobody's".to_owned(),
                };
                format!("{} ({}, {whose})", found.need.path, found.need.property)
            })
            .collect();
        if let Some(first) = device.first() {
            lines.push(format!("{} needs {}", first.device, needs.join(", ")));
        }
    }
    lines
}
