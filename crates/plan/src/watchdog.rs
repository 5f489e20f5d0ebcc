//! Where a cell's watchdog stands: at addresses that are nothing on the board.

use address::{Address, Ipa, PAGE_BYTES, PhysAddr, Region};

use crate::{IPA_END, Proof, device::Devices, line};

/// Bytes of its two frames.
const BYTES: u64 = 2 * PAGE_BYTES;

/// Finds the lowest room above the distributor that is neither the cell's (`things`) nor the board's.
pub(crate) fn place(
    proof: &Proof<'_, '_>,
    devices: &Devices<'_>,
    things: &[Region<PhysAddr>],
    distributor: Region<Ipa>,
) -> Option<Region<Ipa>> {
    let mut room = Region::new(distributor.same().end(), BYTES)?;
    let lists = [things, &proof.banks, &devices.space];
    while let Some(other) = lists.iter().find_map(|list| line::meets(list, room)) {
        room = Region::new(other.end().align_up(PAGE_BYTES)?, BYTES)?;
    }
    (room.end().get() <= IPA_END).then(|| room.same())
}
