//! What is typed on the console: to the focused cell, or into the monitor's command line.
//!
//! `Ctrl-]` opens and closes the monitor. Its line takes printable characters, backspace, `^U` and Return, holds
//! 80 bytes and ignores the rest, escape sequences of cursor keys among it.

use crate::Command;

/// The monitor's prompt.
pub const PROMPT: &[u8] = b"> ";

/// The bytes of a command line.
const LINE: usize = 80;
/// `Ctrl-]`.
const MONITOR: u8 = 0x1d;
/// `^U`.
const KILL: u8 = 0x15;
const ESCAPE: u8 = 0x1b;

/// What a typed byte means to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Nothing to do.
    None,
    /// For the focused cell's input ring.
    Forward(u8),
    /// For EL2's own console source, to be seen.
    Echo(&'a [u8]),
    /// End the prompt's line, do it, and show [`PROMPT`] again unless the monitor is closed by then.
    Command(Command<'a>),
}

/// The state of what is typed.
#[derive(Debug)]
pub struct Input {
    line: [u8; LINE],
    len: usize,
    monitor: bool,
    /// Inside an escape sequence.
    escape: bool,
    /// The last byte was `\r`: a `\n` behind it is the same key.
    carriage: bool,
}

impl Input {
    /// The monitor is closed, nothing is typed.
    pub const NEW: Self = Self { line: [0; LINE], len: 0, monitor: false, escape: false, carriage: false };

    /// Closes the monitor: what is typed next goes to the focused cell.
    pub const fn close(&mut self) {
        self.monitor = false;
    }

    /// Takes one typed byte.
    pub fn feed(&mut self, byte: u8) -> Event<'_> {
        let again = core::mem::replace(&mut self.carriage, byte == b'\r') && byte == b'\n';
        if byte == MONITOR {
            (self.monitor, self.len, self.escape) = (!self.monitor, 0, false);
            return Event::Echo(if self.monitor { PROMPT } else { b"\n" });
        }
        if !self.monitor {
            return Event::Forward(byte);
        }
        if self.escape {
            self.escape = !(byte.is_ascii_alphabetic() || byte == b'~');
            return Event::None;
        }
        match byte {
            b'\n' if again => Event::None,
            b'\r' | b'\n' => self.enter(),
            // The mux puts the prefix again behind a lone return.
            KILL => {
                self.len = 0;
                Event::Echo(b"\r\x1b[K> ")
            }
            0x08 | 0x7f if self.len > 0 => {
                self.len = self.len.saturating_sub(1);
                Event::Echo(b"\x08 \x08")
            }
            b' '..=b'~' => self.insert(byte),
            _ => {
                self.escape = byte == ESCAPE;
                Event::None
            }
        }
    }

    fn insert(&mut self, byte: u8) -> Event<'_> {
        let Some(place) = self.line.get_mut(self.len) else { return Event::None };
        *place = byte;
        self.len = self.len.saturating_add(1);
        Event::Echo(core::slice::from_ref(place))
    }

    fn enter(&mut self) -> Event<'_> {
        let line = self.line.get(..core::mem::take(&mut self.len)).unwrap_or_default();
        // Only ASCII is ever inserted.
        match Command::parse(str::from_utf8(line).unwrap_or_default()) {
            Some(command) => Event::Command(command),
            None => Event::Echo(b"\n> "),
        }
    }
}
