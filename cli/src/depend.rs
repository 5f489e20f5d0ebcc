//! What the devices of cells depend on, and whose that is.
//!
//! Owns the judgement on references of the tree (clocks, power, PHYs, DMA engines, pins): what has no registers of its
//! own is nobody's and harmless (a fixed clock); what a cell itself owns is in its hands; what another cell owns
//! (E0318) or nobody programs (E0319) is said. A device of a bus says so for itself: see [`crate::needs`].

use crate::needs;
use crate::plan_file::PlanFile;
use crate::report::Problem;
use board::{Board, Gic};

/// Returns a warning for each reference out of a cell.
#[must_use]
pub fn judge(plan: &PlanFile, board: &Board<'_>) -> Vec<Problem> {
    let (Gic::V2 { node: gic, .. } | Gic::V3 { node: gic, .. }) = board.gic;
    let owner = |device: usize| {
        let named = |path: &String| board.device(path) == Some(device);
        plan.cells.iter().enumerate().find_map(|(cell, wanted)| Some((cell, wanted.devices.iter().position(named)?)))
    };
    let mut problems: Vec<Problem> = Vec::new();
    for (index, cell) in plan.cells.iter().enumerate() {
        for (entry, path) in cell.devices.iter().enumerate() {
            let Some(device) = board.device(path).and_then(|device| board.devices.get(device)) else { continue };
            for need in needs::of(&board.tree, device.node, gic) {
                // A pin's, regulator's or DMA channel's node may stand below the device that provides it.
                let provider = board.devices.iter().position(|other| {
                    let below = need.path.strip_prefix(&other.path);
                    other.node != device.node && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                });
                let Some(provider) = provider else { continue };
                let (what, by) = (&need.path, &need.property);
                let found = match owner(provider) {
                    Some((other, _)) if other == index => continue,
                    Some((other, place)) => {
                        let whose = plan.cells.get(other).map_or("", |cell| &cell.name);
                        let message = format!(
                            "cell {}'s {} needs {what} ({by}), which cell {whose} owns",
                            cell.name, device.path
                        );
                        let mut problem = Problem::new(message)
                            .code("E0318")
                            .help("give both to one cell, or trust that one with it");
                        problem.other = plan.span(Some(other), &format!("devices[{place}]"));
                        problem
                    }
                    None => Problem::new(format!(
                        "cell {}'s {} needs {what} ({by}), which no cell owns",
                        cell.name, device.path
                    ))
                    .code("E0319")
                    .help("it works as far as firmware left that running; else name it too"),
                };
                problems
                    .push(Problem { warning: true, ..found.at(plan.span(Some(index), &format!("devices[{entry}]"))) });
            }
        }
    }
    problems
}
