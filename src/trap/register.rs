//! Trapped system registers: SGIs are delivered within the cell, the rest reads as absent.

use super::{Frame, Outcome, apply};
use crate::cell::Seat;
use crate::gic;
use syndrome::{SystemRegister, inject, system};
use vgic::{Kicks, Sgi};

/// An MSR, MRS or SYS instruction that `controls` traps.
#[inline]
pub fn access(seat: Seat, frame: &mut Frame, access: SystemRegister) {
    let vcpus = seat.cell.vcpus.len();
    match (access.encoding, access.read) {
        (system::ICC_SGI1R_EL1, false) => send(seat, vgic::sgi1r(frame.get(access.rt), seat.vcpu.index, vcpus)),
        (system::ICC_SGI0R_EL1 | system::ICC_ASGI1R_EL1, false) => {
            send(seat, vgic::sgi0r(frame.get(access.rt), seat.vcpu.index, vcpus));
        }
        (encoding, read) if let Some(value) = common(seat, encoding, (!read).then(|| frame.get(access.rt))) => {
            if read {
                frame.set(access.rt, value);
            }
        }
        // Implementation-defined, or power and lock controls that are nobody's: no effect, and zero.
        (system::ACTLR_EL1 | system::OSLAR_EL1 | system::OSDLR_EL1 | system::DBGPRCR_EL1, false) => {}
        (
            system::ACTLR_EL1
            | system::OSLSR_EL1
            | system::OSDLR_EL1
            | system::DBGPRCR_EL1
            | system::MDRAR_EL1
            | system::ERRIDR_EL1,
            true,
        ) => frame.set(access.rt, 0),
        _ => return apply(Outcome::Inject { esr: inject::undefined(), far: None }),
    }
    apply(Outcome::Skip);
}

/// Posts an SGI to each of its targets; who had nothing waiting is kicked.
#[inline]
pub(super) fn send(seat: Seat, sgi: Sgi) {
    if seat.cell.sealed.passthrough {
        let intid = sgi.bit.trailing_zeros() & 0xf;
        let targets = seat.cell.vcpus.iter().filter(|vcpu| sgi.targets & vcpu.bit() != 0);
        // SGIs of group 0 reach nobody, and one is EL2's.
        if let Some(gic) = gic::get()
            && intid != gic::KICK
            && (sgi.bit <= 0xffff || sgi.sender != 0)
        {
            targets.for_each(|vcpu| gic.send(vcpu.cpu, intid));
        }
        return;
    }
    let mut kicks = 0;
    for vcpu in &seat.cell.vcpus {
        let bit = vcpu.bit();
        if sgi.targets & bit != 0 && vcpu.inbox.post(sgi) {
            kicks |= bit;
        }
    }
    let own = seat.vcpu.bit();
    seat.cell.kick(Kicks(kicks & !own));
    if kicks & own != 0 {
        seat.cell.attend(seat.vcpu);
    }
}

/// A register that traps where interrupts are passed through.
fn common(seat: Seat, encoding: u32, write: Option<u64>) -> Option<u64> {
    let owned = |intid| seat.cell.vgic.lock().owns(seat.vcpu.index, intid);
    seat.cell.sealed.passthrough.then(|| gic::common_register(encoding, write, owned)).flatten()
}
