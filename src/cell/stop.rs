//! A cell comes to its end: one sentence says why, its vCPUs leave one by one, its lines fall silent.

use super::vcpu::Seat;
use super::{Cell, State};
use crate::console::farewell;
use crate::el2::timer;
use crate::smp;
use core::fmt;
use core::sync::atomic::Ordering;

/// Why a cell stops, as a sentence.
pub enum Reason<'a> {
    /// The guest asked: PSCI `SYSTEM_OFF`.
    Off,
    /// PSCI `SYSTEM_RESET`, which stops a cell in this version.
    Reset,
    /// Every vCPU turned itself off.
    AllOff,
    /// The guest did what it may not.
    Violation(fmt::Arguments<'a>),
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Reset => f.write_str("reset"),
            Self::AllOff => f.write_str("every vCPU is off"),
            Self::Violation(what) => f.write_fmt(*what),
        }
    }
}

/// Stops the cell this CPU runs a vCPU of, and leaves the guest for good.
pub fn stop(seat: Seat, reason: &Reason) -> ! {
    let Seat { cell, vcpu } = seat;
    if cell.change(State::Running, State::Stopping) {
        farewell!(
            cell,
            "event=cell-stopped cell={} reason=\"{reason}\" vcpu={} pc={:#x}",
            cell.name,
            vcpu.index,
            smp::guest_pc()
        );
        cell.kick(cell.everyone());
    }
    leave(seat)
}

/// Takes this CPU out of the guest: list registers folded home, then idle.
pub fn leave(seat: Seat) -> ! {
    let Seat { cell, vcpu } = seat;
    cell.power.off(vcpu.index);
    if let Some(mut lines) = cell.lines() {
        let kicks = cell.vgic.lock().fold(vcpu.index, &mut lines);
        cell.kick(kicks);
    }
    timer::stop_guest_timers();
    retire(cell);
    smp::idle_again()
}

/// Counts this CPU out of `Cell::active`; the last one of a cell that ends ends it.
pub fn retire(cell: &'static Cell) {
    if cell.active.fetch_sub(1, Ordering::AcqRel) != 1 {
        return;
    }
    if cell.state() == State::Running && cell.power.all_off() && cell.change(State::Running, State::Stopping) {
        farewell!(cell, "event=cell-stopped cell={} reason=\"{}\"", cell.name, Reason::AllOff);
    }
    if !cell.change(State::Stopping, State::Stopped) {
        return;
    }
    if let Some(mut lines) = cell.lines() {
        cell.vgic.lock().reset(&mut lines);
        for interrupt in &cell.sealed.interrupts {
            lines.gic.quiet(interrupt.intid);
        }
    }
    smp::note_end(cell);
}
