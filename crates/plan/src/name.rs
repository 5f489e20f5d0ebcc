//! Names of cells: what people type at the monitor and read before each line.
//!
//! Owns the rule: 1 to 31 of `a-z`, `0-9`, `-`, `_`, each once, none of EL2's own.

use crate::{MAX_NAME, NONE, Proof};

/// Checks that there is a cell and that every name can stand for one.
pub(crate) fn check(proof: &mut Proof<'_, '_>) {
    let cells = proof.cells;
    if cells.is_empty() {
        proof.say(0xE601, NONE, NONE, 0);
    }
    for (index, cell) in cells.iter().enumerate() {
        let good = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        let earlier = cells.iter().position(|earlier| earlier.name == cell.name).filter(|place| *place != index);
        let code = match cell.name {
            "cellwall" | "monitor" => 0xE603,
            name if !(1..=MAX_NAME).contains(&name.len()) || !name.bytes().all(good) => 0xE602,
            _ if earlier.is_some() => 0xE604,
            _ => continue,
        };
        proof.say(code, index, earlier.unwrap_or(NONE), 0).numbers[0] = index as u64;
    }
}
