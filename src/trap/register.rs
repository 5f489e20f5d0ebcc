//! Trapped system registers: SGIs are delivered within the cell, the rest reads as absent.

use super::{Frame, NOT_DONE, deliver, skip};
use crate::cell::Seat;
use crate::el2::barrier::hold;
use crate::gic::{self, Gic};
use crate::smp;
use core::sync::atomic::Ordering;
use syndrome::{SystemRegister, inject, system};
use vgic::Sgi;

/// Implementation-defined, or power and lock controls that are nobody's: writes, and with bit 0 reads, without effect, and zero.
static NOTHING: [u32; 10] = [
    system::ACTLR_EL1,
    system::OSLAR_EL1,
    system::OSDLR_EL1,
    system::DBGPRCR_EL1,
    system::ACTLR_EL1 | 1,
    system::OSLSR_EL1 | 1,
    system::OSDLR_EL1 | 1,
    system::DBGPRCR_EL1 | 1,
    system::MDRAR_EL1 | 1,
    system::ERRIDR_EL1 | 1,
];

/// An MSR, MRS or SYS instruction that `controls` traps.
#[inline]
pub fn access(seat: Seat, frame: &mut Frame, access: SystemRegister) {
    let vcpus = seat.cell.vcpus.len();
    match (access.encoding, access.read) {
        (system::ICC_SGI1R_EL1 | system::ICC_SGI0R_EL1 | system::ICC_ASGI1R_EL1, false) => {
            let group0 = access.encoding != system::ICC_SGI1R_EL1;
            send(seat, vgic::sgi1r(frame.get(access.rt), seat.vcpu.index, vcpus, group0));
        }
        (encoding, read) if let Some(value) = common(seat, encoding, (!read).then(|| frame.get(access.rt))) => {
            if read {
                frame.set(access.rt, value);
            }
        }
        _ => return deliver(inject::undefined(), None),
    }
    skip();
}

/// What guests of a `GICv2` write most: `GICD_SGIR` with CPUs in a list. As `vectors.S` does it for `ICC_SGI1R_EL1`; to oneself
/// if it is the same as last time.
#[inline(always)]
pub fn quick_v2(seat: Seat, gic: &Gic, value: u32) -> u64 {
    let Seat { cell, vcpu } = seat;
    let (mut targets, mut all, intid) = (value >> 16, 0, value & 0xf);
    if targets & vcpu.excepted != 0 {
        return if vcpu.again.send_v2(gic, value) { 0 } else { NOT_DONE };
    }
    if value & !0x00ff_000f != 0 || intid >= vcpu.sgis {
        return NOT_DONE;
    }
    while targets != 0 {
        all |= cell.doorbells.of(targets.trailing_zeros() as usize).load(Ordering::Relaxed);
        targets &= targets.wrapping_sub(1);
    }
    gic.ring_v2(all, intid);
    0
}

/// Sends any SGI.
pub(super) fn send(seat: Seat, sgi: Sgi) {
    let Seat { cell, vcpu } = seat;
    let intid = sgi.bit.trailing_zeros() & 0xf;
    for target in cell.vcpus.iter().filter(|target| sgi.targets & target.bit() != 0) {
        if cell.sealed.passthrough {
            // SGIs of group 0 reach nobody, and one is EL2's.
            if intid < vcpu.sgis && (sgi.bit <= 0xffff || sgi.sender != 0) {
                smp::this().gic.send(target.cpu, intid);
            }
        } else if target.inbox.post(sgi) {
            if target.index == vcpu.index { cell.attend(vcpu) } else { target.kick(cell) }
        }
    }
}

/// A register that traps where interrupts are passed through, or of [`NOTHING`].
fn common(seat: Seat, encoding: u32, write: Option<u64>) -> Option<u64> {
    let owned = |intid| hold(&seat.cell.vgic).owns(seat.vcpu.index, intid);
    let direct = seat.cell.sealed.passthrough.then(|| gic::common_register(encoding, write, owned)).flatten();
    direct.or_else(|| NOTHING.contains(&(encoding | u32::from(write.is_none()))).then_some(0))
}
