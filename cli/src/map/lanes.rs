//! The address spaces: the board's, as the plan's walls tell it, and each cell's.

use super::{Lane, Segment, Source, Who, interrupts, who};
use address::{Address, PAGE_BYTES, PhysAddr, Region};
use plan::{Mapping, Owner, SealedCell, VirtualGic};

/// What a cell may do.
const RAM: &str = "read, write, execute";
const DEVICE: &str = "read, write";

/// A piece of the board.
struct Piece<'a> {
    region: Region<PhysAddr>,
    owner: Owner,
    name: &'a str,
    ram: bool,
}

/// Makes the board's lane.
pub(super) fn board(source: &Source<'_, '_>) -> Lane {
    let mut segments: Vec<Segment> = Vec::new();
    let mut before: Option<Piece<'_>> = None;
    let ram = source.sealed.ram.iter();
    let ram = ram.map(|wall| Piece { region: wall.region, owner: wall.owner, name: wall.what, ram: true });
    let mut pieces: Vec<_> = ram.chain(devices(source)).collect();
    pieces.sort_by_key(|piece| piece.region.base());
    for wall in pieces {
        // Neighbours in kind are one piece: the eye wants owners, not the board's every register.
        let joins = before.as_ref().is_some_and(|before| {
            !wall.ram && !before.ram && before.owner == wall.owner
                || wall.ram && before.ram && (before.owner, before.name) == (wall.owner, wall.name)
        });
        let (base, end) = (wall.region.base().get(), wall.region.end().get());
        if let Some(last) = segments.last_mut().filter(|last| joins && (!wall.ram || last.end == base)) {
            last.end = end;
            add(source, last, &wall);
        } else {
            let mut segment = of_wall(source, &wall);
            add(source, &mut segment, &wall);
            segments.push(segment);
        }
        before = Some(wall);
    }
    for segment in &mut segments {
        segment.what = match (segment.who, segment.details.as_slice()) {
            (_, []) => segment.what.clone(),
            (Who::Nobody, [one]) => format!("{one}, nobody's"),
            (Who::Nobody, many) => format!("{} devices, nobody's", many.len()),
            (_, [one]) => one.clone(),
            (_, [first, rest @ ..]) => format!("{first} +{}", rest.len()),
        };
    }
    Lane {
        title: "Board".into(),
        subtitle: "physical addresses".into(),
        who: Who::El2,
        segments,
        interrupts: interrupts::of_el2(source),
    }
}

/// Returns all device space, cut wherever something begins or ends: there the plan says whose it is.
fn devices<'a>(source: &Source<'_, 'a>) -> Vec<Piece<'a>> {
    let frames = crate::offer::frames(&source.board.gic).into_iter().map(|(frame, _)| frame);
    let regions = frames.chain(source.board.devices.iter().flat_map(|device| device.pages().copied()));
    let pages = regions.filter_map(|region| region.widen(PAGE_BYTES));
    let mut cuts: Vec<_> = pages.flat_map(|pages| [pages.base(), pages.end()]).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let piece = |cut: &[PhysAddr]| {
        let ([base, end], (owner, name)) = (<[PhysAddr; 2]>::try_from(cut).ok()?, source.sealed.device(*cut.first()?)?);
        Some(Piece { region: Region::from_ends(base, end)?, owner, name, ram: false })
    };
    cuts.windows(2).filter_map(piece).collect()
}

fn of_wall(source: &Source<'_, '_>, wall: &Piece<'_>) -> Segment {
    let owner = who(wall.owner);
    let (rights, writers) = match owner {
        Who::Cell(index) => (
            if wall.ram { RAM } else { DEVICE },
            source.plan.cells.get(index).map_or(String::new(), |it| it.name.clone()),
        ),
        Who::El2 => ("none to cells", "EL2".into()),
        Who::Nobody => ("none to cells", "nobody".into()),
    };
    let line = match (owner, wall.ram) {
        (Who::Cell(cell), true) => source.line(Some(cell), &run_key(source, cell, wall.region)),
        (Who::Cell(cell), false) => source
            .board
            .devices
            .iter()
            .position(|device| source.board.path(device) == wall.name)
            .and_then(|device| source.device_line(cell, device)),
        _ => None,
    };
    let what = match owner {
        Who::Cell(index) if wall.ram => {
            format!("RAM of {}", source.plan.cells.get(index).map_or("", |it| it.name.as_str()))
        }
        _ => wall.name.to_owned(),
    };
    Segment {
        base: wall.region.base().get(),
        end: wall.region.end().get(),
        what,
        details: Vec::new(),
        who: owner,
        rights,
        writers,
        board: None,
        line,
        emulated: false,
    }
}

/// Adds to a piece of device space what lies there.
fn add(source: &Source<'_, '_>, segment: &mut Segment, wall: &Piece<'_>) {
    if wall.ram {
        return;
    }
    let on = |region: &Region<PhysAddr>| region.overlaps(wall.region);
    let all = &source.board.devices;
    let devices = all.iter().filter(|device| device.pages().any(on));
    let names = devices.map(|device| source.board.path(device).to_owned()).chain([wall.name.to_owned()]);
    for name in names {
        if !segment.details.contains(&name) {
            segment.details.push(name);
        }
    }
}

/// Which run of its `memory` a piece of a cell's RAM is.
fn run_key(source: &Source<'_, '_>, cell: usize, region: Region<PhysAddr>) -> String {
    let runs = source.sealed.cell(cell).map(|cell| cell.ram.as_slice()).unwrap_or_default();
    let index = runs.iter().position(|run| run.pa.overlaps(region)).unwrap_or(0);
    format!("memory[{index}]")
}

/// Makes a cell's lane.
pub(super) fn cell(source: &Source<'_, '_>, cell: &SealedCell<'_>) -> Lane {
    let line = |key: &str| source.line(Some(cell.index), key);
    let mut segments = Vec::new();
    for (index, run) in cell.ram.iter().enumerate() {
        segments.extend(ram(source, cell, index, run));
    }
    for pages in &cell.mmio {
        let on = |index: &&usize| {
            let device = source.board.devices.get(**index);
            device.is_some_and(|device| device.pages().any(|it| it.overlaps(*pages)))
        };
        let devices: Vec<usize> = cell.devices.iter().filter(on).copied().collect();
        let details: Vec<String> = devices.iter().map(|device| source.device_path(*device)).collect();
        let what = match details.as_slice() {
            [first, _, ..] => format!("{first} +{}", details.len().saturating_sub(1)),
            _ => details.concat(),
        };
        let line = devices.first().and_then(|device| source.device_line(cell.index, *device));
        segments.push(Segment { details, line, ..piece(cell, pages.base().get(), pages.size(), &what, DEVICE) });
    }
    let emulated = |base: u64, size: u64, what: &str, key: &str| Segment {
        emulated: true,
        writers: "EL2 acts on what is written".into(),
        line: line(key),
        ..piece(cell, base, size, what, "emulated")
    };
    match cell.gic {
        VirtualGic::V2 { distributor, cpu } => {
            segments.push(emulated(distributor.base().get(), distributor.size(), "virtual distributor", "gic"));
            segments.push(piece(cell, cpu.ipa.get(), cpu.pa.size(), "virtual CPU interface", DEVICE));
        }
        VirtualGic::V3 { distributor, redistributors } => {
            segments.push(emulated(distributor.base().get(), distributor.size(), "virtual distributor", "gic"));
            segments.push(emulated(
                redistributors.base().get(),
                redistributors.size(),
                "virtual redistributors",
                "gic",
            ));
        }
    }
    if let Some(uart) = cell.uart {
        segments.push(emulated(uart.page.base().get(), uart.page.size(), "virtual UART", "console"));
    }
    if let Some(dog) = cell.watchdog {
        segments.push(emulated(dog.page.base().get(), dog.page.size(), "virtual watchdog", "watchdog"));
    }
    segments.sort_by_key(|segment| segment.base);
    Lane {
        title: format!("Cell {}", cell.name),
        subtitle: if cell.identity { "guest addresses = physical" } else { "guest-physical addresses" }.into(),
        who: Who::Cell(cell.index),
        segments,
        interrupts: interrupts::of_cell(source, cell),
    }
}

fn piece(cell: &SealedCell<'_>, base: u64, size: u64, what: &str, rights: &'static str) -> Segment {
    Segment {
        base,
        end: base.saturating_add(size),
        what: what.to_owned(),
        details: Vec::new(),
        who: Who::Cell(cell.index),
        rights,
        writers: cell.name.to_owned(),
        board: None,
        line: None,
        emulated: false,
    }
}

/// Cuts a run at what EL2 puts there before the guest starts.
fn ram(source: &Source<'_, '_>, cell: &SealedCell<'_>, index: usize, run: &Mapping) -> Vec<Segment> {
    let (start, end) = (run.ipa.get(), run.ipa.get().saturating_add(run.pa.size()));
    let memory = format!("memory[{index}]");
    let needs = source.manifest.cells.get(cell.index).map_or(0, |cell| cell.kernel.image_size);
    let page = |at: u64| at.checked_next_multiple_of(PAGE_BYTES).unwrap_or(at);
    let mut cuts = vec![(start, "RAM", memory.as_str())];
    let mut put = |base: u64, end: u64, what, key| {
        cuts.retain(|(at, ..)| *at != base);
        cuts.extend([(base, what, key), (page(end), "RAM", memory.as_str())]);
    };
    let kernel = cell.kernel.get();
    put(kernel, kernel.saturating_add(needs), "kernel", "kernel");
    if let Some(initrd) = cell.initrd {
        put(initrd.base().get(), initrd.end().get(), "initrd", "initrd");
    }
    put(cell.tree.base().get(), cell.tree.end().get(), "device tree", "kernel");
    let mut pieces: Vec<(u64, &str, &str)> = cuts.into_iter().filter(|(at, ..)| (start..end).contains(at)).collect();
    pieces.sort_by_key(|(at, ..)| *at);
    let ends: Vec<u64> = pieces.iter().skip(1).map(|piece| piece.0).chain([end]).collect();
    let made = pieces.iter().zip(ends).map(|((base, what, key), end)| Segment {
        board: run.pa.base().get().checked_add(base.saturating_sub(start)),
        line: source.line(Some(cell.index), key),
        ..piece(cell, *base, end.saturating_sub(*base), what, RAM)
    });
    made.collect()
}
