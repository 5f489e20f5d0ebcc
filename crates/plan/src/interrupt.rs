//! Which cell owns which shared peripheral interrupt.
//!
//! Promises that a line has one owner: devices of two cells, or of a cell and EL2, never share an INTID. PPIs (below
//! 32) belong to their CPU (IHI 0069 2.2.1).

use alloc::{format, vec::Vec};
use board::{Board, Interrupt};
use manifest::Manifest;

use crate::sort::sort;
use crate::{Finding, Key, Owner, device::Devices};

/// The first INTID that is no SGI and no PPI.
const FIRST_SPI: u32 = 32;

/// Checks every line with an owner.
pub(crate) fn check(board: &Board<'_>, manifest: &Manifest<'_>, devices: &Devices, out: &mut Vec<Finding>) {
    let mut lines = Vec::new();
    for (index, device) in board.devices.iter().enumerate() {
        let owner = devices.claim(index).0;
        if owner != Owner::Nobody {
            lines.extend(spis(&device.interrupts).map(|line| (line.intid, owner, index)));
        }
    }
    sort(&mut lines, |(intid, owner, _)| (u64::from(*intid), owner.rank()));
    let cell_name = |cell: usize| manifest.cells.get(cell).map_or("", |cell| cell.name);
    let path = |device: usize| board.devices.get(device).map_or("", |device| device.path.as_str());
    for pair in lines.windows(2) {
        let &[(intid, first, a), (next, second, b)] = pair else { continue };
        if intid != next || first == second {
            continue;
        }
        match (first, second) {
            (Owner::Cell(other), Owner::Cell(cell)) => {
                let (name, owner) = (cell_name(cell), cell_name(other));
                let message = format!(
                    "interrupt {intid} of cell {name}'s {} is also that of cell {owner}'s {}",
                    path(b),
                    path(a)
                );
                let key = Key::Devices(devices.claim(b).1);
                out.push(
                    Finding::new("E0401", Some(cell), key, message, "give both devices to one cell".into())
                        .against(other),
                );
            }
            (Owner::Cell(cell), _) => {
                let message = format!(
                    "interrupt {intid} of cell {}'s {} is also that of EL2's {}",
                    cell_name(cell),
                    path(a),
                    path(b)
                );
                let key = Key::Devices(devices.claim(a).1);
                out.push(Finding::new("E0402", Some(cell), key, message, "take the device away".into()));
            }
            _ => {}
        }
    }
}

/// Returns the SPIs among `interrupts`.
pub(crate) fn spis(interrupts: &[Interrupt]) -> impl Iterator<Item = Interrupt> {
    interrupts.iter().copied().filter(|line| line.intid >= FIRST_SPI)
}
