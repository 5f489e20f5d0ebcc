//! Which cell owns which device.
//!
//! Promises that each device has one owner; EL2 keeps the GIC, every IOMMU and the console UART. Data comes from
//! `Board::devices` and the plan's `devices`; it goes to the cells' maps and to the walls.

use address::{PAGE_BYTES, PhysAddr, Region};
use alloc::vec;
use alloc::vec::Vec;
use board::{Board, Gic};
use manifest::Console;

use crate::line::{self, Piece};
use crate::{IPA_END, NONE, Owner, Proof, wall};

/// Who owns which device.
pub(crate) struct Devices {
    /// Of each device of the board.
    owners: Vec<Owner>,
    /// The UART that EL2 keeps, and the cell that has the board's console UART instead.
    pub(crate) uart: Option<usize>,
    pub(crate) console: Option<usize>,
    /// Device space inside the IPA space in whole pages, ascending, tagged with the device; the GIC's frames: [`NONE`].
    pub(crate) spans: Vec<Piece>,
}

impl Devices {
    /// Returns who owns `device`; the GIC is EL2's.
    pub(crate) fn owner(&self, device: usize) -> Owner {
        self.owners.get(device).copied().unwrap_or(Owner::EL2)
    }
}

/// Hands out the devices the plan names.
pub(crate) fn assign(proof: &mut Proof<'_, '_>) -> Devices {
    let (board, cells) = (proof.board, proof.cells);
    let console = passed_console(proof);
    let uart = own_uart(proof, console);
    let mut owners = vec![Owner::NOBODY; board.devices.len()];
    for (index, (owner, device)) in owners.iter_mut().zip(board.devices.iter()).enumerate() {
        if uart == Some(index) || device.is_iommu {
            *owner = Owner::EL2;
        } else if board.stdout == Some(index) {
            *owner = console.map_or(Owner::NOBODY, Owner);
        }
    }
    for (index, cell) in cells.iter().enumerate() {
        for (entry, &wanted) in cell.devices.iter().enumerate() {
            let found = resolve(board, wanted).map(|found| (board.devices.get(found), owners.get_mut(found)));
            let (code, other) = match found {
                Err(code) => (code, NONE),
                Ok((Some(device), _)) if device.disabled => (0xC303, NONE),
                Ok((_, Some(owner))) => match *owner {
                    Owner::NOBODY => {
                        *owner = Owner(index);
                        continue;
                    }
                    Owner::EL2 => (0xE304, NONE),
                    Owner(other) if other == index => (0xC306, NONE),
                    Owner(other) => (0xE305, other),
                },
                Ok(_) => continue,
            };
            proof.say(code, index, other, entry).names[2] = wanted;
        }
    }
    Devices { owners, uart, console, spans: spans(board) }
}

/// Finds the cell that has the board's console UART.
fn passed_console(proof: &mut Proof<'_, '_>) -> Option<usize> {
    let mut first = None;
    for (index, _) in proof.cells.iter().enumerate().filter(|(_, cell)| cell.console == Console::Passthrough) {
        match first {
            None => first = Some(index),
            Some(first) => _ = proof.say(0xE506, index, first, 0),
        }
    }
    first.filter(|_| proof.board.stdout.is_some())
}

/// Chooses EL2's UART: the board's console, or where that is a cell's the next that no cell names.
fn own_uart(proof: &mut Proof<'_, '_>, console: Option<usize>) -> Option<usize> {
    let (board, cells) = (proof.board, proof.cells);
    let Some(cell) = console else { return board.stdout };
    let names = |index| move |wanted: &&str| resolve(board, wanted) == Ok(index);
    let next = board.devices.iter().enumerate().position(|(index, device)| {
        board.stdout != Some(index)
            && !device.disabled
            && board.uart(Some(index)).is_some()
            && !cells.iter().any(|cell| cell.devices.iter().any(names(index)))
    });
    if next.is_none() {
        proof.say(0xA508, cell, NONE, 0);
    }
    next
}

/// Finds the device that a path, alias or label means.
pub(crate) fn resolve(board: &Board<'_>, wanted: &str) -> Result<usize, u16> {
    let node = board.tree.find(wanted).ok_or(0xC301_u16)?;
    let (Gic::V2 { node: gic, .. } | Gic::V3 { node: gic, .. }) = board.gic;
    if [gic, board.timers.node].contains(&node) {
        return Err(0xE304);
    }
    board.devices.iter().position(|device| device.node == node && !device.regions.is_empty()).ok_or(0xC302)
}

/// Returns all device space inside the IPA space in whole pages, ascending.
fn spans(board: &Board<'_>) -> Vec<Piece> {
    let mut spans = Vec::with_capacity(board.devices.len().saturating_add(8));
    let mut add = |region: &Region<PhysAddr>, device| {
        let pages = Region::from_ends(region.base(), region.end().min(PhysAddr::at(IPA_END)));
        if let Some(pages) = pages.and_then(|pages| pages.widen(PAGE_BYTES)) {
            line::add(&mut spans, Piece::of(pages, device));
        }
    };
    wall::frames(&board.gic, &mut |frame, _| add(frame, NONE));
    for (index, device) in board.devices.iter().enumerate() {
        device.pages().for_each(|region| add(region, index));
    }
    spans
}
