//! The monitor's commands.

use super::say_to;
use super::service::{MONITOR, history};
use crate::cell::{self, Cell, Seat};
use crate::el2::timer;
use crate::smp;
use console::{Command, Verb};
use core::ptr;
use core::sync::atomic::Ordering;
use lifecycle::Cause;
use syndrome::Syndrome;

macro_rules! answer {
    ($($argument:tt)+) => { say_to(&MONITOR, format_args!($($argument)+)) };
}

/// Carries out a command; a new focus closes the monitor.
pub fn execute(command: Command<'_>, focus: usize) -> Option<usize> {
    let all = cell::all();
    match command {
        Command::Do(Verb::Cells, _) => all.iter().enumerate().for_each(|(index, cell)| line(cell, index == focus)),
        Command::Do(Verb::Log, _) => history(),
        Command::Do(verb, name) if verb >= Verb::Focus => {
            let Some((index, cell)) = all.iter().enumerate().find(|(_, cell)| cell.name == name) else {
                answer!("no cell is named {name}; `cells` lists them\n");
                return None;
            };
            match verb {
                Verb::Focus => {
                    answer!("input goes to {name}; Ctrl-] comes back here\n");
                    return Some(index);
                }
                Verb::Stats => stats(cell),
                Verb::Regs => registers(cell),
                verb => change(cell, verb),
            }
        }
        _ => answer!("{command}"),
    }
    None
}

fn line(cell: &Cell, focus: bool) {
    let mark = if focus { "*" } else { " " };
    let on = cell.vcpus.iter().fold(0_usize, |on, vcpu| on.wrapping_add(cell.power.is_on(vcpu.index).into()));
    let (word, count) = (cell.life.state().word(), cell.vcpus.len());
    answer!("{mark} {:<16} {word:<9} {on}/{count} vCPUs on, CPU", cell.name);
    for vcpu in &cell.vcpus {
        answer!(" {}", vcpu.cpu);
    }
    answer!("\n");
}

/// Starts, stops or restarts a cell.
fn change(cell: &'static Cell, verb: Verb) {
    let (running, gate) = (cell.life.is_running(), &cell.life.gate);
    if verb != Verb::Start && running && gate.enter() {
        let cause = if verb == Verb::Stop { Cause::Off } else { Cause::Reset };
        cell::end(cell, cause, format_args!("\"by the monitor\""));
        cell::retire(cell);
    } else if verb != Verb::Stop && cell.life.start() {
        smp::note_start();
        cell.vcpus.iter().take(1).for_each(|vcpu| vcpu.kick(cell));
    } else {
        answer!("{} is {}\n", cell.name, cell.life.state().word());
    }
}

fn stats(cell: &Cell) {
    let (life, dropped) = (&cell.life, u64::from(cell.output.dropped()));
    let (starts, restarts) = (u64::from(life.starts()), u64::from(life.restarts()));
    answer!("{} is {}, starts={starts} restarts={restarts}", cell.name, life.state().word());
    if life.is_running() {
        let began = cell.counter_offset.load(Ordering::Relaxed);
        answer!(" up_s={}", timer::now().wrapping_sub(began).checked_div(timer::frequency()).unwrap_or(0));
    } else {
        let took = cell.left.load(Ordering::Relaxed).wrapping_sub(cell.ended.load(Ordering::Relaxed));
        answer!(" left_in_ticks={took}");
    }
    answer!(" console_dropped={dropped}\n");
    for cpu in smp::all() {
        let Some(Seat { vcpu, .. }) = cpu.seat.filter(|seat| ptr::eq(seat.cell, cell)) else { continue };
        answer!("  vcpu {}: exits", vcpu.index);
        for (class, exits) in smp::CLASSES.iter().zip(&cpu.exits) {
            answer!(" {class}={}", exits.load(Ordering::Relaxed));
        }
        answer!("\n");
        if let Some([pc, _, esr, far, hpfar]) = vcpu.last.state() {
            answer!("  vcpu {}: left at pc={pc:#x}: {}\n", vcpu.index, Syndrome { esr, far, hpfar });
        }
    }
}

/// Shows with what its vCPUs left the guest last.
fn registers(cell: &Cell) {
    for vcpu in &cell.vcpus {
        let Some([pc, pstate, esr, far, _]) = vcpu.last.state() else { continue };
        answer!("vcpu {}: pc={pc:#x} pstate={pstate:#x} esr={esr:#x} far={far:#x}", vcpu.index);
        for n in 0..31 {
            let separator = if n % 4 == 0 { "\n" } else { " " };
            answer!("{separator}x{n:<2}={:016x}", vcpu.last.general(n));
        }
        answer!("\n");
    }
}
