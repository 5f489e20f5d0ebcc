//! "Did you mean": the device path nearest to one that is not there. Runs only on the way to a refusal.

use alloc::vec::Vec;
use board::Board;

/// Returns the path nearest to `name`, where one is near enough to be meant.
pub(crate) fn nearest<'a>(board: &'a Board<'_>, name: &str) -> Option<&'a str> {
    let paths = board.devices.iter().map(|device| device.path.as_str());
    let (far, path) = paths.map(|path| (distance(name.as_bytes(), path.as_bytes()), path)).min()?;
    (far.saturating_mul(2) <= name.len()).then_some(path)
}

/// Returns the edits (insert, delete, replace) that make one the other.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (line, x) in a.iter().enumerate() {
        let (mut diagonal, mut left) = (line, line.saturating_add(1));
        for (cell, y) in row.iter_mut().skip(1).zip(b) {
            let replaced = diagonal.saturating_add(usize::from(x != y));
            diagonal = *cell;
            left = replaced.min(left.min(diagonal).saturating_add(1));
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}
