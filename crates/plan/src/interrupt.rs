//! Shared peripheral interrupts: those a device has, those none has.
//!
//! PPIs (below 32) belong to their CPU (IHI 0069 2.2.1).

use alloc::vec::Vec;
use board::{Board, Interrupt};

/// The first INTID that is no SGI and no PPI.
pub(crate) const FIRST_SPI: u32 = 32;
/// Past the last one.
const LAST_SPI: u32 = 1020;

/// Returns an SPI that no device of the board has, another for each cell.
pub(crate) fn unused(board: &Board<'_>, cell: usize) -> Option<u32> {
    let wired =
        |intid: &u32| board.devices.iter().any(|device| device.interrupts.iter().any(|line| line.intid == *intid));
    let mut left = cell;
    for intid in (FIRST_SPI..LAST_SPI).filter(|intid| !wired(intid)) {
        match left.checked_sub(1) {
            Some(less) => left = less,
            None => return Some(intid),
        }
    }
    None
}

/// Adds an SPI to a cell's, which are ascending, each once.
pub(crate) fn add(lines: &mut Vec<Interrupt>, line: Interrupt) {
    let place = lines.iter().take_while(|earlier| earlier.intid < line.intid).count();
    if lines.get(place).is_none_or(|earlier| earlier.intid != line.intid) {
        lines.insert(place, line);
    }
}
