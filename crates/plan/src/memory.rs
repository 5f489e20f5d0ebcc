//! Which cell owns which RAM: identity runs judged, frames found for the others.
//!
//! Promises that every mapping it returns lies in a RAM bank, clear of reservations, of EL2's footprint and of every
//! other mapping, in whole pages inside the IPA space. The rule by which frames are chosen stands in the crate's root;
//! it looks at nothing but its inputs. Pages are 4 KiB (DDI 0487 D8.2).

use address::{Address, Ipa, PAGE_BYTES, PhysAddr, Region};
use alloc::{format, string::String, vec::Vec};
use board::{Board, Start};
use core::fmt;
use manifest::{Manifest, Memory};

use crate::sort::{ends, sort};
use crate::{Finding, Footprint, IPA_END, Key, Mapping};

/// What one entry of a level 2 table maps: the largest block worth aligning to.
pub(crate) const BLOCK_BYTES: u64 = 2 << 20;

/// A size as people write it.
pub(crate) struct Bytes(pub(crate) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes != 0 && bytes.trailing_zeros() >= 20 => write!(f, "{} MiB", bytes >> 20),
            bytes if bytes != 0 && bytes.trailing_zeros() >= 10 => write!(f, "{} KiB", bytes >> 10),
            bytes => write!(f, "{bytes} bytes"),
        }
    }
}

/// Returns every cell's RAM; a cell with a bad run has fewer mappings than runs, and a finding.
pub(crate) fn place(
    board: &Board<'_>,
    manifest: &Manifest<'_>,
    footprint: &Footprint,
    out: &mut Vec<Finding>,
) -> Vec<Vec<Mapping>> {
    let banks = banks(board);
    let taken = taken(board, footprint);
    let mut free = banks.clone();
    for &(region, ..) in &taken {
        carve(&mut free, region);
    }
    let mut fixed = Vec::new();
    for (cell, index, run) in runs(manifest) {
        let name = manifest.cells.get(cell).map_or("", |cell| cell.name);
        if let Err((code, what, help)) = shape(run) {
            let message = format!("cell {name}'s memory {index} {what}");
            out.push(Finding::new(code, Some(cell), Key::Memory(index), message, help).of_cell());
        } else if let Some(region) = run.at.filter(|_| run.identity).and_then(|at| identity(at, run.size)) {
            carve(&mut free, region);
            fixed.push((region, cell, index));
            judge_fixed(name, (region, cell, index), &banks, &taken, out);
        }
    }
    sort(&mut fixed, |(region, ..)| ends(*region));
    disjoint(manifest, &fixed, out);
    let lowest = banks.first().map_or(0, |bank| bank.base().get());
    let place = |(cell, wanted): (usize, &manifest::Cell<'_>)| {
        let mut next = lowest;
        let mut ram = Vec::with_capacity(wanted.memory.len());
        for (index, run) in wanted.memory.iter().enumerate().filter(|(_, run)| shape(run).is_ok()) {
            match frames(&mut free, run, next) {
                Ok(mapping) => {
                    next = mapping.ipa.get().saturating_add(run.size);
                    ram.push(mapping);
                }
                Err((code, what, help)) => {
                    let message = format!("cell {}'s memory {index} of {} {what}", wanted.name, Bytes(run.size));
                    let finding = Finding::new(code, Some(cell), Key::Memory(index), message, help);
                    out.push(if code == "E0204" { finding.of_cell() } else { finding });
                }
            }
        }
        ram
    };
    manifest.cells.iter().enumerate().map(place).collect()
}

/// Returns each run of each cell: cell, index in its `memory`, run.
fn runs<'m>(manifest: &'m Manifest<'_>) -> impl Iterator<Item = (usize, usize, &'m Memory)> {
    let of = |(cell, wanted): (usize, &'m manifest::Cell<'_>)| {
        wanted.memory.iter().enumerate().map(move |(index, run)| (cell, index, run))
    };
    manifest.cells.iter().enumerate().flat_map(of)
}

/// Code, what is wrong, what to change.
type Wrong = (&'static str, String, String);

/// Judges a run by itself.
fn shape(run: &Memory) -> Result<(), Wrong> {
    if run.size == 0 || !run.size.is_multiple_of(PAGE_BYTES) {
        let what = format!("has a size of {:#x}", run.size);
        return Err(("E0202", what, "make it a multiple of 4 KiB above 0".into()));
    }
    let Some(at) = run.at else { return Ok(()) };
    if !at.is_multiple_of(PAGE_BYTES) {
        return Err(("E0203", format!("stands at {}", Ipa::at(at)), "make at a multiple of 4 KiB".into()));
    }
    window(at, run.size).map(|_| ()).ok_or_else(|| too_high(at))
}

/// Says that a run at `at` leaves the IPA space.
fn too_high(at: u64) -> Wrong {
    let what = format!("at {} leaves the 39-bit IPA space", Ipa::at(at));
    ("E0204", what, format!("choose an at so that it ends at or below {}", Ipa::at(IPA_END)))
}

/// Returns the IPAs from `at` on, where they are inside the IPA space.
fn window(at: u64, size: u64) -> Option<Region<Ipa>> {
    Region::new(Ipa::at(at), size).filter(|region| region.end().get() <= IPA_END)
}

/// Returns the frames of the same numbers.
fn identity(at: u64, size: u64) -> Option<Region<PhysAddr>> {
    window(at, size).and_then(|region| Region::new(PhysAddr::at(at), region.size()))
}

/// Returns the banks in whole pages, ascending, adjacent ones joined.
pub(crate) fn banks(board: &Board<'_>) -> Vec<Region<PhysAddr>> {
    let whole = |bank: &Region<PhysAddr>| {
        Region::from_ends(bank.base().align_up(PAGE_BYTES)?, bank.end().align_down(PAGE_BYTES))
    };
    let mut banks: Vec<_> = board.ram.iter().filter_map(whole).collect();
    sort(&mut banks, |bank| ends(*bank));
    banks.dedup_by(|next, last| {
        let joined = (next.base() <= last.end()).then(|| Region::from_ends(last.base(), last.end().max(next.end())));
        joined.flatten().map(|joined| *last = joined).is_some()
    });
    banks
}

/// Returns what no cell may have, in whole pages: region, what it is, whether it is EL2's.
pub(crate) fn taken<'a>(board: &Board<'a>, footprint: &Footprint) -> Vec<(Region<PhysAddr>, &'a str, bool)> {
    let el2s =
        [(footprint.image, "EL2's image"), (footprint.bundle, "the bundle"), (footprint.tree, "the board's tree")];
    let words = board.cpus.iter().filter_map(|cpu| match cpu.start {
        Start::SpinTable(word) => Region::new(word, 8).map(|word| (word, "spin-table", false)),
        Start::Psci | Start::Unknown => None,
    });
    let reserved = board.reserved.iter().map(|reserved| (reserved.region, reserved.name, false));
    let all = el2s.into_iter().map(|(region, what)| (region, what, true)).chain(reserved).chain(words);
    all.filter_map(|(region, what, el2)| Some((region.widen(PAGE_BYTES)?, what, el2))).collect()
}

/// Judges an identity run with `at` against the board.
fn judge_fixed(
    name: &str,
    (region, cell, index): (Region<PhysAddr>, usize, usize),
    banks: &[Region<PhysAddr>],
    taken: &[(Region<PhysAddr>, &str, bool)],
    out: &mut Vec<Finding>,
) {
    let mut say = |code, what: String, help: String| {
        let message = format!("cell {name}'s identity memory {index} at {region} {what}");
        out.push(Finding::new(code, Some(cell), Key::Memory(index), message, help));
    };
    if !banks.iter().any(|bank| bank.encloses(region)) {
        let help = banks.iter().fold(String::from("the board has RAM at"), |text, bank| format!("{text} {bank}"));
        say("E0206", "is not all RAM".into(), help);
    }
    for (other, what, el2) in taken.iter().filter(|(other, ..)| other.overlaps(region)) {
        let code = if *el2 { "E0208" } else { "E0207" };
        let what =
            if *el2 { format!("covers {what} at {other}") } else { format!("covers {what}, reserved at {other}") };
        say(code, what, format!("let it end by {} or begin at {} or above", other.base(), other.end()));
    }
}

/// Checks that identity runs of different cells, ascending, share nothing.
fn disjoint(manifest: &Manifest<'_>, fixed: &[(Region<PhysAddr>, usize, usize)], out: &mut Vec<Finding>) {
    let name = |cell: usize| manifest.cells.get(cell).map_or("", |cell| cell.name);
    let mut furthest: Option<(Region<PhysAddr>, usize, usize)> = None;
    for &(region, cell, index) in fixed {
        if let Some((other, owner, _)) = furthest.filter(|(other, owner, _)| *owner != cell && other.overlaps(region)) {
            let message =
                format!("cell {}'s memory {index} at {region} overlaps cell {}'s at {other}", name(cell), name(owner));
            let help = format!("move one of them: below {} or to {} or above", other.base(), other.end());
            out.push(Finding::new("E0209", Some(cell), Key::Memory(index), message, help).against(owner));
        }
        if furthest.is_none_or(|(other, ..)| other.end() < region.end()) {
            furthest = Some((region, cell, index));
        }
    }
}

/// Finds the frames of one sane run, whose IPA is `next` where the plan says nothing, and takes them out of `free`.
fn frames(free: &mut Vec<Region<PhysAddr>>, run: &Memory, next: u64) -> Result<Mapping, Wrong> {
    if let Some(at) = run.at.filter(|_| run.identity) {
        return identity(at, run.size).map(|pa| Mapping { ipa: Ipa::at(at), pa }).ok_or_else(|| too_high(at));
    }
    let at = if run.identity { 0 } else { run.at.unwrap_or(next) };
    window(at, run.size).ok_or_else(|| too_high(at))?;
    let limit = if run.identity { IPA_END } else { u64::MAX };
    let blocks = (run.size >= BLOCK_BYTES).then(|| fit(free, run.size, BLOCK_BYTES, at, limit)).flatten();
    let Some(pa) = blocks.or_else(|| fit(free, run.size, PAGE_BYTES, 0, limit)) else {
        let most = free.iter().map(|piece| piece.size()).max().unwrap_or(0);
        let what = format!("finds no room in free RAM, whose largest piece has {}", Bytes(most));
        return Err(("E0210", what, "make it or an earlier cell's memory smaller".into()));
    };
    carve(free, pa);
    Ok(Mapping { ipa: Ipa::at(if run.identity { pa.base().get() } else { at }), pa })
}

/// Returns the lowest free `size` bytes whose base is `phase` modulo `step`, ending by `limit`.
fn fit(free: &[Region<PhysAddr>], size: u64, step: u64, phase: u64, limit: u64) -> Option<Region<PhysAddr>> {
    free.iter().find_map(|piece| {
        let skip = phase.wrapping_sub(piece.base().get()) & step.wrapping_sub(1);
        let found = Region::new(piece.base().checked_add(skip)?, size)?;
        (piece.encloses(found) && found.end().get() <= limit).then_some(found)
    })
}

/// Takes `hole` out of `free`, ascending and disjoint before and after.
fn carve(free: &mut Vec<Region<PhysAddr>>, hole: Region<PhysAddr>) {
    let mut at = free.partition_point(|piece| piece.end() <= hole.base());
    while let Some(piece) = free.get(at).copied().filter(|piece| piece.base() < hole.end()) {
        free.remove(at);
        let ends = [(piece.base(), hole.base()), (hole.end(), piece.end())];
        for rest in ends.into_iter().filter_map(|(base, end)| Region::from_ends(base, end)) {
            free.insert(at, rest);
            at = at.saturating_add(1);
        }
    }
}
