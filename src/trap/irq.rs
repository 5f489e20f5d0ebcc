//! Physical interrupts: EL2's own are served to the end, a cell's line is handed to its virtual GIC.

use crate::cell::{self, Seat};
use crate::console;
use crate::gic::{Acknowledged, Gic, KICK, SERVICE, SPECIAL};
use crate::smp;
use core::sync::atomic::Ordering;

/// Interrupts served in one go at most; what is left comes back as the next exit.
const BATCH: usize = 32;

/// Serves what is pending on this CPU.
pub fn service() {
    let gic = smp::this().gic;
    if let Some(Seat { cell, vcpu }) = smp::this().seat
        && cell.sealed.passthrough
    {
        gic.clear_kick(vcpu.cpu);
        return cell.attend(vcpu);
    }
    for _ in 0..BATCH {
        let interrupt = gic.acknowledge();
        if interrupt.intid() >= SPECIAL || !serve(gic, interrupt) {
            return;
        }
    }
}

/// Serves an interrupt; false where there was none.
#[inline(never)]
pub fn serve(gic: &'static Gic, interrupt: Acknowledged) -> bool {
    let (this, intid) = (smp::this(), interrupt.intid());
    if intid >= SPECIAL {
        return false;
    }
    gic.drop_priority(interrupt);
    match this.seat {
        _ if intid == SERVICE || intid == this.alarm || Some(intid) == console::interrupt() => {
            console::serve(intid == this.alarm);
        }
        // A guest's; of a cell that ends nobody wants it.
        Some(Seat { cell, vcpu }) if intid < SERVICE => {
            gic.deactivate(interrupt);
            if let Some(sgi) = gic.sgi(interrupt, cell).filter(|_| cell.life.is_running()) {
                let _ = vcpu.inbox.post(sgi);
                cell.attend(vcpu);
            }
            return true;
        }
        // The maintenance interrupt stays active until its cause is gone.
        Some(Seat { cell, vcpu }) if intid == KICK || intid == gic.maintenance => {
            // One that is off looks at its interrupts when it is switched on.
            let awake = cell.power.is_on(vcpu.index) || cell.attention.load(Ordering::Relaxed);
            if awake {
                cell.attend(vcpu);
            }
        }
        Some(Seat { cell, vcpu }) => {
            // A line of the cell: it stays active until the guest ends it.
            cell.with_vgic(vcpu, |vgic, lines| vgic.physical(vcpu.index, intid, lines));
            return true;
        }
        None => {}
    }
    gic.deactivate(interrupt);
    true
}

/// Leaves the guest where its cell no longer runs.
#[inline]
pub fn check(seat: Seat) {
    if !seat.cell.life.is_running() {
        cell::leave(seat);
    }
}
