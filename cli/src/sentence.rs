//! What the plan's judge found, in a sentence that names the cell, the thing and its other owner.
//!
//! Owns the table of sentences, `E0101|P|cpus|sentence|what to change` a line: the class's first letter, the key to
//! point at. The sentence follows the cell's name. In both texts stand for number 0: `#0` decimal, `%0` bytes, `@0`
//! address, `~0` the region up to number 1, `+0` and so many more; for name 0 `$0`; for the entry `#9`; for phrase 0
//! `^0`. Where nothing is to be changed, the thing is to be taken away. EL2 says code, names and numbers only.

use address::PhysAddr;
use plan::Finding;
use std::fmt::Write as _;

/// The sentences.
pub const TABLE: &str = include_str!("sentences.txt");

const PHRASES: [&str; 5] = [
    "let it end by @2 or begin at @3 or above",
    " names $2, which ",
    "'s memory #9 at ~0 overlaps ",
    "'s identity memory #9 at ~0 ",
    "^1shares pages from @0 on with ",
];

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// `E0101`.
    pub code: &'static str,
    /// `P` refuses the plan, `C` its cell, `W` nothing.
    pub class: char,
    /// The key of `cells.toml` to point at.
    pub key: &'static str,
    sentence: &'static str,
    help: &'static str,
}

/// Returns the rows in order.
pub fn rows() -> impl Iterator<Item = Row> {
    TABLE.lines().filter_map(|line| {
        let mut parts = line.splitn(5, '|');
        let mut part = || parts.next();
        Some(Row { code: part()?, class: part()?.chars().next()?, key: part()?, sentence: part()?, help: part()? })
    })
}

/// A finding with its sentences.
#[derive(Clone, Debug)]
pub struct Sentence {
    /// `E0101`.
    pub code: &'static str,
    /// The key of `cells.toml` to point at.
    pub key: &'static str,
    /// What is wrong and with what.
    pub message: String,
    /// What to change.
    pub help: String,
}

/// Says what was found.
#[must_use]
pub fn say(finding: &Finding<'_>) -> Sentence {
    let code = format!("E{:04x}", finding.code());
    let unknown = Row { code: "E????", class: 'P', key: "", sentence: " is wrong", help: "" };
    let row = rows().find(|row| row.code == code).unwrap_or(unknown);
    let mut message = if finding.cell.is_some() { fill(finding, "cell $0") } else { String::new() };
    message.push_str(&fill(finding, row.sentence));
    let help = fill(finding, if row.help.is_empty() { "take it away" } else { row.help });
    let key = if row.key == "devices" && finding.entry.is_none() { "console" } else { row.key };
    Sentence { code: row.code, key, message, help }
}

fn fill(finding: &Finding<'_>, mut text: &str) -> String {
    let mut said = String::new();
    while let Some(at) = text.find(['#', '%', '@', '~', '$', '+', '^']) {
        let (plain, marked) = text.split_at(at);
        said.push_str(plain);
        let [mark, digit, ..] = *marked.as_bytes() else { break };
        let index = usize::from(digit.wrapping_sub(b'0'));
        let entry = finding.entry.unwrap_or_default() as u64;
        let number = |index| finding.numbers.get(index).copied().unwrap_or(entry);
        let (value, end) = (number(index), number(index.wrapping_add(1)));
        let at = PhysAddr::at(value);
        // Writing to text does not fail.
        let _ = match mark {
            b'#' => write!(said, "{value}"),
            b'+' if value == 0 => Ok(()),
            b'+' => write!(said, " and {value} more"),
            b'%' if value.trailing_zeros() < 10 || value == 0 => write!(said, "{value} bytes"),
            b'%' if value.trailing_zeros() < 20 => write!(said, "{} KiB", value >> 10),
            b'%' => write!(said, "{} MiB", value >> 20),
            b'~' => write!(said, "{at}..={}", PhysAddr::at(end.wrapping_sub(1))),
            b'@' => write!(said, "{at}"),
            b'$' => {
                // Names come from a file: they do not get to steer a terminal.
                let name = finding.names.get(index).copied().unwrap_or_default();
                // What shares a page and is no device is a frame of the GIC.
                let name = if index == 3 && !name.starts_with('/') { "the GIC" } else { name };
                said.extend(name.chars().map(|char| if char.is_control() { '?' } else { char }));
                Ok(())
            }
            _ => {
                said.push_str(&fill(finding, PHRASES.get(index).copied().unwrap_or_default()));
                Ok(())
            }
        };
        text = marked.get(2..).unwrap_or_default();
    }
    said + text
}
