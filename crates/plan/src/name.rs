//! Names of cells: what people type at the monitor and read before each line.
//!
//! Owns the rule: 1 to 31 of `a-z`, `0-9`, `-`, `_`, each once, none of EL2's own.

use crate::{MAX_NAME, NONE, Proof};

/// Checks that there is a cell and that every name can stand for one.
pub(crate) fn check(proof: &mut Proof<'_, '_>) {
    let cells = proof.cells;
    if cells.is_empty() {
        proof.say(0x0601, NONE, NONE, 0);
    }
    for (index, cell) in cells.iter().enumerate() {
        let good = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        let code = match cell.name {
            "cellwall" | "monitor" => 0x0603,
            name if !(1..=MAX_NAME).contains(&name.len()) || !name.bytes().all(good) => 0x0602,
            name if cells.iter().take(index).any(|earlier| earlier.name == name) => 0x0604,
            _ => continue,
        };
        proof.say(code, index, NONE, 0).numbers[0] = index as u64;
    }
}
