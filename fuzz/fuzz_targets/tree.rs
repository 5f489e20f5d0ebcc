//! Any bytes as a board's tree: refused, or a board that a plan can be proved against and a person can read.
#![no_main]

use cellwall_cli::offer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(board) = board::Board::parse(bytes) {
        let _ = board.facts();
        let _ = offer::list(bytes).expect("a board can be listed").to_string();
    }
});
