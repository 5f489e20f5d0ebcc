//! What a cell gets with the devices it owns: pages, lines, DMA.
//!
//! Promises that no page with device registers reaches two cells, or a cell and EL2 (stage 2 maps whole pages: devices
//! that share one go together, disabled ones do not count); that registers lie inside the IPA space and are no RAM; that
//! a shared peripheral interrupt has one owner; and that a device masters no DMA (it is in the reviewed list, or the plan
//! vouches for it), or the plan trusts its cell and the numbers it uses mean the cell's own RAM. An IOMMU helps nobody
//! yet: EL2 programs none.

use address::{Address, PAGE_BYTES, PhysAddr, Region};
use alloc::vec::Vec;
use board::Interrupt;
use manifest::{Cell, Dma};

use crate::device::{self, Devices};
use crate::interrupt::{self, FIRST_SPI};
use crate::line::{self, ends};
use crate::{IPA_END, NONE, Owner, Proof};

/// What a cell gets with its devices, all ascending: which they are, their SPIs, their pages, adjacent ones joined.
#[derive(Default)]
pub(crate) struct Owned {
    pub(crate) devices: Vec<usize>,
    pub(crate) interrupts: Vec<Interrupt>,
    pub(crate) pages: Vec<Region<PhysAddr>>,
}

/// Judges the devices of a cell.
pub(crate) fn judge<'a>(proof: &mut Proof<'a, '_>, devices: &Devices<'a>, index: usize, cell: &Cell<'_>) -> Owned {
    let (board, mine) = (proof.board, Owner(index));
    let mut owned = Owned::default();
    let (mut master, mut more) = (NONE, 0_u64);
    for (number, device) in board.devices.iter().enumerate().filter(|(number, _)| devices.owner(*number) == mine) {
        owned.devices.push(number);
        for (place, region) in device.pages().enumerate() {
            let too_far = if place < device.regions.len() { 0xC311 } else { 0xA316 };
            pages(proof, devices, (index, number), *region, too_far);
            if let Some(space) = device::space(*region, IPA_END) {
                line::cover(&mut owned.pages, space);
            }
        }
        for line in device.interrupts.iter().filter(|line| line.intid >= FIRST_SPI) {
            share(proof, devices, (index, number), line.intid);
            interrupt::add(&mut owned.interrupts, *line);
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
    owned
}

/// Judges where registers or a window of a device lie, and what else lies on their pages.
fn pages<'a>(
    proof: &mut Proof<'a, '_>,
    devices: &Devices<'a>,
    (cell, number): (usize, usize),
    region: Region<PhysAddr>,
    too_far: u16,
) {
    let [base, end] = [region.base(), region.end()].map(Address::get);
    if end > IPA_END {
        proof.say_device(too_far, cell, NONE, number).numbers = [base, end, 0, 0];
    }
    let pages = region.widen(PAGE_BYTES).unwrap_or(region);
    if let Some(bank) = line::meets(&proof.banks, pages) {
        proof.say_device(0xE312, cell, NONE, number).numbers = ends(pages, bank);
    }
    // What is said tells what to do.
    let Some((owner, path)) = devices.on(pages, Some(Owner(cell))) else { return };
    let code = match owner {
        Owner::EL2 => 0xE313,
        Owner::NOBODY => 0xC307,
        Owner(_) => 0xE308,
    };
    // Once a page, whatever of it the cell owns.
    let [base, end] = [pages.base(), pages.end()].map(Address::get);
    if !proof.said(cell, &|said| (said.number, said.numbers[0]) == (code, base)) {
        let finding = proof.say_device(code, cell, owner.0, number);
        finding.names[3] = path;
        finding.numbers = [base, end, 0, 0];
    }
}

/// Judges whether EL2 or a cell before this one has an interrupt too.
fn share(proof: &mut Proof<'_, '_>, devices: &Devices<'_>, (cell, number): (usize, usize), intid: u32) {
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
