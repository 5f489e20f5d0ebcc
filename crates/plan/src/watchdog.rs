//! Where a cell's watchdog stands: at addresses that are nothing on the board.

use address::{Address, Ipa, PAGE_BYTES, Region};
use alloc::vec::Vec;

use crate::line::{self, Piece};
use crate::{IPA_END, Proof, device::Devices};

/// Bytes of its two frames.
const BYTES: u64 = 2 * PAGE_BYTES;

/// Finds the lowest room above `base` that is neither the cell's (`things`) nor the board's.
pub(crate) fn place(
    proof: &Proof<'_, '_>,
    devices: &Devices,
    mut things: Vec<Piece>,
    base: Ipa,
) -> Option<Region<Ipa>> {
    proof.banks.iter().chain(&devices.spans).for_each(|piece| line::add(&mut things, *piece));
    let mut room = Region::new(base, BYTES)?;
    for piece in &things {
        if piece.meets(&Piece::of(room, 0)) {
            room = Region::new(Ipa::at(piece.end).align_up(PAGE_BYTES)?, BYTES)?;
        }
    }
    (room.end().get() <= IPA_END).then_some(room)
}
