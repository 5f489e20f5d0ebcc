//! Who takes which interrupt.

use super::{Interrupt, Source};
use plan::SealedCell;

/// Returns what a cell takes: its devices', its virtual UART's and watchdog's, its timers'.
pub(super) fn of_cell(source: &Source<'_, '_>, cell: &SealedCell<'_>) -> Vec<Interrupt> {
    let timers = source.board.timers;
    let mut lines = vec![one(timers.virtual_, "virtual timer", None), one(timers.physical, "physical timer", None)];
    if let Some(uart) = cell.uart {
        lines.push(one(uart.intid, "virtual UART", source.line(Some(cell.index), "console")));
    }
    if let Some(dog) = cell.watchdog {
        lines.push(one(dog.intid, "virtual watchdog", source.line(Some(cell.index), "watchdog")));
    }
    for device in &cell.devices {
        let Some(found) = source.board.devices.get(*device) else { continue };
        let line = source.device_line(cell.index, *device);
        let (path, own) = (source.device_path(*device), &found.interrupts);
        lines.extend(own.iter().map(|interrupt| one(interrupt.intid, &path, line)));
    }
    join(lines)
}

/// Returns what EL2 keeps.
pub(super) fn of_el2(source: &Source<'_, '_>) -> Vec<Interrupt> {
    let maintenance = match source.board.gic {
        board::Gic::V2 { maintenance, .. } | board::Gic::V3 { maintenance, .. } => maintenance,
    };
    let mut lines =
        vec![one(maintenance, "GIC maintenance", None), one(source.board.timers.hypervisor, "EL2's timer", None)];
    if let Some(uart) = source.sealed.uart.and_then(|uart| source.board.devices.get(uart)) {
        lines.extend(uart.interrupts.iter().map(|line| one(line.intid, source.board.path(uart), None)));
    }
    join(lines)
}

fn one(intid: u32, what: &str, line: Option<usize>) -> Interrupt {
    Interrupt { first: intid, last: intid, what: what.to_owned(), line }
}

/// Sorts; makes one of neighbours of the same kind of device.
fn join(mut lines: Vec<Interrupt>) -> Vec<Interrupt> {
    lines.sort_by_key(|line| line.first);
    let kind = |what: &str| what.split('@').next().unwrap_or_default().to_owned();
    let mut joined: Vec<Interrupt> = Vec::new();
    for line in lines {
        let same = |last: &&mut Interrupt| {
            last.last.checked_add(1) == Some(line.first)
                && line.what.contains('@')
                && kind(&last.what) == kind(&line.what)
        };
        match joined.last_mut().filter(same) {
            Some(last) => {
                last.last = line.first;
                let first = last.what.split(" to ").next().unwrap_or_default();
                // One device may have several.
                last.what = if first == line.what { line.what } else { format!("{first} to {}", line.what) };
            }
            None => joined.push(line),
        }
    }
    joined
}
