//! Stage-2 aborts: an emulated device, a wall, or a hole (design.md §3, "a hole is a hole, a wall is a wall").

use super::{Frame, Outcome, apply, device, irq, stop};
use crate::cell::Seat;
use crate::console::event;
use crate::el2;
use aarch64_cpu::registers as arch;
use address::Ipa;
use core::fmt;
use plan::{Outside, Owner};
use syndrome::{DataAbort, FaultKind, InstructionAbort, inject};
use tock_registers::interfaces::Readable;

/// A load or store that stage 2 refused.
pub fn data(seat: Seat, frame: &mut Frame, abort: &DataAbort, esr: u64) {
    let Some(ipa) = abort.ipa else {
        // The bus refused it: hardware's own external abort, which is the guest's to handle.
        let far = abort.far.unwrap_or(0);
        return external(inject::external_data_abort(esr, arch::SPSR_EL2.get()), far);
    };
    if let (Some(access), false, FaultKind::Translation(_)) = (abort.access, abort.stage1_walk, abort.fault) {
        if device::access(seat, frame, ipa, access, abort.write) {
            return apply(Outcome::Skip);
        }
    } else if device::is_emulated(seat, ipa) {
        hint(seat, ipa);
        return external(inject::external_data_abort(esr, arch::SPSR_EL2.get()), abort.far.unwrap_or(0));
    }
    let verb = if abort.write { "write to" } else { "read of" };
    // Where stage 1 refuses too, the guest tries again and meets that.
    let own = controls::STAGE1_HIDDEN.concerns(arch::MIDR_EL1.get()) && !abort.stage1_walk;
    if !(own && abort.far.is_some_and(el2::stage1_refuses)) && judge(seat, ipa, verb) {
        external(inject::external_data_abort(esr, arch::SPSR_EL2.get()), abort.far.unwrap_or(0));
    }
}

/// A fetch that stage 2 refused.
pub fn instruction(seat: Seat, abort: &InstructionAbort) {
    if abort.ipa.is_none_or(|ipa| device::is_emulated(seat, ipa) || judge(seat, ipa, "fetch from")) {
        let esr = inject::external_instruction_abort(arch::SPSR_EL2.get());
        external(esr, abort.far.unwrap_or(0));
    }
}

fn external(esr: u64, far: u64) {
    apply(Outcome::Inject { esr, far: Some(far) });
}

/// Tells whether `ipa` is a hole; touching a wall stops the cell. To a vCPU that was zapped all of its memory looks like
/// one: it serves the kick and goes on where it was.
#[cold]
fn judge(seat: Seat, ipa: Ipa, verb: &str) -> bool {
    if seat.vcpu.zapped() {
        irq::service();
        irq::check(seat);
        return false;
    }
    match seat.cell.plan.outside(seat.cell.index, ipa) {
        Outside::Hole => {
            if seat.cell.may_log() {
                event!("event=hole cell={} access=\"{verb} {ipa}\" pc={:#x}", seat.cell.name, arch::ELR_EL2.get());
            }
            true
        }
        Outside::Wall { owner, what } if seat.cell.forgiving => {
            if seat.cell.may_log() {
                let (name, pc) = (seat.cell.name, arch::ELR_EL2.get());
                let owner = Named(owner, seat);
                event!("event=wall cell={name} access=\"{verb} {ipa}\" owner=\"{owner} ({what})\" pc={pc:#x}");
            }
            true
        }
        Outside::Wall { owner, what } => {
            stop(seat, format_args!("{verb} {ipa}, owned by {} ({what})", Named(owner, seat)));
            false
        }
    }
}

/// Says why an emulated device did not answer: the syndrome does not tell what was to be done.
#[cold]
fn hint(seat: Seat, ipa: Ipa) {
    if seat.cell.may_log() {
        let pc = arch::ELR_EL2.get();
        event!(
            "event=no-syndrome cell={} ipa={ipa} pc={pc:#x} help=\"use plain ldr/str on device registers\"",
            seat.cell.name
        );
    }
}

/// An owner by name.
struct Named(Owner, Seat);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Owner::EL2 => f.write_str("the hypervisor"),
            Owner::NOBODY => f.write_str("nobody"),
            Owner(index) => match self.1.cell.plan.cell(index) {
                Some(cell) => write!(f, "cell {}", cell.name),
                None => write!(f, "cell number {index}, which was refused"),
            },
        }
    }
}
