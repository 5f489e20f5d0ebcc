//! Holes and walls: what an address outside a cell's map means.
//!
//! Owns the maps of everything on the board that has or could have an owner, for [`crate::SealedPlan::outside`]:
//! a device page that is not the cell's is a wall; RAM that is not the cell's is a wall only for a cell with identity
//! memory, since there the number means that RAM; anything else is a hole.

use address::{Address, PAGE_BYTES, PhysAddr, Region};
use alloc::vec::Vec;
use board::{Board, Gic};

use crate::device::Devices;
use crate::line;

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
}

/// Who owns a page: the cell with this index in the manifest, EL2 or nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner(pub usize);

impl Owner {
    /// EL2.
    pub const EL2: Self = Self(usize::MAX);
    /// Nobody.
    pub const NOBODY: Self = Self(usize::MAX - 1);

    /// Returns its place among all: EL2, cells in the order written, nobody.
    pub(crate) fn rank(self) -> usize {
        self.0.wrapping_add(1)
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

/// Calls `each` with the GIC's frames.
pub(crate) fn frames(gic: &Gic, each: &mut dyn FnMut(&Region<PhysAddr>, &'static str)) {
    match gic {
        Gic::V2 { distributor, cpu, hypervisor, virtual_cpu, msi, .. } => {
            each(distributor, "GICD");
            each(cpu, "GICC");
            each(hypervisor, "GICH");
            each(virtual_cpu, "GICV");
            for frame in msi {
                each(frame, "GICv2m");
            }
        }
        Gic::V3 { distributor, redistributors, its, .. } => {
            each(distributor, "GICD");
            for frame in redistributors {
                each(frame, "GICR");
            }
            for frame in its {
                each(frame, "ITS");
            }
        }
    }
}

/// Maps all device space: what comes first keeps its pages where two pieces meet.
pub(crate) fn of_devices<'a>(board: &'a Board<'a>, devices: &Devices) -> Vec<Wall<'a>> {
    let mut walls = Vec::with_capacity(devices.spans.len());
    frames(&board.gic, &mut |frame, name| take(&mut walls, *frame, Owner::EL2, name));
    for owned in [true, false] {
        for span in &devices.spans {
            let owner = devices.owner(span.tag);
            if let Some(device) = board.devices.get(span.tag)
                && (owner != Owner::NOBODY) == owned
            {
                insert(&mut walls, span.base, span.end, owner, board.path(device));
            }
        }
    }
    walls
}

/// Inserts a region.
pub(crate) fn take<'a>(walls: &mut Vec<Wall<'a>>, region: Region<PhysAddr>, owner: Owner, what: &'a str) {
    insert(walls, region.base().get(), region.end().get(), owner, what);
}

/// Inserts what of the region from `base` to `end`, in whole pages, no earlier one covers.
pub(crate) fn insert<'a>(walls: &mut Vec<Wall<'a>>, base: u64, end: u64, owner: Owner, what: &'a str) {
    let [mut base, end] = [base, line::round_up(end, PAGE_BYTES)].map(|end| PhysAddr::at(end).align_down(PAGE_BYTES));
    // Boards are written nearly in order.
    let mut at = walls.iter().rposition(|wall| wall.region.end() <= base).map_or(0, |before| before.saturating_add(1));
    while base < end {
        let next = walls.get(at).map(|other| other.region);
        if let Some(region) = Region::from_ends(base, next.map_or(end, |next| next.base().min(end))) {
            walls.insert(at, Wall { region, owner, what });
            at = at.saturating_add(1);
        }
        base = next.map_or(end, Region::end);
        at = at.saturating_add(1);
    }
}

/// Returns the wall at `pa`, else the next above it.
pub(crate) fn at<'w, 'a>(walls: &'w [Wall<'a>], pa: PhysAddr) -> Option<&'w Wall<'a>> {
    walls.get(walls.partition_point(|wall| wall.region.end() <= pa))
}
