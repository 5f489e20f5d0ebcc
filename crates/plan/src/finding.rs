//! One thing wrong with a plan, as data, and the one table of sentences that says it.
//!
//! Owns the codes, which are for good: E01xx processors, E02xx memory, E03xx devices, E04xx interrupts, E05xx console
//! and service CPU, E06xx names, E07xx images. A finding holds what a sentence needs; only who prints one pays for text.

use crate::NONE;
use address::PhysAddr;
use core::fmt::{self, Write as _};

/// What a finding refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The whole plan: it is about CPUs, interrupts, EL2 or more than one cell.
    Plan,
    /// One cell, no other.
    Cell,
    /// Nothing, but a person should know.
    Warning,
}

/// One thing wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding<'a> {
    /// Its row of the table: code, class, key, sentence, what to change.
    row: &'static str,
    /// Index into the manifest's cells of the cell at fault, where one is.
    pub cell: Option<usize>,
    /// The other cell that owns the thing, where one does.
    pub other: Option<usize>,
    /// Which of the key's entries.
    pub entry: usize,
    /// What the sentence counts: numbers, addresses, and ends of regions two by two.
    pub numbers: [u64; 4],
    /// Who: the cell, the other cell, the thing, the other thing.
    pub names: [&'a str; 4],
}

/// The sentences, `E0101|P|cpus|sentence|what to change` a line: the class's first letter, the key to point at. The
/// sentence follows the cell's name. In both texts stand for number 0: `#0` decimal, `%0` bytes, `@0` address, `~0` the
/// region up to number 1, `+0` and so many more; for name 0 `$0`; for the entry `#9`; for phrase 0 `^0`. Where nothing is
/// to be changed, the thing is to be taken away.
pub const TABLE: &str = include_str!("findings.txt");

const PHRASES: [&str; 5] = [
    "let it end by @2 or begin at @3 or above",
    " names $2, which ",
    "'s memory #9 at ~0 overlaps ",
    "'s identity memory #9 at ~0 ",
    "^1shares pages from @0 on with ",
];

impl<'a> Finding<'a> {
    /// Makes the finding of a code: `0x0101` is `E0101`.
    pub(crate) fn new(code: u32, [cell, other]: [usize; 2], entry: usize, names: [&'a str; 4]) -> Self {
        let digits = |row: &str| row.bytes().take(5).fold(0, |code, digit| code << 4 | u32::from(digit & 15));
        // An E is a 5.
        let row = TABLE.lines().find(|row| digits(row) == code | 0x5_0000).unwrap_or_default();
        let some = |cell| Some(cell).filter(|cell| *cell != NONE);
        Self { row, cell: some(cell), other: some(other), entry, numbers: [0; 4], names }
    }

    fn part(&self, index: usize) -> &'static str {
        self.row.split('|').nth(index).unwrap_or_default()
    }

    /// Returns its code: `E0101`, which is for good.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.part(0)
    }

    /// Returns what it refuses.
    #[must_use]
    pub fn class(&self) -> Class {
        match self.row.as_bytes().get(6) {
            Some(b'C') => Class::Cell,
            Some(b'W') => Class::Warning,
            _ => Class::Plan,
        }
    }

    /// Returns the key of `cells.toml` to point at.
    #[must_use]
    pub fn key(&self) -> &'static str {
        if self.entry == NONE { "console" } else { self.part(2) }
    }

    /// A sentence that names the cell, the resource and its other owner.
    #[must_use]
    pub fn message(&self) -> impl fmt::Display {
        fmt::from_fn(|f| {
            if self.cell.is_some() {
                self.fill(f, "cell $0")?;
            }
            self.fill(f, self.part(3))
        })
    }

    /// What to change.
    #[must_use]
    pub fn help(&self) -> impl fmt::Display {
        let help = Some(self.part(4)).filter(|help| !help.is_empty()).unwrap_or("take it away");
        fmt::from_fn(move |f| self.fill(f, help))
    }

    fn fill(&self, f: &mut fmt::Formatter<'_>, mut text: &str) -> fmt::Result {
        while let Some(at) = text.bytes().position(|byte| b"#%@~$+^".contains(&byte)) {
            let (plain, marked) = text.split_at_checked(at).unwrap_or_default();
            f.write_str(plain)?;
            let [mark, digit, ..] = *marked.as_bytes() else { break };
            let index = usize::from(digit.wrapping_sub(b'0'));
            let number = |index| self.numbers.get(index).copied().unwrap_or(self.entry as u64);
            let (value, end) = (number(index), number(index.wrapping_add(1)));
            let at = PhysAddr::at(value);
            match mark {
                b'#' => write!(f, "{value}")?,
                b'+' if value == 0 => {}
                b'+' => write!(f, " and {value} more")?,
                b'%' if value.trailing_zeros() < 10 || value == 0 => write!(f, "{value} bytes")?,
                b'%' if value.trailing_zeros() < 20 => write!(f, "{} KiB", value >> 10)?,
                b'%' => write!(f, "{} MiB", value >> 20)?,
                b'~' => write!(f, "{at}..={}", PhysAddr::at(end.wrapping_sub(1)))?,
                b'@' => write!(f, "{at}")?,
                b'$' => {
                    // Names come from a file: they do not get to steer a terminal.
                    for char in self.names.get(index).copied().unwrap_or_default().chars() {
                        f.write_char(if char.is_control() { '?' } else { char })?;
                    }
                }
                _ => self.fill(f, PHRASES.get(index).copied().unwrap_or_default())?,
            }
            text = marked.get(2..).unwrap_or_default();
        }
        f.write_str(text)
    }
}

impl fmt::Display for Finding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.code(), self.message(), self.help())
    }
}
