//! The monitor's commands: parsing a line, and the answers that need nothing but the line.

use core::fmt;

/// What `help` says, line by line.
pub const HELP: &str = "\
cells          show the cells and what they do
focus CELL     send what is typed to CELL
start CELL     start a cell that is stopped, or waits for this
stop CELL      stop it
restart CELL   stop it and start it again from its pristine images
stats CELL     show what it has done
regs CELL      show the registers with which its CPUs left the guest last
log            show what EL2 said last
help           show this
Ctrl-]         leave the monitor, or come back";

/// Every command, and whether it names a cell.
const COMMANDS: [(&str, Verb); 9] = [
    ("cells", Verb::Cells),
    ("log", Verb::Log),
    ("help", Verb::Help),
    ("focus", Verb::Focus),
    ("start", Verb::Start),
    ("stop", Verb::Stop),
    ("restart", Verb::Restart),
    ("stats", Verb::Stats),
    ("regs", Verb::Regs),
];

/// The longest word a suggestion is made for.
const WORD_BYTES: usize = 12;

/// What is to be done; from [`Verb::Focus`] on to a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub enum Verb {
    /// Show the cells.
    Cells,
    /// Show EL2's last lines.
    Log,
    /// Show [`HELP`].
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
    /// A command with too few or too many words.
    Usage(&'static str, Verb),
    /// No command; perhaps another was meant.
    Unknown {
        /// The word that was typed.
        word: &'a str,
        /// The command it resembles.
        suggestion: Option<&'static str>,
    },
}

impl<'a> Command<'a> {
    /// Parses a line; nothing where it is blank.
    #[must_use]
    pub fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let (word, cell, more) = (words.next()?, words.next(), words.next());
        let Some(&(name, verb)) = COMMANDS.iter().find(|(name, _)| *name == word) else {
            return Some(Self::Unknown { word, suggestion: nearest(word) });
        };
        let fits = cell.is_some() == (verb >= Verb::Focus) && more.is_none();
        Some(if fits { Self::Do(verb, cell.unwrap_or_default()) } else { Self::Usage(name, verb) })
    }
}

impl fmt::Display for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Do(..) => f.write_str(HELP),
            Self::Usage(name, verb) => write!(f, "usage: {name}{}", if verb >= Verb::Focus { " CELL" } else { "" }),
            Self::Unknown { word, suggestion: Some(other) } => write!(f, "{word}: unknown; did you mean `{other}`?"),
            Self::Unknown { word, suggestion: None } => write!(f, "{word}: unknown; `help` lists the commands"),
        }
    }
}

/// Returns the command at most two edits away from `word`, fewer than it has letters.
fn nearest(word: &str) -> Option<&'static str> {
    let (mut least, mut nearest) = (word.len().min(3), None);
    for (name, _) in COMMANDS {
        let edits = distance(word, name);
        if edits < least {
            (least, nearest) = (edits, Some(name));
        }
    }
    nearest
}

/// Returns how many letters to insert, delete or change to make `b`, at most [`WORD_BYTES`] long, of `a`.
fn distance(a: &str, b: &str) -> usize {
    let mut row: [usize; WORD_BYTES] = core::array::from_fn(|index| index);
    let mut letters = 0_usize;
    for x in a.bytes() {
        let (mut corner, mut left) = (letters, letters.saturating_add(1));
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let edits = corner.saturating_add(usize::from(x != y)).min(left.min(*cell).saturating_add(1));
            corner = core::mem::replace(cell, edits);
            left = edits;
        }
        letters = letters.saturating_add(1);
        if let Some(first) = row.first_mut() {
            *first = letters;
        }
    }
    row.get(b.len()).copied().unwrap_or(usize::MAX)
}
