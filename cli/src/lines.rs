//! Interrupts that the board's GIC does not implement (E0403).
//!
//! No tree says how many lines its GIC has. `platform.toml` does (`interrupts`), as `GICD_TYPER.ITLinesNumber` tells EL2,
//! which refuses the cell likewise (IHI 0069 12.9.38). Of a board known by its tree alone only EL2 can tell.

use crate::plan_file::PlanFile;
use crate::report::Problem;
use board::Board;
use manifest::Console;

/// Returns a problem for each device of a cell with an interrupt that a GIC of so many lines lacks.
#[must_use]
pub fn judge(plan: &PlanFile, board: &Board<'_>, lines: u32) -> Vec<Problem> {
    let mut found = Vec::new();
    for (index, cell) in plan.cells.iter().enumerate() {
        let named = cell.devices.iter().enumerate();
        let named = named.map(|(entry, path)| (format!("devices[{entry}]"), board.device(path)));
        let console = (cell.console == Console::Passthrough).then(|| ("console".to_owned(), board.stdout));
        for (key, device) in named.chain(console) {
            let Some(device) = device.and_then(|device| board.devices.get(device)) else { continue };
            let mut own = device.interrupts.iter();
            let Some(line) = own.find(|line| line.intid >= lines) else { continue };
            let (name, path, intid) = (&cell.name, board.path(device), line.intid);
            let said =
                format!("cell {name}'s {path} has interrupt {intid}, but the board's GIC has those below {lines}");
            let problem = Problem {
                cells: vec![name.clone()],
                names: vec![path.to_owned()],
                numbers: vec![intid.into(), lines.into()],
                ..Problem::new(said).code("E0403").help("mend the tree's interrupts, or take the device away")
            };
            found.push(problem.at(plan.span(Some(index), &key)));
        }
    }
    found
}
