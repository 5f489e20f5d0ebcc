//! What a cell gets with the devices it owns: pages, lines, DMA.
//!
//! Promises that no page with device registers reaches two cells, or a cell and EL2 (stage 2 maps whole pages: devices
//! that share one go together, disabled ones do not count); that registers lie inside the IPA space and are no RAM; that
//! a shared peripheral interrupt has one owner; and that a device masters no DMA (it is in the reviewed list, or the plan
//! vouches for it), or the plan trusts its cell and the numbers it uses mean the cell's own RAM. An IOMMU helps nobody
//! yet: EL2 programs none.

use address::{PAGE_BYTES, PhysAddr, Region};
use alloc::vec::Vec;
use board::Interrupt;
use manifest::{Cell, Dma};

use crate::device::Devices;
use crate::interrupt::{self, FIRST_SPI};
use crate::line::Piece;
use crate::{IPA_END, NONE, Owner, Proof};

/// Judges the devices of a cell; returns them and their SPIs, both ascending.
pub(crate) fn judge(
    proof: &mut Proof<'_, '_>,
    devices: &Devices,
    index: usize,
    cell: &Cell<'_>,
) -> (Vec<usize>, Vec<Interrupt>) {
    let (board, mine) = (proof.board, Owner(index));
    let (mut owned, mut lines) = (Vec::new(), Vec::new());
    let (mut master, mut more) = (NONE, 0_u64);
    for (number, device) in board.devices.iter().enumerate().filter(|(number, _)| devices.owner(*number) == mine) {
        owned.push(number);
        device.regions.iter().for_each(|region| pages(proof, devices, (index, number), *region, 0xC311));
        device.windows.iter().for_each(|window| pages(proof, devices, (index, number), *window, 0xA316));
        for line in device.interrupts.iter().filter(|line| line.intid >= FIRST_SPI) {
            share(proof, devices, (index, number), line.intid);
            interrupt::add(&mut lines, *line);
        }
        if device.no_dma() {
        } else if master == NONE {
            master = number;
        } else {
            more = more.saturating_add(1);
        }
    }
    if master != NONE {
        let code = match cell.dma {
            Dma::Unsaid => 0xE309,
            Dma::None => 0xA315,
            Dma::Trusted => 0xA317,
        };
        if cell.dma == Dma::Trusted && cell.memory.iter().any(|run| !run.identity) {
            proof.say_device(0xE310, index, NONE, master).numbers[0] = more;
        }
        proof.say_device(code, index, NONE, master).numbers[0] = more;
    }
    (owned, lines)
}

/// Judges where registers or a window of a device lie, and what else lies on their pages.
fn pages(
    proof: &mut Proof<'_, '_>,
    devices: &Devices,
    (cell, number): (usize, usize),
    region: Region<PhysAddr>,
    too_far: u16,
) {
    let bounds = Piece::of(region, 0);
    if bounds.end > IPA_END {
        proof.say_device(too_far, cell, NONE, number).numbers = [bounds.base, bounds.end, 0, 0];
    }
    let pages = region.widen(PAGE_BYTES).map_or(bounds, |pages| Piece::of(pages, 0));
    if let Some(&bank) = proof.banks.iter().find(|bank| bank.meets(&pages)) {
        proof.say_device(0xE312, cell, NONE, number).numbers = [pages.base, pages.end, bank.base, bank.end];
    }
    // EL2 before cells, cells before nobody: what is said tells what to do.
    let (mut owner, mut path) = (Owner(cell), "");
    for other in devices.spans.iter().filter(|other| other.meets(&pages)) {
        let (theirs, device) = (devices.owner(other.tag), proof.board.devices.get(other.tag));
        let counts = theirs == Owner::EL2 || device.is_some_and(|device| !device.disabled);
        if counts && theirs.0 != cell && (owner.0 == cell || theirs.rank() < owner.rank()) {
            (owner, path) = (theirs, device.map_or("the GIC", |device| proof.board.path(device)));
        }
    }
    let code = match owner {
        Owner(same) if same == cell => return,
        Owner::EL2 => 0xE313,
        Owner::NOBODY => 0xC307,
        Owner(_) => 0xE308,
    };
    // Once a page, whatever of it the cell owns.
    if !proof.out.iter().any(|said| (said.number, said.cell, said.numbers[0]) == (code, Some(cell), pages.base)) {
        let finding = proof.say_device(code, cell, owner.0, number);
        finding.names[3] = path;
        finding.numbers = [pages.base, pages.end, 0, 0];
    }
}

/// Judges whether EL2 or a cell before this one has an interrupt too.
fn share(proof: &mut Proof<'_, '_>, devices: &Devices, (cell, number): (usize, usize), intid: u32) {
    let board = proof.board;
    let theirs = board.devices.iter().enumerate().find(|(other, device)| {
        devices.owner(*other).rank() < Owner(cell).rank() && device.interrupts.iter().any(|line| line.intid == intid)
    });
    if let Some((other, device)) = theirs {
        let owner = devices.owner(other);
        let finding = proof.say_device(if owner == Owner::EL2 { 0xE402 } else { 0xE401 }, cell, owner.0, number);
        finding.numbers[0] = intid.into();
        finding.names[3] = board.path(device);
    }
}
