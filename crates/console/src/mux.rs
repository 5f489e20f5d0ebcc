//! One stream for the UART out of several sources, line by line.
//!
//! Each source has a lane that collects its current line; a lane is printed when its line is complete, when it is
//! [`LINE_BYTES`] long, or when its source has been silent for a round, so that prompts and echo show. Of two sources
//! one never prints into the other's line: an unfinished line on the terminal is ended first, and later taken up again
//! under its own prefix. Lanes take turns by lines; a line in several pieces keeps its turn for `LONG_LINE_PIECES`.
//!
//! `\n` becomes `\r\n`; `\r` before it is dropped; any other `\r` is followed by the prefix again, so that text drawn
//! over a line leaves its prefix alone. Of the other control bytes tab, backspace and escape pass.

/// The bytes of a line that are held back for its end.
pub const LINE_BYTES: usize = 120;

/// The pieces of one line that are printed before others get their turn.
const LONG_LINE_PIECES: u8 = 8;

/// The ticks without a byte after which a line is shown unfinished: at least one whole round lies between two.
const QUIET_TICKS: u8 = 2;

/// Where lines come from, by number: cells, or EL2's logs.
pub trait Sources {
    /// Returns how many there are, always the same.
    fn count(&self) -> usize;
    /// Returns the name for the prefix of a source's lines.
    fn name(&self, source: usize) -> &str;
    /// Takes a source's next byte.
    fn pop(&self, source: usize) -> Option<u8>;
}

/// What ends the text of a lane, by how many bytes of `"\r\n"`: nothing yet, a return to the line's beginning, a line break.
const OPEN: u8 = 0;
const RETURN: u8 = 1;
const LINE: u8 = 2;

/// The steps of printing a lane, downwards: a break of another's line, three of the prefix, the text, what ends it.
const BREAK: u8 = 6;
const PREFIX: u8 = 5;
const TEXT: u8 = 2;
const REST: u8 = 0;

#[derive(Debug)]
struct Lane {
    text: [u8; LINE_BYTES],
    len: usize,
    end: u8,
    /// A `\r` whose successor decides what it means.
    carriage: bool,
    /// The byte that began the next text before this one was printed.
    carry: Option<u8>,
    /// Part of the line is printed.
    begun: bool,
    /// The prefix is due though the line is begun: the cursor went back to its beginning.
    returned: bool,
    quiet: u8,
}

impl Lane {
    const NEW: Self = Self {
        text: [0; LINE_BYTES],
        len: 0,
        end: OPEN,
        carriage: false,
        carry: None,
        begun: false,
        returned: false,
        quiet: 0,
    };

    /// Takes bytes up to the end of the line, a lane full, or the last there is; `open`: the cursor stands in its line.
    fn fill(&mut self, mut pop: impl FnMut() -> Option<u8>, open: bool) {
        for _ in 0..LINE_BYTES {
            if self.end != OPEN || self.len == LINE_BYTES {
                return;
            }
            let Some(byte) = self.carry.take().or_else(&mut pop) else { return };
            self.take(byte, open);
        }
    }

    fn take(&mut self, byte: u8, open: bool) {
        // All of the line but its end was printed, and another source has ended it on the terminal.
        let ended = self.len == 0 && self.begun && !open;
        let after_return = core::mem::take(&mut self.carriage);
        match byte {
            b'\n' if ended => self.begun = false,
            b'\n' => self.end = LINE,
            b'\r' => self.carriage = self.len > 0 || self.begun,
            _ if after_return && !ended => (self.end, self.carry) = (RETURN, Some(byte)),
            b'\t' | 0x08 | 0x1b | b' '..=b'~' | 0x80.. => {
                if let Some(place) = self.text.get_mut(self.len) {
                    *place = byte;
                    self.len = self.len.saturating_add(1);
                    self.quiet = 0;
                }
            }
            _ => {}
        }
    }

    /// Tells whether the lane is to be printed.
    const fn is_ready(&self) -> bool {
        self.end != OPEN || self.len == LINE_BYTES || self.len > 0 && self.quiet >= QUIET_TICKS
    }
}

/// The lanes of at most `N` sources, and where the printing stands.
#[derive(Debug)]
pub struct Mux<const N: usize> {
    lanes: [Lane; N],
    /// The lane whose turn it is, or that is being printed.
    turn: usize,
    /// How many pieces of its line it has printed in this turn.
    streak: u8,
    /// The lane in whose unfinished line the cursor stands.
    open: Option<usize>,
    step: u8,
    /// How many bytes of the step are printed.
    at: usize,
}

impl<const N: usize> Mux<N> {
    /// Nothing is collected, the cursor stands at the beginning of a line.
    pub const NEW: Self = Self { lanes: [Lane::NEW; N], turn: 0, streak: 0, open: None, step: REST, at: 0 };

    /// Tells, once all there was is printed, whether unfinished lines wait for their end, or for [`Mux::tick`].
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.lanes.iter().any(|lane| lane.len > 0)
    }

    /// Ends a round: a source that sent nothing in a whole round gets its unfinished line shown next.
    ///
    /// Rounds should be some 10 ms long, so that a guest that is slow to finish its line is not taken for silent.
    pub fn tick(&mut self) {
        for lane in &mut self.lanes {
            lane.quiet = lane.quiet.saturating_add(1);
        }
    }

    /// Gives `put` what there is, byte by byte, until it refuses one, which it then gets the next time; tells whether it did.
    pub fn send(&mut self, sources: &impl Sources, mut put: impl FnMut(u8) -> bool) -> bool {
        while self.step != REST || self.choose(sources).is_some() {
            let Some(lane) = self.lanes.get(self.turn) else { return false };
            let piece = match self.step {
                BREAK => Some(b"\r\n".as_slice()),
                PREFIX => Some(b"[".as_slice()),
                4 => Some(sources.name(self.turn).as_bytes()),
                3 => Some(b"] ".as_slice()),
                TEXT => lane.text.get(..lane.len),
                _ => b"\r\n".get(..lane.end.into()),
            };
            for &byte in piece.and_then(|piece| piece.get(self.at..)).unwrap_or_default() {
                if !put(byte) {
                    return true;
                }
                self.at = self.at.saturating_add(1);
            }
            (self.at, self.step) = (0, self.step.saturating_sub(1));
            if self.step == REST {
                self.finish();
            }
        }
        false
    }

    /// Fills the lanes in turn until one is ready, and begins to print it.
    fn choose(&mut self, sources: &impl Sources) -> Option<()> {
        let (mut index, count) = (self.turn, sources.count().min(N));
        for _ in 0..count {
            if index >= count {
                index = 0;
            }
            let lane = self.lanes.get_mut(index)?;
            let open = self.open == Some(index);
            lane.fill(|| sources.pop(index), open);
            if lane.is_ready() {
                if index != self.turn {
                    (self.turn, self.streak) = (index, 0);
                }
                self.step = match self.open {
                    Some(_) if !open => BREAK,
                    Some(_) if !lane.returned => TEXT,
                    _ => PREFIX,
                };
                return Some(());
            }
            index = index.saturating_add(1);
        }
        None
    }

    /// Empties the printed lane and passes the turn on.
    fn finish(&mut self) {
        let Some(lane) = self.lanes.get_mut(self.turn) else { return };
        (lane.begun, lane.returned) = (lane.end != LINE, lane.end == RETURN);
        self.open = lane.begun.then_some(self.turn);
        (lane.len, lane.end) = (0, OPEN);
        (self.turn, self.streak) = if lane.begun && self.streak < LONG_LINE_PIECES {
            (self.turn, self.streak.saturating_add(1))
        } else {
            (self.turn.saturating_add(1), 0)
        };
    }
}
