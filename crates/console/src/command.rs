//! The monitor's commands: parsing a line, and the answers that need nothing but the line.

use core::fmt;

/// What `help` says, line by line.
pub const HELP: &str = "\
cells          show the cells and what they do
focus CELL     send what is typed to CELL
help           show this
Ctrl-]         leave the monitor, or come back
";

/// The words of later versions.
const LATER: [&str; 6] = ["stop", "start", "restart", "stats", "log", "regs"];
/// The words of this version.
const WORDS: [&str; 3] = ["cells", "focus", "help"];

/// The longest word a suggestion is made for.
const WORD_BYTES: usize = 12;

/// A parsed line. Its `Display` is the answer to those that only need one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Show the cells.
    Cells,
    /// Send what is typed to the named cell.
    Focus(&'a str),
    /// Show [`HELP`].
    Help,
    /// A command of a later version.
    NotYet(&'a str),
    /// A command with too few or too many words; how it is used.
    Usage(&'static str),
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
        let word = words.next()?;
        Some(match (word, words.next(), words.next()) {
            ("cells", None, _) => Self::Cells,
            ("help", None, _) => Self::Help,
            ("focus", Some(cell), None) => Self::Focus(cell),
            ("cells", ..) => Self::Usage("cells"),
            ("help", ..) => Self::Usage("help"),
            ("focus", ..) => Self::Usage("focus CELL"),
            _ if LATER.contains(&word) => Self::NotYet(word),
            _ => Self::Unknown { word, suggestion: nearest(word) },
        })
    }
}

impl fmt::Display for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Cells => f.write_str("cells"),
            Self::Focus(cell) => write!(f, "focus {cell}"),
            Self::Help => f.write_str(HELP.trim_end()),
            Self::NotYet(word) => write!(f, "{word}: not in this version"),
            Self::Usage(usage) => write!(f, "usage: {usage}"),
            Self::Unknown { word, suggestion: Some(other) } => write!(f, "{word}: unknown; did you mean `{other}`?"),
            Self::Unknown { word, suggestion: None } => write!(f, "{word}: unknown; `help` lists the commands"),
        }
    }
}

/// Returns the command at most two edits away from `word`, fewer than it has letters.
fn nearest(word: &str) -> Option<&'static str> {
    let known = WORDS.iter().chain(&LATER).copied();
    let (edits, other) = known.map(|known| (distance(word, known), known)).min_by_key(|&(edits, _)| edits)?;
    (edits <= 2 && edits < word.len()).then_some(other)
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
