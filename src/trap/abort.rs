//! Stage-2 aborts: an emulated device, a wall, or a hole (design.md §3, "a hole is a hole, a wall is a wall").

use super::{Frame, deliver, device, irq, skip, stop};
use crate::cell::Seat;
use crate::console::say;
use crate::el2;
use aarch64_cpu::registers as arch;
use address::{Address, Dec, Hex, Ipa, Text};
use core::fmt;
use core::sync::atomic::Ordering;
use plan::{Outside, Owner};
use syndrome::{Abort, inject};
use tock_registers::interfaces::Readable;

/// What stage 2, or the bus, refused: an emulated device answers, a wall stops the cell, a hole gets an external abort.
pub fn judge(seat: Seat, frame: &mut Frame, abort: Abort, esr: u64) {
    // Where `HPFAR_EL2` has nothing the bus refused: hardware's own external abort, which is the guest's to handle.
    if abort.ipa().is_none_or(|ipa| is_hole(seat, frame, abort, ipa)) {
        let far = abort.far().unwrap_or(0);
        let level = if abort.is_stage1_walk() { walk_level(abort, far) } else { 0 };
        let esr = inject::external_abort(esr, arch::SPSR_EL2.get(), level);
        deliver(esr, Some(far));
    }
}

#[cold]
fn walk_level(abort: Abort, far: u64) -> u64 {
    let table = abort.ipa().map_or(0, Ipa::get);
    inject::walk_level(table, far, arch::TCR_EL1.get(), [arch::TTBR0_EL1.get(), arch::TTBR1_EL1.get()])
}

/// Tells whether the guest gets an external abort for what it did at `ipa`.
fn is_hole(seat: Seat, frame: &mut Frame, abort: Abort, ipa: Ipa) -> bool {
    if let Some(access) = abort.access()
        && abort.is_translation()
        && !abort.is_stage1_walk()
    {
        if device::access(seat, frame, ipa, access, abort.is_write()) {
            skip();
            return false;
        }
    } else if device::is_emulated(seat, ipa) {
        if !abort.is_fetch() {
            // The syndrome does not tell what was to be done.
            note(seat, "no-syndrome", format_args!("ipa={ipa} help=\"use plain ldr/str on device registers\""));
        }
        return true;
    }
    // Where stage 1 refuses too, the guest tries again and meets that.
    let data = !abort.is_fetch() && !abort.is_stage1_walk();
    let retried = data && controls::stage1_hidden(arch::MIDR_EL1.get());
    if retried && abort.far().is_some_and(el2::stage1_refuses) {
        return false;
    }
    is_free(seat, ipa, abort.verb())
}

/// Tells whether `ipa` is a hole; touching a wall stops the cell. To a vCPU that was zapped all of its memory looks like
/// one: it serves the kick and goes on where it was.
#[cold]
fn is_free(seat: Seat, ipa: Ipa, verb: &str) -> bool {
    if seat.vcpu.zapped() {
        irq::service();
        irq::check(seat);
        return false;
    }
    match seat.cell.plan.outside(seat.cell.index, ipa) {
        Outside::Hole => {
            note(seat, "hole", format_args!("access=\"{} {ipa}\"", Text(verb)));
            true
        }
        Outside::Wall { owner, what } if seat.cell.forgiving => {
            let owner = Named(owner, seat);
            let (verb, what) = (Text(verb), Text(what));
            note(seat, "wall", format_args!("access=\"{verb} {ipa}\" owner=\"{owner} ({what})\""));
            true
        }
        Outside::Wall { owner, what } => {
            stop(seat, format_args!("{} {ipa}, owned by {} ({})", Text(verb), Named(owner, seat), Text(what)));
            false
        }
    }
}

/// Leaves a line about what the guest just did: the first few, then ever fewer.
#[cold]
fn note(seat: Seat, event: &str, what: fmt::Arguments<'_>) {
    let (cell, pc) = (seat.cell, arch::ELR_EL2.get());
    let seen = cell.noise.fetch_add(1, Ordering::Relaxed);
    if seen < 8 || seen.is_power_of_two() {
        let (event, name, pc) = (Text(event), Text(cell.name), Hex(pc));
        say(format_args!("event={event} cell={name} {what} pc={pc}"));
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
                Some(cell) => write!(f, "cell {}", Text(cell.name)),
                None => write!(f, "cell number {}, which was refused", Dec(index as u64)),
            },
        }
    }
}
