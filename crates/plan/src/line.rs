//! Pieces of a line of numbers: addresses of either space, interrupts.
//!
//! Owns the few things done with many regions at once: kept in order, joined, swept for what meets. One type for all,
//! so that each is linked once; the numbers go back into their address types where they leave.

use address::{Address, PhysAddr, Region};
use alloc::vec::Vec;

/// A piece, never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) base: u64,
    pub(crate) end: u64,
    /// Whose, or what: up to who made it.
    pub(crate) tag: usize,
}

impl Piece {
    pub(crate) fn at(base: u64, size: u64, tag: usize) -> Self {
        Self { base, end: base.saturating_add(size), tag }
    }

    pub(crate) fn of<A: Address>(region: Region<A>, tag: usize) -> Self {
        Self::at(region.base().get(), region.size(), tag)
    }

    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.base < other.end && other.base < self.end
    }

    pub(crate) fn frames(&self) -> Option<Region<PhysAddr>> {
        Region::from_ends(PhysAddr::at(self.base), PhysAddr::at(self.end))
    }
}

/// Puts a piece where it belongs, behind its equals: trees and plans are written nearly in order.
pub(crate) fn add(line: &mut Vec<Piece>, piece: Piece) {
    let key = (piece.base, piece.end);
    let before = line.iter().rposition(|other| (other.base, other.end) <= key);
    line.insert(before.map_or(0, |before| before.saturating_add(1)), piece);
}

/// Joins pieces that touch.
pub(crate) fn join(line: &mut Vec<Piece>) {
    line.dedup_by(|next, last| {
        let touch = next.base <= last.end;
        if touch {
            last.end = last.end.max(next.end);
        }
        touch
    });
}

/// Calls `found` with each piece that meets one before it, that one first.
pub(crate) fn sweep(line: &[Piece], found: &mut dyn FnMut(&Piece, &Piece)) {
    let Some(mut furthest) = line.first() else { return };
    for piece in line.iter().skip(1) {
        if furthest.meets(piece) {
            found(furthest, piece);
        }
        if furthest.end < piece.end {
            furthest = piece;
        }
    }
}

/// Rounds up to a multiple of `bytes`, a power of two; to the last one where there is none.
pub(crate) fn round_up(number: u64, bytes: u64) -> u64 {
    let odd = bytes.wrapping_sub(1);
    number.saturating_add(odd) & !odd
}
