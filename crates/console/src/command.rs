//! The monitor's commands: parsing a line, and the answers that need nothing but the line.

use core::fmt;

/// Every command, and what `help` says of it: whether it names a cell, too.
const COMMANDS: [(Verb, &str); 10] = [
    (Verb::Cells, "cells          show the cells and what they do"),
    (Verb::Focus, "focus CELL     send what is typed to CELL"),
    (Verb::Start, "start CELL     start a cell that is stopped, or waits for this"),
    (Verb::Stop, "stop CELL      stop it"),
    (Verb::Restart, "restart CELL   stop it and start it again from its pristine images"),
    (Verb::Stats, "stats CELL     show what it has done"),
    (Verb::Regs, "regs CELL      show the registers with which its CPUs left the guest last"),
    (Verb::Log, "log            show what EL2 said last"),
    (Verb::Help, "help           show this"),
    (Verb::Help, "Ctrl-]         leave the monitor, or come back"),
];

/// What is to be done; from [`Verb::Focus`] on to a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub enum Verb {
    /// Show the cells.
    Cells,
    /// Show EL2's last lines.
    Log,
    /// Show every command.
    Help,
    /// Send what is typed to the cell.
    Focus,
    /// Start it.
    Start,
    /// Stop it.
    Stop,
    /// Stop and start it.
    Restart,
    /// Show its counts.
    Stats,
    /// Show its registers.
    Regs,
}

/// A parsed line. Its `Display` is the answer to those that only need one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Do this; to the cell so named, where the verb is one for a cell.
    Do(Verb, &'a str),
    /// A command with too few or too many words: what `help` says of it.
    Usage(&'static str),
    /// No command.
    Unknown(&'a str),
}

impl<'a> Command<'a> {
    /// Parses a line; nothing where it is blank.
    #[must_use]
    pub fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let (word, cell, more) = (words.next()?, words.next(), words.next());
        Some(
            match COMMANDS.iter().find(|(_, help)| help.strip_prefix(word).is_some_and(|rest| rest.starts_with(' '))) {
                None => Self::Unknown(word),
                Some(&(verb, _)) if cell.is_some() == (verb >= Verb::Focus) && more.is_none() => {
                    Self::Do(verb, cell.unwrap_or_default())
                }
                Some((_, help)) => Self::Usage(help),
            },
        )
    }
}

impl fmt::Display for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = match *self {
            Self::Do(..) => return COMMANDS.iter().try_for_each(|(_, help)| Self::Usage(help).fmt(f)),
            Self::Usage(help) => [help, "\n"],
            Self::Unknown(word) => [word, ": unknown; `help` lists the commands\n"],
        };
        parts.iter().try_for_each(|part| f.write_str(part))
    }
}
