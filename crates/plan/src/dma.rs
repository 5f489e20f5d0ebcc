//! What a cell's devices may reach by DMA.
//!
//! Promises that a device masters none (it is in the reviewed list, or the plan vouches for it), or that the plan
//! trusts its cell and the numbers it uses mean the cell's own RAM. An IOMMU helps nobody yet: EL2 programs none.

use alloc::{format, vec::Vec};
use board::Board;
use manifest::{Dma, Manifest};

use crate::{Finding, Key, device::Devices};

/// Judges every cell with a device that may master DMA.
pub(crate) fn check(board: &Board<'_>, manifest: &Manifest<'_>, devices: &Devices, out: &mut Vec<Finding>) {
    for (index, cell) in manifest.cells.iter().enumerate() {
        let (mut first, mut paths) = (None, Vec::new());
        for device in devices.of(index) {
            if let Some(found) = board.devices.get(device).filter(|found| !found.no_dma()) {
                first = first.or(Some(device));
                paths.push(found.path.as_str());
            }
        }
        let Some(first) = first else { continue };
        let say = |code, key, what: &str, help: &str| {
            let message = format!("cell {} owns {}, {what}", cell.name, paths.join(", "));
            Finding::new(code, Some(index), key, message, help.into())
        };
        match cell.dma {
            Dma::Unsaid => {
                let help =
                    "say dma = \"none\" if they master none, dma = \"trusted\" with identity memory, or take them away";
                let key = Key::Devices(devices.claim(first).1);
                out.push(say("E0309", key, "which may master DMA and so reach every cell", help));
            }
            Dma::None => {
                let what = "taken on the plan's word to master no DMA";
                out.push(say("E0315", Key::Dma, what, "make sure that it is so").warning());
            }
            Dma::Trusted => {
                if cell.memory.iter().any(|run| !run.identity) {
                    let what = "whose DMA uses physical addresses, but not all its memory is identity";
                    out.push(say("E0310", Key::Dma, what, "say identity = true for each run of its memory"));
                }
                out.push(
                    say("E0317", Key::Dma, "whose DMA can reach EL2 and every cell", "trust it as you do EL2")
                        .warning(),
                );
            }
        }
    }
}
