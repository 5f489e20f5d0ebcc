//! Where a cell's watchdog stands: at addresses that are nothing on the board.

use address::{Address, Ipa, PAGE_BYTES, Region};

use crate::line::Piece;
use crate::{Proof, device::Devices, memory};

/// Bytes of its two frames.
const BYTES: u64 = 2 * PAGE_BYTES;

/// Finds room behind something that is neither the cell's (`things`) nor the board's.
pub(crate) fn place(proof: &Proof<'_, '_>, devices: &Devices, things: &[Piece]) -> Option<Region<Ipa>> {
    let banks = memory::banks(proof.board);
    let all = || [things, &banks, &devices.spans].into_iter().flatten();
    let mut rooms = all().filter_map(|piece| Region::new(Ipa::at(piece.end).align_up(PAGE_BYTES)?, BYTES));
    rooms.find(|room| !all().any(|piece| piece.meets(&Piece::of(*room, 0))))
}
