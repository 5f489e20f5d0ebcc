//! What a CPU does for its cell between guests: vCPU 0's finishes what has ended, loads what is to start, and every CPU
//! runs its vCPU once that is on.

use super::load::load;
use super::vcpu::Seat;
use super::{Cell, retire, run_vcpu};
use crate::console;
use crate::el2::barrier::hold;
use crate::el2::{fp, timer};
use crate::smp;
use address::{Dec, Text};
use core::sync::atomic::Ordering;
use lifecycle::State;
use vuart::Uart;

/// Room that a start and an end need in `Cell::news`.
pub const NEWS_BYTES: usize = 512;

/// Runs this CPU's vCPU if it is to run; comes back where it is not.
pub fn work(seat: Seat) {
    let Seat { cell, vcpu } = seat;
    if vcpu.index == 0 {
        finish(cell);
        begin(seat);
    }
    if cell.life.gate.enter() {
        if cell.life.is_running()
            && let Some(entry) = cell.power.take(vcpu.index)
        {
            run_vcpu(seat, entry);
        }
        retire(cell);
    }
}

/// Silences a cell that all have left.
fn finish(cell: &'static Cell) {
    let Some(next) = cell.life.close() else { return };
    cell.watchdog.set(false, 0);
    hold(&cell.vgic).reset(&mut cell.lines());
    cell.quiet();
    cell.life.settle(next);
    if next != State::RESTARTING {
        smp::note_end(cell);
    }
}

/// Loads a cell that is to start, and runs its first vCPU.
fn begin(seat: Seat) {
    let cell = seat.cell;
    let again = match cell.life.state() {
        State::STARTING => cell.life.starts() > 0,
        State::RESTARTING => true,
        _ => return,
    };
    if !smp::released() {
        return;
    }
    // However fast a cell restarts, each start and end is told: the service CPU comes back when it has told some.
    let full = || cell.news.room() < NEWS_BYTES;
    cell.wants_room.store(full(), Ordering::Release);
    if full() && console::is_heard() {
        return;
    }
    match load(cell) {
        Ok(entry) => {
            fp::clear(); // used to fill the memory
            reset(seat);
            let (name, vcpus) = (Text(cell.name), Dec(cell.vcpus.len() as u64));
            console::say_of(cell, format_args!("event=cell-started cell={name} vcpus={vcpus}"));
            if cell.life.begin() {
                run_vcpu(seat, entry);
            }
        }
        Err([what, why]) if again => {
            let (name, what, why) = (Text(cell.name), Text(what), Text(why));
            console::say_of(cell, format_args!("event=cell-failed cell={name} reason=\"{what}{why}\""));
            cell.life.settle(State::FAILED);
            smp::note_end(cell);
        }
        Err([what, why]) => refuse(cell, format_args!("{}{}", Text(what), Text(why))),
    }
}

/// Puts what the cell's CPUs share into the state of its first start; nobody is inside.
fn reset(seat: Seat) {
    let cell = seat.cell;
    for interrupt in &cell.sealed.interrupts {
        cell.gic.route(interrupt.intid, seat.vcpu.cpu);
    }
    cell.power.reset(0);
    cell.shown.clear();
    for vcpu in &cell.vcpus {
        vcpu.inbox.clear();
    }
    *hold(&cell.uart) = Uart::default();
    cell.input.clear();
    cell.attention.store(false, Ordering::Relaxed);
    cell.wants_room.store(false, Ordering::Relaxed);
    let now = timer::now();
    cell.counter_offset.store(now, Ordering::Relaxed);
    cell.watchdog.start(now);
}

/// Keeps a cell from ever starting.
pub fn refuse(cell: &'static Cell, why: core::fmt::Arguments<'_>) {
    let counted = cell.life.state() == State::STARTING;
    if cell.life.refuse() {
        console::say_of(cell, format_args!("event=cell-refused cell={} reason=\"{why}\"", Text(cell.name)));
        if counted {
            smp::note_end(cell);
        }
    }
}
