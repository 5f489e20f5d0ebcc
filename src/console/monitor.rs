//! The monitor's commands.

use super::service::print;
use crate::cell;
use console::Command;
use core::fmt::{self, Write};

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
    let result = match command {
        Command::Cells => cell::all().iter().enumerate().try_for_each(|(index, cell)| {
            let mark = if index == focus { '*' } else { ' ' };
            let on = cell.vcpus.iter().fold(0_u32, |on, vcpu| on.saturating_add(cell.power.is_on(vcpu.index).into()));
            write!(
                answer,
                "{mark} {:<16} {:<9} {on}/{} vCPUs on, CPU",
                cell.name,
                cell.state().word(),
                cell.vcpus.len()
            )?;
            for vcpu in &cell.vcpus {
                write!(answer, " {}", vcpu.cpu)?;
            }
            writeln!(answer)
        }),
        Command::Focus(name) => match cell::all().iter().position(|cell| cell.name == name) {
            Some(index) => {
                let _ = writeln!(answer, "input goes to {name}; Ctrl-] comes back here");
                return Some(index);
            }
            None => writeln!(answer, "no cell is named {name}; `cells` lists them"),
        },
        command => writeln!(answer, "{command}"),
    };
    let _ = result;
    None
}
