//! Holes and walls: what an address outside a cell's map means.
//!
//! Owns the maps of everything on the board that has or could have an owner, for [`crate::SealedPlan::outside`]:
//! a device page that is not the cell's is a wall; RAM that is not the cell's is a wall only for a cell with identity
//! memory, since there the number means that RAM; anything else is a hole.

use address::{Address, PAGE_BYTES, PhysAddr, Region};
use alloc::vec::Vec;

use crate::line;

/// A piece of what is RAM, on the board or by the plan, and who owns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wall<'a> {
    /// Page-rounded.
    pub region: Region<PhysAddr>,
    /// Owner.
    pub owner: Owner,
    /// What it is: `RAM` (a cell's), `EL2's image`, `the bundle`, `the board's tree`, a reservation's name or `free RAM`.
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
        /// What was touched: [`Wall::what`], a device's path or `GICD`, `GICR`, `GICC`, `GICH`, `GICV`, `GICv2m`, `ITS`.
        what: &'p str,
    },
}

/// Inserts what of the region, in whole pages, no earlier one covers.
pub(crate) fn take<'a>(walls: &mut Vec<Wall<'a>>, region: Region<PhysAddr>, owner: Owner, what: &'a str) {
    let mut base = region.base().align_down(PAGE_BYTES);
    let end = PhysAddr::at(line::round_up(region.end().get(), PAGE_BYTES));
    let mut at = walls.iter().take_while(|wall| wall.region.end() <= base).count();
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
    walls.iter().find(|wall| pa < wall.region.end())
}
