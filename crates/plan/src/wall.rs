//! Holes and walls: what an address outside a cell's map means.
//!
//! Owns the map of everything on the board that has or could have an owner, disjoint and ascending, and the judgement:
//! a device page that is not the cell's is a wall; RAM that is not the cell's is a wall only for a cell with identity
//! memory, since there the number means that RAM; anything else is a hole. Built once at seal; a judgement allocates
//! nothing and takes one binary search, for it runs on an exit path.

use address::{Address, Ipa, PAGE_BYTES, PhysAddr, Region};
use alloc::vec::Vec;
use board::{Board, Gic};

use crate::device::Devices;
use crate::{Footprint, Mapping, memory};

/// A piece of the board and who owns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wall<'a> {
    /// Page-rounded.
    pub region: Region<PhysAddr>,
    /// Owner.
    pub owner: Owner,
    /// What it is: a device's path, `GICD`, `GICR`, `GICC`, `GICH`, `GICV`, `GICv2m`, `ITS`, `RAM` (a cell's), `EL2's image`,
    /// `the bundle`, `the board's tree`, a reservation's name or `free RAM`.
    pub what: &'a str,
    /// RAM, else device pages.
    pub ram: bool,
}

/// Who owns a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// The cell with this index in the manifest.
    Cell(usize),
    /// EL2.
    El2,
    /// Nobody.
    Nobody,
}

impl Owner {
    /// Cells first, in the manifest's order, then EL2.
    pub(crate) fn rank(self) -> u64 {
        match self {
            Self::Cell(index) => index as u64,
            Self::El2 => u64::MAX.wrapping_sub(1),
            Self::Nobody => u64::MAX,
        }
    }
}

/// What an IPA outside a cell's map is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside<'p> {
    /// Nothing there: an external abort.
    Hole,
    /// Somebody's property.
    Wall {
        /// Owner.
        owner: Owner,
        /// What was touched: [`Wall::what`].
        what: &'p str,
    },
}

/// Returns the GIC's frames.
pub(crate) fn frames(gic: &Gic) -> impl Iterator<Item = (Region<PhysAddr>, &'static str)> {
    let (distributor, single, (frames, name), its) = match gic {
        Gic::V2 { distributor, cpu, hypervisor, virtual_cpu, msi, .. } => {
            let rest = [(*cpu, "GICC"), (*hypervisor, "GICH"), (*virtual_cpu, "GICV")].map(Some);
            (distributor, rest, (msi.as_slice(), "GICv2m"), &[][..])
        }
        Gic::V3 { distributor, redistributors, its, .. } => {
            (distributor, [None; 3], (redistributors.as_slice(), "GICR"), its.as_slice())
        }
    };
    let rest = frames.iter().map(move |&frame| (frame, name)).chain(its.iter().map(|&frame| (frame, "ITS")));
    [(*distributor, "GICD")].into_iter().chain(single.into_iter().flatten()).chain(rest)
}

/// Builds the map: what comes first keeps its pages where two pieces meet.
pub(crate) fn build<'a>(
    board: &'a Board<'a>,
    footprint: &Footprint,
    devices: &Devices,
    ram: &[Vec<Mapping>],
) -> Vec<Wall<'a>> {
    let mut walls = Vec::with_capacity(devices.spans.len().saturating_add(16));
    let mut add = |region: Region<PhysAddr>, owner, what, ram| {
        if let Some(region) = region.widen(PAGE_BYTES) {
            insert(&mut walls, Wall { region, owner, what, ram });
        }
    };
    frames(&board.gic).for_each(|(frame, what)| add(frame, Owner::El2, what, false));
    for owned in [true, false] {
        for span in &devices.spans {
            let owner = devices.owner(span.device);
            if let Some(device) = span.device.and_then(|device| board.devices.get(device))
                && (owner != Owner::Nobody) == owned
            {
                add(span.region, owner, device.path.as_str(), false);
            }
        }
    }
    for (region, what, el2) in memory::taken(board, footprint) {
        add(region, if el2 { Owner::El2 } else { Owner::Nobody }, what, true);
    }
    for (cell, runs) in ram.iter().enumerate() {
        for run in runs {
            add(run.pa, Owner::Cell(cell), "RAM", true);
        }
    }
    for &bank in &board.ram {
        add(bank, Owner::Nobody, "free RAM", true);
    }
    walls
}

/// Inserts what of `wall` no earlier one covers.
fn insert<'a>(walls: &mut Vec<Wall<'a>>, wall: Wall<'a>) {
    let (mut base, end) = (wall.region.base(), wall.region.end());
    let mut at = walls.partition_point(|other| other.region.end() <= base);
    loop {
        let next = walls.get(at).map(|other| other.region).filter(|other| other.base() < end);
        if let Some(region) = Region::from_ends(base, next.map_or(end, Region::base)) {
            walls.insert(at, Wall { region, ..wall });
            at = at.saturating_add(1);
        }
        let Some(next) = next else { return };
        base = next.end();
        at = at.saturating_add(1);
    }
}

/// Judges `ipa` for `cell` as the board address of the same number.
pub(crate) fn judge<'a>(walls: &[Wall<'a>], cell: Owner, identity: bool, ipa: Ipa) -> Outside<'a> {
    let pa = PhysAddr::at(ipa.get());
    let found = walls.get(walls.partition_point(|wall| wall.region.end() <= pa));
    match found.filter(|wall| wall.region.contains(pa) && wall.owner != cell && (identity || !wall.ram)) {
        Some(&Wall { owner, what, .. }) => Outside::Wall { owner, what },
        None => Outside::Hole,
    }
}
