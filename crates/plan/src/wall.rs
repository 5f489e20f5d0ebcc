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
use crate::memory::Ram;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The cell with this index in the manifest.
    Cell(usize),
    /// EL2.
    El2,
    /// Nobody.
    Nobody,
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

/// Calls `each` with the GIC's frames.
pub(crate) fn frames(gic: &Gic, each: &mut dyn FnMut(Region<PhysAddr>, &'static str)) {
    let (frames, what, its) = match gic {
        Gic::V2 { distributor, cpu, hypervisor, virtual_cpu, msi, .. } => {
            each(*distributor, "GICD");
            each(*cpu, "GICC");
            each(*hypervisor, "GICH");
            each(*virtual_cpu, "GICV");
            (msi, "GICv2m", &[][..])
        }
        Gic::V3 { distributor, redistributors, its, .. } => {
            each(*distributor, "GICD");
            (redistributors, "GICR", its.as_slice())
        }
    };
    for (frame, what) in frames.iter().map(|frame| (frame, what)).chain(its.iter().map(|frame| (frame, "ITS"))) {
        each(*frame, what);
    }
}

/// Completes the map: what comes first keeps its pages where two pieces meet.
pub(crate) fn build<'a>(board: &'a Board<'a>, devices: &Devices, ram: Ram<'a>) -> Vec<Wall<'a>> {
    let mut walls = ram.into_walls();
    frames(&board.gic, &mut |region, what| insert(&mut walls, Wall { region, owner: Owner::El2, what, ram: false }));
    for owned in [true, false] {
        for span in &devices.spans {
            let owner = devices.owner(span.tag);
            if let (Some(device), Some(region)) = (board.devices.get(span.tag), span.frames())
                && (owner != Owner::Nobody) == owned
            {
                insert(&mut walls, Wall { region, owner, what: &device.path, ram: false });
            }
        }
    }
    walls
}

/// Inserts what of `wall`, in whole pages, no earlier one covers.
pub(crate) fn insert<'a>(walls: &mut Vec<Wall<'a>>, wall: Wall<'a>) {
    let Some(pages) = wall.region.widen(PAGE_BYTES) else { return };
    let (mut base, end) = (pages.base(), pages.end());
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

/// Returns the wall at `pa`, else the next above it.
pub(crate) fn at<'w, 'a>(walls: &'w [Wall<'a>], pa: PhysAddr) -> Option<&'w Wall<'a>> {
    walls.get(walls.partition_point(|wall| wall.region.end() <= pa))
}

/// Judges `ipa` for `cell` as the board address of the same number.
pub(crate) fn judge<'a>(walls: &[Wall<'a>], cell: Owner, identity: bool, ipa: Ipa) -> Outside<'a> {
    let pa = PhysAddr::at(ipa.get());
    match at(walls, pa).filter(|wall| wall.region.contains(pa) && wall.owner != cell && (identity || !wall.ram)) {
        Some(&Wall { owner, what, .. }) => Outside::Wall { owner, what },
        None => Outside::Hole,
    }
}
