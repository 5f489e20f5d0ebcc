//! Which cell owns which RAM: identity runs judged, frames found for the others.
//!
//! Promises that every mapping it returns lies in a RAM bank, clear of reservations, of EL2's footprint and of every
//! other mapping, in whole pages inside the IPA space. The rule by which frames are chosen stands in the crate's root;
//! it looks at nothing but its inputs. Pages are 4 KiB (DDI 0487 D8.2).

use address::{Address, Ipa, PAGE_BYTES, PhysAddr, Region};
use alloc::vec::Vec;
use board::{Board, Start};
use manifest::Memory;

use crate::line::{self, Piece};
use crate::{Footprint, IPA_END, Mapping, NONE, Owner, Proof, Wall, wall};

/// What one entry of a level 2 table maps: the largest block worth aligning to.
pub(crate) const BLOCK_BYTES: u64 = 2 << 20;

/// The banks, and what of them is taken so far.
pub(crate) struct Ram<'a> {
    banks: Vec<Piece>,
    pub(crate) walls: Vec<Wall<'a>>,
}

/// Judges a run by itself.
fn shape(run: &Memory) -> Option<u32> {
    let at = run.at.unwrap_or(0);
    if run.size == 0 || !run.size.is_multiple_of(PAGE_BYTES) {
        Some(0xC0202)
    } else if !at.is_multiple_of(PAGE_BYTES) {
        Some(0xC0203)
    } else {
        inside(at, run.size).is_none().then_some(0xC0204)
    }
}

/// Returns the region from `at` on, where it is inside the IPA space.
fn inside(at: u64, size: u64) -> Option<Region<PhysAddr>> {
    Region::new(PhysAddr::at(at), size).filter(|region| region.end().get() <= IPA_END)
}

/// Returns the banks in whole pages, ascending, adjacent ones joined.
pub(crate) fn banks(board: &Board<'_>) -> Vec<Piece> {
    let mut banks = Vec::with_capacity(board.ram.len());
    for bank in &board.ram {
        let whole = bank.base().align_up(PAGE_BYTES);
        if let Some(bank) = whole.and_then(|base| Region::from_ends(base, bank.end().align_down(PAGE_BYTES))) {
            line::add(&mut banks, Piece::of(bank, 0));
        }
    }
    line::join(&mut banks);
    banks
}

impl<'a> Ram<'a> {
    /// Takes what no cell may have, then the identity runs with `at`.
    pub(crate) fn new(proof: &mut Proof<'a, '_>, footprint: &Footprint) -> Self {
        let (board, cells) = (proof.board, proof.cells);
        let mut ram = Self { banks: banks(board), walls: Vec::with_capacity(board.devices.len().saturating_add(32)) };
        ram.take(footprint.image, Owner::El2, "EL2's image");
        ram.take(footprint.bundle, Owner::El2, "the bundle");
        ram.take(footprint.tree, Owner::El2, "the board's tree");
        board.reserved.iter().for_each(|reserved| ram.take(reserved.region, Owner::Nobody, reserved.name));
        for cpu in &board.cpus {
            if let Start::SpinTable(word) = cpu.start
                && let Some(word) = Region::new(word, 8)
            {
                ram.take(word, Owner::Nobody, "spin-table");
            }
        }
        for (index, cell) in cells.iter().enumerate() {
            for (number, run) in cell.memory.iter().enumerate() {
                if let Some(code) = shape(run) {
                    proof.say(code, index, NONE, number).numbers = [run.at.unwrap_or(0), run.size, IPA_END, 0];
                } else if let Some(region) = run.at.filter(|_| run.identity).and_then(|at| inside(at, run.size)) {
                    ram.judge(proof, index, number, region);
                    ram.take(region, Owner::Cell(index), "RAM");
                }
            }
        }
        ram
    }

    fn take(&mut self, region: Region<PhysAddr>, owner: Owner, what: &'a str) {
        wall::insert(&mut self.walls, Wall { region, owner, what, ram: true });
    }

    /// Judges an identity run with `at` against the board and the runs before it.
    fn judge(&self, proof: &mut Proof<'a, '_>, cell: usize, entry: usize, region: Region<PhysAddr>) {
        let run = Piece::of(region, 0);
        if !self.banks.iter().any(|bank| bank.base <= run.base && run.end <= bank.end) {
            let (base, end) = self.banks.first().map_or((0, 0), |bank| (bank.base, bank.end));
            proof.say(0xE0206, cell, NONE, entry).numbers = [run.base, run.end, base, end];
        }
        for wall in self.walls.iter().filter(|wall| wall.region.overlaps(region)) {
            let (code, other) = match wall.owner {
                Owner::El2 => (0xE0208, NONE),
                Owner::Nobody => (0xE0207, NONE),
                Owner::Cell(other) if other == cell => continue,
                Owner::Cell(other) => (0xE0209, other),
            };
            let finding = proof.say(code, cell, other, entry);
            finding.numbers = [run.base, run.end, wall.region.base().get(), wall.region.end().get()];
            finding.names[2] = wall.what;
        }
    }

    /// Returns a cell's RAM; a cell with a bad run has fewer mappings than runs, and a finding.
    pub(crate) fn place(&mut self, proof: &mut Proof<'a, '_>, cell: usize, runs: &[Memory]) -> Vec<Mapping> {
        let mut next = self.banks.first().map_or(0, |bank| bank.base);
        let mut placed = Vec::with_capacity(runs.len());
        for (number, run) in runs.iter().enumerate().filter(|(_, run)| shape(run).is_none()) {
            let at = run.at.unwrap_or(if run.identity { 0 } else { next });
            let fixed = inside(at, run.size);
            let limit = if run.identity { IPA_END } else { u64::MAX };
            let blocks = || self.fit(run.size, BLOCK_BYTES, at, limit).filter(|_| run.size >= BLOCK_BYTES);
            let found = match run.at {
                Some(_) if run.identity => fixed,
                _ => blocks().or_else(|| self.fit(run.size, PAGE_BYTES, 0, limit)),
            };
            let (Some(_), Some(pa)) = (fixed, found) else {
                let code = if fixed.is_none() { 0xC0204 } else { 0xE0210 };
                proof.say(code, cell, NONE, number).numbers = [at, run.size, self.largest(limit), 0];
                continue;
            };
            self.take(pa, Owner::Cell(cell), "RAM");
            let ipa = Ipa::at(if run.identity { pa.base().get() } else { at });
            next = ipa.get().saturating_add(run.size);
            placed.push(Mapping { ipa, pa });
        }
        placed
    }

    /// Returns the lowest free `size` bytes whose base is `phase` modulo `step`, ending by `limit`.
    fn fit(&self, size: u64, step: u64, phase: u64, limit: u64) -> Option<Region<PhysAddr>> {
        for bank in &self.banks {
            let mut base = bank.base;
            while let Some(found) = base
                .checked_add(phase.wrapping_sub(base) & step.wrapping_sub(1))
                .and_then(|base| Region::new(PhysAddr::at(base), size))
                .filter(|found| found.end().get() <= bank.end.min(limit))
            {
                match wall::at(&self.walls, found.base()).filter(|wall| wall.region.base() < found.end()) {
                    Some(wall) => base = wall.region.end().get(),
                    None => return Some(found),
                }
            }
        }
        None
    }

    /// Returns the most bytes that would fit, page by page.
    fn largest(&self, limit: u64) -> u64 {
        (12..64)
            .rev()
            .map(|bit| 1_u64 << bit)
            .fold(0, |most, bit| if self.fit(most | bit, PAGE_BYTES, 0, limit).is_some() { most | bit } else { most })
    }

    /// Returns the walls with what nobody took.
    pub(crate) fn into_walls(mut self) -> Vec<Wall<'a>> {
        for bank in core::mem::take(&mut self.banks).iter().filter_map(Piece::frames) {
            self.take(bank, Owner::Nobody, "free RAM");
        }
        self.walls
    }
}
