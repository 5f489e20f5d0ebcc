//! Translation tables as hardware walks them, read from outside; knows nothing of how EL2 builds them.
//!
//! DDI 0487 D8.2 (walk), D8.3 (descriptors): 4 KiB granule, 48-bit output.

use super::gdb::Stub;
use crate::script::Failure;

/// What one run of addresses leads to, with what is allowed there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// First input address.
    pub input: u64,
    /// First output address.
    pub output: u64,
    /// In bytes.
    pub size: u64,
    /// The descriptor's attributes: bits \[63:48\] and \[11:2\], less the contiguous hint and software's bits.
    pub attributes: u64,
}

impl Run {
    /// The first input address behind it.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.input.saturating_add(self.size)
    }

    /// Whether the pages of both overlap on the board.
    #[must_use]
    pub fn shares(&self, other: &Self) -> bool {
        self.output < other.output.saturating_add(other.size) && other.output < self.output.saturating_add(self.size)
    }
}

const OUTPUT: u64 = 0x0000_ffff_ffff_f000;
/// Bits 63:55 but for the execute-never ones are software's or ignored; 52 is the contiguous hint; 10 is the access flag.
const ATTRIBUTES: u64 = 0x0060_0000_0000_0bfc;

/// Everything a table leads to, ascending; adjoining runs of the same kind are one. `bits` of input addresses.
///
/// # Errors
/// The tables lie nowhere.
pub fn all(stub: &mut Stub, table: u64, bits: u32, first_level: u32) -> Result<Vec<Run>, Failure> {
    let mut runs = Vec::new();
    level(stub, table & OUTPUT & !1, first_level, bits, 0, &mut runs)?;
    Ok(runs)
}

fn level(stub: &mut Stub, table: u64, number: u32, bits: u32, base: u64, runs: &mut Vec<Run>) -> Result<(), Failure> {
    let shift = 39_u32.saturating_sub(number.saturating_mul(9));
    let entries = 1_u64 << bits.saturating_sub(shift);
    let content = stub.memory(table, entries.saturating_mul(8))?;
    for (index, bytes) in (0_u64..).zip(content.as_chunks::<8>().0) {
        let (entry, input) = (u64::from_le_bytes(*bytes), base.saturating_add(index << shift));
        match (entry & 3, number) {
            (3, 0..=2) => level(stub, entry & OUTPUT, number.saturating_add(1), shift, input, runs)?,
            (1, 1..=2) | (3, 3) => {
                let size = 1_u64 << shift;
                let output = entry & OUTPUT & !size.saturating_sub(1);
                join(runs, Run { input, output, size, attributes: entry & ATTRIBUTES });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Adds a run, to the last one where it goes on there.
pub fn join(runs: &mut Vec<Run>, run: Run) {
    match runs.last_mut() {
        Some(last)
            if last.end() == run.input
                && last.output.saturating_add(last.size) == run.output
                && last.attributes == run.attributes =>
        {
            last.size = last.size.saturating_add(run.size);
        }
        _ => runs.push(run),
    }
}
