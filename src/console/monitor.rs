//! The monitor's commands.

use super::say_to;
use super::service::{MONITOR, history};
use crate::cell::{self, Cell, Seat};
use crate::el2::timer;
use crate::smp;
use address::{Dec, Hex, Text, digits};
use console::{Command, Verb};
use core::sync::atomic::Ordering;
use core::{fmt, ptr};
use lifecycle::Cause;
use syndrome::Syndrome;

macro_rules! answer {
    ($($argument:tt)+) => { say_to(&MONITOR, format_args!($($argument)+)) };
}

/// Text with blanks behind it, so many places wide.
struct Column<'a>(&'a str, usize);

impl fmt::Display for Column<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)?;
        (self.0.len()..self.1).try_for_each(|_| f.write_str(" "))
    }
}

/// Carries out a command; a new focus closes the monitor.
pub fn execute(command: Command<'_>, focus: usize) -> Option<usize> {
    let all = cell::all();
    match command {
        Command::Do(Verb::Cells, _) => all.iter().enumerate().for_each(|(index, cell)| line(cell, index == focus)),
        Command::Do(Verb::Log, _) => history(),
        Command::Do(verb, name) if verb >= Verb::Focus => {
            let Some((index, cell)) = all.iter().enumerate().find(|(_, cell)| cell.name == name) else {
                answer!("no cell is named {}; `cells` lists them\n", Text(name));
                return None;
            };
            match verb {
                Verb::Focus => {
                    answer!("input goes to {}; Ctrl-] comes back here\n", Text(name));
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
    let mark = Text(if focus { "*" } else { " " });
    let on = cell.vcpus.iter().fold(0, |on: u64, vcpu| on.wrapping_add(cell.power.is_on(vcpu.index).into()));
    let (name, word) = (Column(cell.name, 16), Column(cell.life.state().word(), 9));
    answer!("{mark} {name} {word} {}/{} vCPUs on, CPU", Dec(on), Dec(cell.vcpus.len() as u64));
    for vcpu in &cell.vcpus {
        answer!(" {}", Dec(vcpu.cpu as u64));
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
        answer!("{} is {}\n", Text(cell.name), Text(cell.life.state().word()));
    }
}

fn stats(cell: &Cell) {
    let (life, dropped) = (&cell.life, Dec(cell.output.dropped().into()));
    let (starts, restarts) = (Dec(life.starts().into()), Dec(life.restarts().into()));
    let (name, word) = (Text(cell.name), Text(life.state().word()));
    answer!("{name} is {word}, starts={starts} restarts={restarts}");
    if life.is_running() {
        let began = cell.counter_offset.load(Ordering::Relaxed);
        answer!(" up_s={}", Dec(timer::now().wrapping_sub(began).checked_div(timer::frequency()).unwrap_or(0)));
    } else {
        let took = cell.left.load(Ordering::Relaxed).wrapping_sub(cell.ended.load(Ordering::Relaxed));
        answer!(" left_in_ticks={}", Dec(took));
    }
    answer!(" console_dropped={dropped}\n");
    for cpu in smp::all() {
        let Some(Seat { vcpu, .. }) = cpu.seat.filter(|seat| ptr::eq(seat.cell, cell)) else { continue };
        let index = Dec(vcpu.index as u64);
        answer!("  vcpu {index}: exits");
        for (class, exits) in smp::CLASSES.iter().zip(&cpu.exits) {
            answer!(" {}={}", Text(class), Dec(exits.load(Ordering::Relaxed)));
        }
        answer!("\n");
        if let Some([pc, _, esr, far, hpfar]) = vcpu.last.state() {
            answer!("  vcpu {index}: left at pc={}: {}\n", Hex(pc), Syndrome { esr, far, hpfar });
        }
    }
}

/// Shows with what its vCPUs left the guest last.
fn registers(cell: &Cell) {
    for vcpu in &cell.vcpus {
        let Some([pc, pstate, esr, far, _]) = vcpu.last.state() else { continue };
        let (pc, pstate, esr, far) = (Hex(pc), Hex(pstate), Hex(esr), Hex(far));
        answer!("vcpu {}: pc={pc} pstate={pstate} esr={esr} far={far}", Dec(vcpu.index as u64));
        for n in 0..31 {
            let (separator, gap) = (if n % 4 == 0 { "\n" } else { " " }, if n < 10 { " " } else { "" });
            let value = fmt::from_fn(|f| digits(f, "=", vcpu.last.general(n), 16, 16));
            answer!("{}x{}{}{value}", Text(separator), Dec(n as u64), Text(gap));
        }
        answer!("\n");
    }
}
