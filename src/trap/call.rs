//! HVC and SMC: PSCI and SMCCC, answered by `vpsci`; of a guest's calls firmware sees those about its CPU's predictors.

use super::{Frame, skip};
use crate::cell::{self, Seat};
use crate::el2::{barrier, smc};
use lifecycle::Cause;
use vpsci::Action;

/// Answers the call in x0 to x3, an SMC has yet to be stepped over.
pub fn answer(seat: Seat, frame: &mut Frame, smc: bool) {
    let Seat { cell, vcpu } = seat;
    let result = match cell.power.call(vcpu.index, frame.arguments(), |entry| cell.ram(entry).is_some()) {
        Action::Return(value) => value,
        Action::Start(started) => {
            if let Some(started) = cell.vcpus.get(started) {
                started.kick(cell);
            }
            0
        }
        Action::Off => cell::leave(seat),
        Action::SystemOff => cell::stop(seat, Cause::Off, format_args!("off")),
        Action::SystemReset => cell::stop(seat, Cause::Reset, format_args!("reset")),
        Action::Firmware(function, argument) => smc::architecture(function, argument).cast_unsigned(),
        Action::Suspend => {
            stand_by(seat);
            0
        }
        Action::SuspendPowerDown(entry) => {
            stand_by(seat);
            cell::resume_at(entry)
        }
    };
    frame.set(0, result);
    if smc {
        skip();
    }
}

/// Waits for an interrupt, unless a virtual one waits already: that one would not wake EL2.
pub fn stand_by(seat: Seat) {
    let gic = seat.cell.gic;
    if seat.cell.sealed.passthrough {
        gic.doze(seat.vcpu.cpu);
    } else if gic.all_lrs_empty() {
        barrier::wait_for_interrupt();
    }
}
