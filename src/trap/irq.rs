//! Physical interrupts: EL2's own are served to the end, a cell's line is handed to its virtual GIC.

use crate::cell::{self, Seat};
use crate::console;
use crate::gic::lines::Lines;
use crate::gic::{self, KICK, SERVICE, SPECIAL};
use crate::smp;

/// Interrupts served in one go at most; what is left comes back as the next exit.
const BATCH: usize = 32;

/// Serves what is pending on this CPU.
pub fn service() {
    let Some(gic) = gic::get() else { return };
    if let Some(Seat { cell, vcpu }) = smp::this().seat()
        && cell.sealed.passthrough
    {
        gic.clear_kick(vcpu.cpu);
        return cell.attend(vcpu);
    }
    for _ in 0..BATCH {
        let interrupt = gic.acknowledge();
        let intid = interrupt.intid();
        if intid >= SPECIAL {
            return;
        }
        gic.drop_priority(interrupt);
        let this = smp::this();
        if intid == KICK || intid == gic.maintenance {
            if intid == KICK {
                gic.deactivate(interrupt);
            }
            if let Some(Seat { cell, vcpu }) = this.seat() {
                cell.attend(vcpu);
            }
            if intid != KICK {
                gic.deactivate(interrupt);
            }
        } else if intid == SERVICE || intid == this.alarm || Some(intid) == console::interrupt() {
            console::serve(intid == this.alarm);
            gic.deactivate(interrupt);
        } else if let Some(Seat { cell, vcpu }) = this.seat() {
            // A line of the cell: it stays active until the guest ends it.
            let kicks = cell.vgic.lock().physical(vcpu.index, intid, &mut Lines { cell, gic });
            cell.kick(kicks);
        } else {
            gic.deactivate(interrupt);
        }
    }
}

/// Leaves the guest where its cell no longer runs.
#[inline]
pub fn check(seat: Seat) {
    if !seat.cell.life.is_running() {
        cell::leave(seat);
    }
}
