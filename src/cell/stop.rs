//! A cell comes to its end: one sentence says why, its vCPUs leave one by one, its lines fall silent.

use super::vcpu::Seat;
use super::{Cell, prepare};
use crate::console;
use crate::el2::barrier::Yield;
use crate::el2::{fp, timer};
use crate::smp;
use aarch64_cpu::registers as arch;
use address::{Dec, Hex, Text};
use core::fmt;
use core::sync::atomic::Ordering;
use lifecycle::{Cause, State};
use spin::RelaxStrategy;
use tock_registers::interfaces::Readable;
use vgic::Kicks;

/// Ends the cell this CPU runs a vCPU of, and leaves the guest for good.
pub fn stop(seat: Seat, cause: Cause, why: fmt::Arguments<'_>) -> ! {
    let Seat { cell, vcpu } = seat;
    end(cell, cause, format_args!("\"{why}\" vcpu={} pc={}", Dec(vcpu.index as u64), Hex(arch::ELR_EL2.get())));
    leave(seat)
}

/// Ends a cell; the caller is inside its gate. `why` is a quoted sentence, and what else there is to say.
pub fn end(cell: &'static Cell, cause: Cause, why: fmt::Arguments<'_>) {
    let now = timer::now();
    if let Some(next) = cell.life.end(cause, now) {
        cell.ended.store(now, Ordering::Relaxed);
        regain(cell);
        console::say_of(cell, format_args!("event=cell-{} cell={} reason={why}", Text(next.word()), Text(cell.name)));
    }
}

/// Brings every CPU of the cell to EL2.
fn regain(cell: &Cell) {
    cell.kick(Kicks(u32::MAX));
    cell.vcpus.iter().for_each(|vcpu| cell.zap(vcpu));
    Yield::relax();
}

/// Looks after a cell's watchdog; tells when to look again.
pub fn watch(cell: &'static Cell) -> u64 {
    let (before, next) = (cell.watchdog.signals(), cell.watchdog.look(timer::now()));
    if !before && cell.watchdog.signals() {
        cell.ask();
    }
    if next > 0 {
        return next;
    }
    if cell.life.gate.enter() {
        end(cell, Cause::Fault, format_args!("\"its watchdog was not refreshed\""));
        retire(cell);
    }
    u64::MAX
}

/// Ends a cell for good: one of its CPUs is lost in EL2, perhaps with the cell's locks.
pub fn lose(cell: &'static Cell) {
    let counted = cell.life.lose();
    cell.quiet();
    regain(cell);
    if counted {
        smp::note_end(cell);
    }
}

/// Takes this CPU out of the guest: list registers folded home, then idle.
pub fn leave(seat: Seat) -> ! {
    let Seat { cell, vcpu } = seat;
    vcpu.last.take(smp::frame());
    cell.power.off(vcpu.index);
    // Of a cell that lost a CPU in EL2, that CPU may hold the lock.
    if cell.life.state() != State::FAILED {
        cell.with_vgic(vcpu, |vgic, lines| {
            let kicks = vgic.fold(vcpu.index, lines);
            if cell.sealed.passthrough {
                cell.gic.take_interface(vcpu.cpu);
            } else {
                vgic.vcpu_reset(vcpu.index, lines);
                cell.gic.reset_virtual_interface();
            }
            kicks
        });
    }
    timer::stop_guest_timers();
    cell.left.store(timer::now(), Ordering::Relaxed);
    fp::leave_streaming_mode();
    prepare(seat);
    retire(cell);
    smp::idle_again()
}

/// Goes out by the cell's gate; of a cell that ends, the last one wakes vCPU 0's CPU, which will finish it.
pub fn retire(cell: &'static Cell) {
    let gate = &cell.life.gate;
    if !gate.leave() {
        return;
    }
    // With all off nobody can turn one on any more.
    if cell.life.is_running() && cell.power.all_off() && gate.enter() {
        end(cell, Cause::Off, format_args!("\"every vCPU is off\""));
        gate.leave();
    }
    if !cell.life.is_running()
        && let Some(first) = cell.vcpus.first()
    {
        first.kick(cell);
    }
}
