//! Which cell owns which RAM: identity runs judged, frames found for the others.
//!
//! Promises that every mapping it returns lies in a RAM bank, clear of reservations, of EL2's footprint and of every
//! other mapping, in whole pages inside the IPA space. The rule by which frames are chosen stands in the crate's root;
//! it looks at nothing but its inputs. Pages are 4 KiB (DDI 0487 D8.2).

use address::{Address, Ipa, PAGE_BYTES, PhysAddr, Region};
use alloc::vec::Vec;
use board::{Board, Start};
use manifest::Memory;

use crate::line::{self, ends};
use crate::{Footprint, IPA_END, Mapping, NONE, Owner, Proof, Wall, wall};

/// What one entry of a level 2 table maps: the largest block worth aligning to.
pub(crate) const BLOCK_BYTES: u64 = 2 << 20;

/// Judges a run by itself.
fn shape(run: &Memory) -> Option<u16> {
    let at = run.at.unwrap_or(0);
    if run.size == 0 || !run.size.is_multiple_of(PAGE_BYTES) {
        Some(0xC202)
    } else if !at.is_multiple_of(PAGE_BYTES) {
        Some(0xC203)
    } else {
        (!inside(at, run.size)).then_some(0xC204)
    }
}

/// Tells whether `size` bytes from `at` on are inside the IPA space.
fn inside(at: u64, size: u64) -> bool {
    at.checked_add(size).is_some_and(|end| end <= IPA_END)
}

/// Returns the banks in whole pages, ascending, adjacent ones joined.
pub(crate) fn banks(board: &Board<'_>) -> Vec<Region<PhysAddr>> {
    let mut banks = Vec::with_capacity(board.ram.len());
    for bank in &board.ram {
        let whole = bank.base().align_up(PAGE_BYTES);
        if let Some(bank) = whole.and_then(|base| Region::from_ends(base, bank.end().align_down(PAGE_BYTES))) {
            line::cover(&mut banks, bank);
        }
    }
    banks
}

/// Returns what no cell may have, then the identity runs with `at`.
pub(crate) fn taken<'a>(proof: &mut Proof<'a, '_>, footprint: &Footprint) -> Vec<Wall<'a>> {
    let (board, cells) = (proof.board, proof.cells);
    let walls = &mut Vec::with_capacity(32);
    wall::take(walls, footprint.image, Owner::EL2, "EL2's image");
    wall::take(walls, footprint.bundle, Owner::EL2, "the bundle");
    wall::take(walls, footprint.tree, Owner::EL2, "the board's tree");
    for reserved in &board.reserved {
        wall::take(walls, reserved.region, Owner::NOBODY, reserved.name);
    }
    for cpu in &board.cpus {
        if let Start::SpinTable(word) = cpu.start
            && let Some(word) = Region::new(word, 8)
        {
            wall::take(walls, word, Owner::NOBODY, "spin-table");
        }
    }
    for (index, cell) in cells.iter().enumerate() {
        for (number, run) in cell.memory.iter().enumerate() {
            let at = run.at.unwrap_or(0);
            if let Some(code) = shape(run) {
                proof.say(code, index, NONE, number).numbers = [at, run.size, IPA_END, 0];
            } else if run.identity
                && let Some(run) = run.at.and_then(|at| Region::new(PhysAddr::at(at), run.size))
            {
                judge(proof, walls, (index, number), run);
                wall::take(walls, run, Owner(index), "RAM");
            }
        }
    }
    core::mem::take(walls)
}

/// Judges an identity run with `at` against the board and the runs before it.
fn judge<'a>(proof: &mut Proof<'a, '_>, walls: &[Wall<'a>], (cell, entry): (usize, usize), run: Region<PhysAddr>) {
    if !proof.banks.iter().any(|bank| bank.encloses(run)) {
        let alone = [run.base().get(), run.end().get(), 0, 0];
        proof.say(0xE206, cell, NONE, entry).numbers = proof.banks.first().map_or(alone, |bank| ends(run, *bank));
    }
    for wall in walls {
        let code = match wall.owner {
            _ if !run.overlaps(wall.region) => continue,
            Owner::EL2 => 0xE208,
            Owner::NOBODY => 0xE207,
            Owner(other) if other == cell => continue,
            Owner(_) => 0xE209,
        };
        let finding = proof.say(code, cell, wall.owner.0, entry);
        finding.numbers = ends(run, wall.region);
        finding.names[2] = wall.what;
    }
}

/// Returns a cell's RAM; a cell with a bad run has fewer mappings than runs, and a finding.
pub(crate) fn place<'a>(
    proof: &mut Proof<'a, '_>,
    walls: &mut Vec<Wall<'a>>,
    cell: usize,
    runs: &[Memory],
) -> Vec<Mapping> {
    let mut next = proof.banks.first().map_or(0, |bank| bank.base().get());
    let mut placed = Vec::with_capacity(runs.len());
    for (number, run) in runs.iter().enumerate().filter(|(_, run)| shape(run).is_none()) {
        let at = run.at.unwrap_or(if run.identity { 0 } else { next });
        let limit = if run.identity { IPA_END } else { u64::MAX };
        let fit = |step| fit(&proof.banks, walls, run.size, step, at, limit);
        let found = match run.at {
            Some(at) if run.identity => Some(at),
            _ if run.size >= BLOCK_BYTES => fit(BLOCK_BYTES).or_else(|| fit(PAGE_BYTES)),
            _ => fit(PAGE_BYTES),
        };
        let inside = inside(at, run.size);
        let Some(pa) = found.filter(|_| inside).and_then(|base| Region::new(PhysAddr::at(base), run.size)) else {
            let largest = largest(&proof.banks, walls, limit);
            let code = if inside { 0xE210 } else { 0xC204 };
            proof.say(code, cell, NONE, number).numbers = [at, run.size, largest, 0];
            continue;
        };
        wall::take(walls, pa, Owner(cell), "RAM");
        let ipa = Ipa::at(if run.identity { pa.base().get() } else { at });
        next = ipa.get().saturating_add(run.size);
        placed.push(Mapping { ipa, pa });
    }
    placed
}

/// Returns the lowest free bytes, `size` of them from a base that is `phase` modulo `step`, ending by `limit`.
fn fit(banks: &[Region<PhysAddr>], walls: &[Wall<'_>], size: u64, step: u64, phase: u64, limit: u64) -> Option<u64> {
    for bank in banks {
        let mut base = bank.base().get();
        loop {
            base = base.saturating_add(phase.wrapping_sub(base) & step.wrapping_sub(1));
            let end = base.saturating_add(size);
            if end > bank.end().get().min(limit) {
                break;
            }
            match wall::at(walls, PhysAddr::at(base)).filter(|wall| wall.region.base().get() < end) {
                Some(wall) => base = wall.region.end().get(),
                None => return Some(base),
            }
        }
    }
    None
}

/// Returns the most bytes that would fit, page by page.
fn largest(banks: &[Region<PhysAddr>], walls: &[Wall<'_>], limit: u64) -> u64 {
    let mut most = 0;
    for bit in (12..64).rev() {
        let more = 1_u64.wrapping_shl(bit).saturating_add(most);
        if fit(banks, walls, more, PAGE_BYTES, 0, limit).is_some() {
            most = more;
        }
    }
    most
}
