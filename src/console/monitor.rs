//! The monitor's commands.

use super::service::{history, print};
use crate::cell::{self, Cell};
use crate::el2::timer;
use crate::memory::pool;
use crate::smp;
use console::{Command, Verb};
use core::fmt::{self, Write};
use core::sync::atomic::Ordering;
use lifecycle::Cause;
use syndrome::Exit;

struct Answer;

impl Write for Answer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(print);
        Ok(())
    }
}

/// Carries out a command; a new focus closes the monitor.
pub fn execute(command: Command<'_>, focus: usize) -> Option<usize> {
    let mut answer = Answer;
    let Command::Do(verb, name) = command else {
        let _ = writeln!(answer, "{command}");
        return None;
    };
    if verb < Verb::Focus {
        let _ = match verb {
            Verb::Cells => cell::all().iter().enumerate().try_for_each(|(index, cell)| line(cell, index == focus)),
            Verb::Log => {
                history();
                Ok(())
            }
            _ => writeln!(answer, "{command}"),
        };
        return None;
    }
    let Some((index, cell)) = cell::all().iter().enumerate().find(|(_, cell)| cell.name == name) else {
        let _ = writeln!(answer, "no cell is named {name}; `cells` lists them");
        return None;
    };
    let _ = match verb {
        Verb::Focus => {
            let _ = writeln!(answer, "input goes to {name}; Ctrl-] comes back here");
            return Some(index);
        }
        Verb::Stats => stats(cell),
        Verb::Regs => registers(cell),
        verb => change(cell, verb),
    };
    None
}

fn line(cell: &Cell, focus: bool) -> fmt::Result {
    let mark = if focus { '*' } else { ' ' };
    let on = cell.vcpus.iter().fold(0_u32, |on, vcpu| on.saturating_add(cell.power.is_on(vcpu.index).into()));
    let (word, count) = (cell.life.state().word(), cell.vcpus.len());
    write!(Answer, "{mark} {:<16} {word:<9} {on}/{count} vCPUs on, CPU", cell.name)?;
    for vcpu in &cell.vcpus {
        write!(Answer, " {}", vcpu.cpu)?;
    }
    writeln!(Answer)
}

/// Starts, stops or restarts a cell.
fn change(cell: &'static Cell, verb: Verb) -> fmt::Result {
    let (running, gate) = (cell.life.is_running(), &cell.life.gate);
    if verb != Verb::Start && running && gate.enter() {
        let cause = if verb == Verb::Stop { Cause::Off } else { Cause::Reset };
        cell::end(cell, cause, format_args!("\"by the monitor\""));
        cell::retire(cell);
    } else if verb != Verb::Stop && cell.life.start() {
        smp::note_start();
        cell.vcpus.iter().take(1).for_each(|vcpu| vcpu.kick(cell));
    } else {
        writeln!(Answer, "{} is {}", cell.name, cell.life.state().word())?;
    }
    Ok(())
}

fn stats(cell: &Cell) -> fmt::Result {
    let (life, dropped) = (&cell.life, cell.output.dropped());
    let began = cell.counter_offset.load(Ordering::Relaxed);
    let up = timer::now().wrapping_sub(began).checked_div(timer::frequency()).unwrap_or(0);
    write!(Answer, "{} is {}, starts={} restarts={}", cell.name, life.state().word(), life.starts(), life.restarts())?;
    if life.is_running() {
        write!(Answer, " up_s={up}")?;
    } else {
        let took = cell.left.load(Ordering::Relaxed).wrapping_sub(cell.ended.load(Ordering::Relaxed));
        write!(Answer, " left_in_ticks={took}")?;
    }
    writeln!(Answer, " console_dropped={dropped} pool_bytes={}", pool::used())?;
    for vcpu in &cell.vcpus {
        if let Some([pc, _, esr, far, hpfar]) = vcpu.last.state() {
            writeln!(Answer, "  vcpu {}: left at pc={pc:#x}: {}", vcpu.index, Exit::decode(esr, far, hpfar))?;
        }
    }
    Ok(())
}

/// Shows with what its vCPUs left the guest last.
fn registers(cell: &Cell) -> fmt::Result {
    for vcpu in &cell.vcpus {
        let Some([pc, pstate, esr, far, _]) = vcpu.last.state() else { continue };
        write!(Answer, "vcpu {}: pc={pc:#x} pstate={pstate:#x} esr={esr:#x} far={far:#x}", vcpu.index)?;
        for n in 0..31 {
            let separator = if n % 4 == 0 { '\n' } else { ' ' };
            write!(Answer, "{separator}x{n:<2}={:016x}", vcpu.last.general(n))?;
        }
        writeln!(Answer)?;
    }
    Ok(())
}
