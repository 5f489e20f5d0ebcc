//! What a cell's devices may reach by DMA.
//!
//! Promises that a device masters none (it is in the reviewed list, or the plan vouches for it), or that the plan
//! trusts its cell and the numbers it uses mean the cell's own RAM. An IOMMU helps nobody yet: EL2 programs none.

use manifest::Dma;

use crate::{NONE, Owner, Proof, device::Devices};

/// Judges every cell with a device that may master DMA.
pub(crate) fn check(proof: &mut Proof<'_, '_>, devices: &Devices) {
    let (board, cells) = (proof.board, proof.cells);
    for (index, cell) in cells.iter().enumerate() {
        let (mut first, mut more) = (NONE, 0_u64);
        for (number, device) in board.devices.iter().enumerate() {
            if devices.owner(number) != Owner::Cell(index) || device.no_dma() {
            } else if first == NONE {
                first = number;
            } else {
                more = more.saturating_add(1);
            }
        }
        if first == NONE {
            continue;
        }
        let code = match cell.dma {
            Dma::Unsaid => 0xE0309,
            Dma::None => 0xA0315,
            Dma::Trusted => 0xA0317,
        };
        let foreign = cell.dma == Dma::Trusted && cell.memory.iter().any(|run| !run.identity);
        if foreign {
            proof.say_device(0xE0310, index, NONE, first).numbers[0] = more;
        }
        proof.say_device(code, index, NONE, first).numbers[0] = more;
    }
}
