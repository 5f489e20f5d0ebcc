//! Where a cell's watchdog stands: at addresses that are nothing on the board.

use address::{Ipa, PAGE_BYTES, Region};

use crate::line::Piece;
use crate::{Proof, device::Devices, memory};

/// Bytes of its two frames.
const BYTES: u64 = 2 * PAGE_BYTES;

/// Finds room behind one of the cell's `things` that is neither theirs, nor the board's.
pub(crate) fn place(proof: &Proof<'_, '_>, devices: &Devices, things: &[Piece]) -> Option<Region<Ipa>> {
    let banks = memory::banks(proof.board);
    let frames = things.iter().filter_map(|thing| Region::new(Ipa::at(thing.end), BYTES)?.widen(PAGE_BYTES));
    frames.into_iter().find(|frames| {
        let room = Piece::of(*frames, 0);
        ![things, &banks, &devices.spans].into_iter().flatten().any(|piece| piece.meets(&room))
    })
}
