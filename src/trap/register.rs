//! Trapped system registers: SGIs are delivered within the cell, the rest reads as absent.

use super::{Frame, Outcome, apply};
use crate::cell::Seat;
use crate::gic;
use syndrome::{SystemRegister, inject, system};
use vgic::Sgi;

/// An MSR, MRS or SYS instruction that `controls` traps.
#[inline]
pub fn access(seat: Seat, frame: &mut Frame, access: SystemRegister) {
    let vcpus = seat.cell.vcpus.len();
    match (access.encoding, access.read) {
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

/// What guests write most: an SGI of group 1. False: nothing was done.
#[inline]
pub fn quick(seat: Seat, frame: &Frame, esr: u64) -> bool {
    // EC, register and direction.
    const WHICH: u64 = 0x3f << 26 | 0x3f_fc1f;
    if esr & WHICH != 0x18 << 26 | system::ICC_SGI1R_EL1 as u64 {
        return false;
    }
    let value = frame.get((esr >> 5 & 0x1f) as u8);
    send(seat, vgic::sgi1r(value, seat.vcpu.index, seat.cell.vcpus.len()));
    true
}

/// Sends an SGI to each of its targets: as a physical one of its own number, which EL2's vectors deliver; what EL2 needs
/// itself, or what is for group 0 only on `GICv3`, goes by inbox and kick.
pub(super) fn send(seat: Seat, sgi: Sgi) {
    let Seat { cell, vcpu } = seat;
    let Some(gic) = gic::get() else { return };
    let (direct, own, intid) = (cell.sealed.passthrough, vcpu.bit(), sgi.bit.trailing_zeros() & 0xf);
    let taken = if direct { gic::KICK } else { gic::SERVICE };
    let by_gic = intid < taken && (sgi.bit <= 0xffff || sgi.sender != 0);
    let mut rest = sgi.targets & if direct { u32::MAX } else { !own };
    while rest != 0 {
        if let Some(target) = cell.vcpus.get(rest.trailing_zeros() as usize) {
            if by_gic {
                gic.send(target.cpu, intid);
            } else if !direct && target.inbox.post(sgi) {
                target.kick(cell);
            }
        }
        rest &= rest.wrapping_sub(1);
    }
    let to_self = !direct && sgi.targets & own != 0 && !(by_gic && vcpu.again.send(gic, intid));
    if to_self && vcpu.inbox.post(sgi) {
        cell.attend(vcpu);
    }
}

/// A register that traps where interrupts are passed through.
fn common(seat: Seat, encoding: u32, write: Option<u64>) -> Option<u64> {
    let owned = |intid| seat.cell.vgic.lock().owns(seat.vcpu.index, intid);
    seat.cell.sealed.passthrough.then(|| gic::common_register(encoding, write, owned)).flatten()
}
