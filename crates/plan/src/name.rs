//! Names of cells: what people type at the monitor and read before each line.
//!
//! Owns the rule: 1 to 31 of `a-z`, `0-9`, `-`, `_`, each once, none of EL2's own.

use alloc::{format, string::String, vec::Vec};
use manifest::Manifest;

use crate::{Finding, Key, MAX_NAME};

/// EL2 speaks under these names itself.
const RESERVED: [&str; 2] = ["cellwall", "monitor"];

/// Checks that there is a cell and that every name can stand for one.
pub(crate) fn check(manifest: &Manifest<'_>, out: &mut Vec<Finding>) {
    let mut say = |code, index, message: String, help: &str| {
        out.push(Finding::new(code, index, Key::Name, message, help.into()));
    };
    if manifest.cells.is_empty() {
        say("E0601", None, "the plan has no cell".into(), "add a [[cell]]");
    }
    for (index, cell) in manifest.cells.iter().enumerate() {
        let name = cell.name;
        let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(good) {
            let message = format!("cell {index} has the name \"{}\"", name.escape_default());
            say("E0602", Some(index), message, "use 1 to 31 of a-z, 0-9, '-' and '_'");
        }
        if RESERVED.contains(&name) {
            say(
                "E0603",
                Some(index),
                format!("cell {index} has the name \"{name}\", EL2's own"),
                "choose another name",
            );
        }
        if manifest.cells.iter().take(index).any(|earlier| earlier.name == name) {
            say("E0604", Some(index), format!("two cells have the name \"{name}\""), "give each cell its own name");
        }
    }
}
