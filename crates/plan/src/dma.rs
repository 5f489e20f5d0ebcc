//! What a cell's devices may reach by DMA.
//!
//! Promises that a device masters none (it is in the reviewed list, or the plan vouches for it), or that the plan
//! trusts its cell and the numbers it uses mean the cell's own RAM. An IOMMU helps nobody yet: EL2 programs none.

use manifest::Dma;

use crate::{NONE, Proof, device::Devices};

/// Judges every cell with a device that may master DMA.
pub(crate) fn check(proof: &mut Proof<'_, '_>, devices: &Devices) {
    let (board, cells) = (proof.board, proof.cells);
    for (index, cell) in cells.iter().enumerate() {
        let masters = |device: &usize| board.devices.get(*device).is_some_and(|found| !found.no_dma());
        let mut masters = devices.of(index).filter(masters);
        let Some(first) = masters.next() else { continue };
        let code = match cell.dma {
            Dma::Unsaid => 0xE0309,
            Dma::None => 0xA0315,
            Dma::Trusted => 0xA0317,
        };
        let more = masters.count() as u64;
        let foreign = cell.dma == Dma::Trusted && cell.memory.iter().any(|run| !run.identity);
        for code in [foreign.then_some(0xE0310), Some(code)].into_iter().flatten() {
            proof.say_device(code, index, NONE, first).numbers[0] = more;
        }
    }
}
