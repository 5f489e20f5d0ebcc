//! Which cell owns which device.
//!
//! Promises that each device has one owner; EL2 keeps the GIC, every IOMMU and the console UART. Data comes from
//! `Board::devices` and the plan's `devices`; it goes to the cells' maps and to the walls.

use address::{Address, PAGE_BYTES, PhysAddr, Region};
use alloc::vec::Vec;
use board::{Board, Device, Gic};
use manifest::Console;

use crate::{IPA_END, NONE, Owner, Proof, line};

/// Who owns which device.
#[derive(Clone, Debug)]
pub(crate) struct Devices<'a> {
    board: &'a Board<'a>,
    /// Of each device of the board.
    owners: Vec<Owner>,
    /// The UART that EL2 keeps, and the cell that has the board's console UART instead.
    pub(crate) uart: Option<usize>,
    pub(crate) console: Option<usize>,
    /// All device space in whole pages, ascending and apart.
    pub(crate) space: Vec<Region<PhysAddr>>,
}

impl<'a> Devices<'a> {
    /// Returns who owns `device`; the GIC is EL2's.
    pub(crate) fn owner(&self, device: usize) -> Owner {
        self.owners.get(device).copied().unwrap_or(Owner::EL2)
    }

    /// Finds who has device space on these pages and what it is called: EL2 before cells, cells before nobody, then as the
    /// tree has them; `but` for a cell not its own, nor that of disabled devices EL2 does not keep.
    pub(crate) fn on(&self, pages: Region<PhysAddr>, but: Option<Owner>) -> Option<(Owner, &'a str)> {
        let mut first: Option<(Owner, &str)> = None;
        walk(self.board, &mut |space, number, frame| {
            let (owner, device) = (self.owner(number), self.board.devices.get(number));
            let disabled = owner != Owner::EL2 && device.is_some_and(|device| device.disabled);
            if space.overlaps(pages)
                && but.is_none_or(|cell| owner != cell && !disabled)
                && first.is_none_or(|(earlier, _)| owner.rank() < earlier.rank())
            {
                first = Some((owner, device.map_or(frame, |device| self.board.path(device))));
            }
        });
        first
    }
}

/// Hands out the devices the plan names.
pub(crate) fn assign<'a>(proof: &mut Proof<'a, '_>) -> Devices<'a> {
    let (board, cells) = (proof.board, proof.cells);
    let console = passed_console(proof);
    let owner = |device: &Device<'_>| if device.is_iommu { Owner::EL2 } else { Owner::NOBODY };
    let mut owners: Vec<Owner> = board.devices.iter().map(owner).collect();
    if let Some(owner @ &mut Owner::NOBODY) = board.stdout.and_then(|uart| owners.get_mut(uart)) {
        *owner = console.map_or(Owner::EL2, Owner);
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
    let uart = console.map_or(board.stdout, |cell| other_uart(proof, cell, &mut owners));
    let mut space = Vec::with_capacity(board.devices.len());
    walk(board, &mut |pages, _, _| line::cover(&mut space, pages));
    Devices { board, owners, uart, console, space }
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

/// Chooses EL2's UART where the board's console is a cell's: the next that nobody has.
fn other_uart(proof: &mut Proof<'_, '_>, cell: usize, owners: &mut [Owner]) -> Option<usize> {
    let board = proof.board;
    let free = |(index, device): (usize, &Device<'_>)| !device.disabled && board.uart(Some(index)).is_some();
    let mut devices = board.devices.iter().enumerate().zip(owners);
    let next = devices.find(|(device, owner)| **owner == Owner::NOBODY && free(*device));
    let Some(((index, _), owner)) = next else {
        proof.say(0xA508, cell, NONE, 0);
        return None;
    };
    *owner = Owner::EL2;
    Some(index)
}

/// Finds the device that a path, alias or label means.
pub(crate) fn resolve(board: &Board<'_>, wanted: &str) -> Result<usize, u16> {
    let node = board.tree.find(wanted).ok_or(0xC301_u16)?;
    let (Gic::V2 { node: gic, .. } | Gic::V3 { node: gic, .. }) = board.gic;
    if node == gic || node == board.timers.node {
        return Err(0xE304);
    }
    board.devices.iter().position(|device| device.node == node && !device.regions.is_empty()).ok_or(0xC302)
}

/// Returns what of a region is below `limit`, in whole pages.
pub(crate) fn space(region: Region<PhysAddr>, limit: u64) -> Option<Region<PhysAddr>> {
    let end = line::round_up(region.end().get().min(limit), PAGE_BYTES);
    Region::from_ends(region.base().align_down(PAGE_BYTES), PhysAddr::at(end))
}

/// Calls `each` with all device space inside the IPA space and the GIC's frames, EL2's wherever they are: of which device it
/// is, or what the frame is called.
fn walk(board: &Board<'_>, each: &mut dyn FnMut(Region<PhysAddr>, usize, &'static str)) {
    let mut one = |region: &Region<PhysAddr>, limit, device, frame| {
        if let Some(space) = space(*region, limit) {
            each(space, device, frame);
        }
    };
    frames(&board.gic, &mut |frame, name| one(frame, u64::MAX, NONE, name));
    for (index, device) in board.devices.iter().enumerate() {
        device.pages().for_each(|region| one(region, IPA_END, index, ""));
    }
}

/// Calls `each` with the GIC's frames.
fn frames(gic: &Gic, each: &mut dyn FnMut(&Region<PhysAddr>, &'static str)) {
    match gic {
        Gic::V2 { distributor, cpu, hypervisor, virtual_cpu, msi, .. } => {
            each(distributor, "GICD");
            each(cpu, "GICC");
            each(hypervisor, "GICH");
            each(virtual_cpu, "GICV");
            for frame in msi {
                each(frame, "GICv2m");
            }
        }
        Gic::V3 { distributor, redistributors, its, .. } => {
            each(distributor, "GICD");
            for frame in redistributors {
                each(frame, "GICR");
            }
            for frame in its {
                each(frame, "ITS");
            }
        }
    }
}
