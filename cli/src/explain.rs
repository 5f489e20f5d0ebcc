//! What a code means, at length: `check --explain E0107`, and the class each code has.
//!
//! Owns the paragraphs, one a code, in `explanations.txt`, and the classes of those that only the desk finds; the
//! classes of the others stand in the table of sentences. A test holds table, paragraphs and `docs/plan.md` together.

use crate::{sentence, suggest};
use anyhow::{Result, bail};

const TEXT: &str = include_str!("explanations.txt");

/// What the desk alone finds: mistakes of form, which refuse the plan, and what the tree says of devices' neighbours.
pub const DESK: [(&str, char); 13] = [
    ("E0001", 'P'),
    ("E0002", 'P'),
    ("E0003", 'P'),
    ("E0004", 'P'),
    ("E0005", 'P'),
    ("E0006", 'P'),
    ("E0007", 'P'),
    ("E0008", 'P'),
    ("E0318", 'W'),
    ("E0319", 'W'),
    ("E0320", 'W'),
    ("E0403", 'C'),
    ("E0706", 'P'),
];

/// Returns every code with its paragraph.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    TEXT.lines().filter_map(|line| line.split_once(' '))
}

/// Returns every code with its class: `P` refuses the plan, `C` its cell, `W` nothing.
#[must_use]
pub fn classes() -> Vec<(&'static str, char)> {
    let mut classes: Vec<_> = sentence::rows().map(|row| (row.code, row.class)).chain(DESK).collect();
    classes.sort_unstable();
    classes
}

/// Returns the class of a code.
#[must_use]
pub fn class(code: &str) -> Option<char> {
    classes().into_iter().find(|(known, _)| *known == code).map(|(_, class)| class)
}

/// Returns the paragraph of `code`, broken into lines, with its class.
///
/// # Errors
/// Where there is no such code.
pub fn paragraph(code: &str) -> Result<String> {
    let wanted = code.to_uppercase();
    let wanted = wanted.rsplit('[').next().unwrap_or_default().trim_end_matches(']');
    let Some((code, text)) = all().find(|(known, _)| *known == wanted) else {
        let near = suggest::nearest(wanted, all().map(|(known, _)| known));
        let near = near.map_or_else(String::new, |near| format!(" did you mean {near}?"));
        bail!("there is no code {code};{near} docs/plan.md lists all");
    };
    let means = match class(code) {
        Some('P') => "refuses the plan",
        Some('C') => "refuses its cell: EL2 runs the others, check and build do not let it pass",
        _ => "a warning",
    };
    let mut lines = vec![format!("{code}: {means}"), String::new()];
    let mut line = String::new();
    for word in text.split(' ') {
        if line.len().saturating_add(word.len()) >= 80 {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    Ok(lines.join("\n"))
}
