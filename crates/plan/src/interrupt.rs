//! Which cell owns which shared peripheral interrupt.
//!
//! Promises that a line has one owner: devices of two cells, or of a cell and EL2, never share an INTID. PPIs (below
//! 32) belong to their CPU (IHI 0069 2.2.1).

use alloc::vec::Vec;
use board::{Board, Interrupt};

use crate::line::{self, Piece};
use crate::{NONE, Owner, Proof, device::Devices};

/// The first INTID that is no SGI and no PPI.
pub(crate) const FIRST_SPI: u32 = 32;
/// Past the last one.
const LAST_SPI: u32 = 1020;

/// Checks every line with an owner.
pub(crate) fn check(proof: &mut Proof<'_, '_>, devices: &Devices) {
    let board = proof.board;
    let mut lines = Vec::new();
    for (index, device) in board.devices.iter().enumerate() {
        if devices.owner(index) != Owner::Nobody {
            for line in device.interrupts.iter().filter(|line| line.intid >= FIRST_SPI) {
                line::add(&mut lines, Piece::at(line.intid.into(), 1, index));
            }
        }
    }
    line::sweep(&lines, &mut |first, second| {
        let (code, cell, other, mine, theirs) = match (devices.owner(first.tag), devices.owner(second.tag)) {
            (Owner::Cell(a), Owner::Cell(b)) if a < b => (0xE0401, b, a, second, first),
            (Owner::Cell(a), Owner::Cell(b)) if a > b => (0xE0401, a, b, first, second),
            (Owner::Cell(a), Owner::El2) => (0xE0402, a, NONE, first, second),
            (Owner::El2, Owner::Cell(b)) => (0xE0402, b, NONE, second, first),
            _ => return,
        };
        let finding = proof.say_device(code, cell, other, mine.tag);
        finding.numbers[0] = mine.base;
        finding.names[3] = board.devices.get(theirs.tag).map_or("", |device| &device.path);
    });
}

/// Returns an SPI that no device of the board has, another for each cell.
pub(crate) fn unused(board: &Board<'_>, cell: usize) -> Option<u32> {
    let wired =
        |intid: &u32| board.devices.iter().any(|device| device.interrupts.iter().any(|line| line.intid == *intid));
    (FIRST_SPI..LAST_SPI).filter(|intid| !wired(intid)).nth(cell)
}

/// Adds an SPI to a cell's, which are ascending, each once.
pub(crate) fn add(lines: &mut Vec<Interrupt>, line: Interrupt) {
    let place = lines.partition_point(|earlier| earlier.intid < line.intid);
    if line.intid >= FIRST_SPI && lines.get(place).is_none_or(|earlier| earlier.intid != line.intid) {
        lines.insert(place, line);
    }
}
