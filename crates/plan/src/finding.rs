//! One thing wrong with a plan, as data.
//!
//! Owns the codes, which are for good: E01xx processors, E02xx memory, E03xx devices, E04xx interrupts, E05xx console
//! and service CPU, E06xx names, E07xx images. A finding holds what a sentence needs; the sentences are the desk's,
//! since nobody reads a manual in EL2: its line says the code, who and the numbers.

use address::{Hex, digits};
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
    /// The class as a letter (E: the plan, C: its cell, A: for advice), and the code: `0xE101`.
    pub(crate) number: u16,
    /// Index into the manifest's cells of the cell at fault, where one is.
    pub cell: Option<usize>,
    /// The other cell that owns the thing, where one does.
    pub other: Option<usize>,
    /// Which of the key's entries; none for a device that the cell has as its console.
    pub entry: Option<usize>,
    /// What there is to count: numbers, addresses, and ends of regions two by two.
    pub numbers: [u64; 4],
    /// Who: the cell, the other cell, the thing, the other thing.
    pub names: [&'a str; 4],
}

impl Finding<'_> {
    /// Returns its code: 0x0101 for E0101, which is for good.
    #[must_use]
    pub fn code(&self) -> u32 {
        u32::from(self.number & 0xfff)
    }

    /// Returns what it refuses.
    #[must_use]
    pub fn class(&self) -> Class {
        match self.number >> 12 {
            0xC => Class::Cell,
            0xA => Class::Warning,
            _ => Class::Plan,
        }
    }
}

impl fmt::Display for Finding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        digits(f, "E", self.code().into(), 16, 4)?;
        for (place, name) in self.names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            f.write_str(if place < 2 { " cell " } else { " " })?;
            // Names come from a file: they do not get to steer a terminal.
            name.bytes()
                .try_for_each(|byte| f.write_char(if matches!(byte, b' '..=b'~') { byte.into() } else { '?' }))?;
        }
        self.numbers.iter().filter(|number| **number > 0).try_for_each(|number| write!(f, " {}", Hex(*number)))
    }
}
