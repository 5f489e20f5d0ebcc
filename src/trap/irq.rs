//! Physical interrupts: EL2's own are served to the end, a cell's line is handed to its virtual GIC.

use crate::cell::{self, Seat, State};
use crate::console;
use crate::gic::{self, KICK, SERVICE, SPECIAL};
use crate::smp;

/// Interrupts served in one go at most; what is left comes back as the next exit.
const BATCH: usize = 32;

/// Serves what is pending on this CPU.
pub fn service() {
    for _ in 0..BATCH {
        let intid = gic::acknowledge();
        if intid >= SPECIAL {
            return;
        }
        gic::drop_priority(intid);
        let this = smp::this();
        if intid == KICK {
            gic::deactivate(intid);
            if let Some(Seat { cell, vcpu }) = this.seat() {
                cell.attend(vcpu);
            }
        } else if intid == SERVICE || intid == this.alarm || Some(intid) == console::interrupt() {
            console::serve(intid == this.alarm);
            gic::deactivate(intid);
        } else if intid == this.maintenance {
            if let Some(Seat { cell, vcpu }) = this.seat() {
                cell.attend(vcpu);
            }
            gic::deactivate(intid);
        } else {
            hand_over(intid);
        }
    }
}

/// Hands a line of a cell to its virtual GIC; it stays active until the guest ends it.
fn hand_over(intid: u32) {
    let Some(Seat { cell, vcpu }) = smp::this().seat() else { return gic::deactivate(intid) };
    if let Some(mut lines) = cell.lines() {
        let kicks = cell.vgic.lock().physical(vcpu.index, intid, &mut lines);
        cell.kick(kicks);
    }
}

/// Leaves the guest where its cell no longer runs.
#[inline]
pub fn check(seat: Seat) {
    if seat.cell.state() != State::Running {
        cell::leave(seat);
    }
}
