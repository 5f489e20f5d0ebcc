//! Which cell owns which CPU, and which CPU serves the console.
//!
//! Promises that every vCPU has one physical CPU of its own that exists, is enabled and can be started. The first CPU
//! of the tree is taken for the one that boots: it alone needs no start method.

use board::{Board, Start};
use manifest::Cell;

use crate::{MAX_VCPUS, NONE, Proof};

/// Says why a CPU of the board cannot be used: it is not there, it is disabled, nobody knows how it starts.
fn unusable(board: &Board<'_>, index: u32, codes: [u32; 3]) -> Option<u32> {
    let [absent, disabled, unstartable] = codes;
    match board.cpus.get(index as usize) {
        None => Some(absent),
        Some(cpu) if cpu.disabled => Some(disabled),
        Some(cpu) => (index > 0 && cpu.start == Start::Unknown).then_some(unstartable),
    }
}

/// Returns the first cell that names a CPU.
fn owner(cells: &[Cell<'_>], cpu: u32) -> Option<usize> {
    cells.iter().position(|cell| cell.cpus.contains(&cpu))
}

/// Checks every cell's CPUs.
pub(crate) fn check(proof: &mut Proof<'_, '_>) {
    let (board, cells) = (proof.board, proof.cells);
    for (index, cell) in cells.iter().enumerate() {
        let count = cell.cpus.len();
        if count == 0 {
            proof.say(0xE0105, index, NONE, 0);
        }
        if let Some(over @ 1..) = count.checked_sub(MAX_VCPUS) {
            proof.say(0xE0106, index, NONE, NONE).numbers = [count as u64, MAX_VCPUS as u64, over as u64, 0];
        }
        for (place, &cpu) in cell.cpus.iter().enumerate() {
            let (code, other) = match (unusable(board, cpu, [0xE0101, 0xE0102, 0xE0107]), owner(cells, cpu)) {
                (Some(code), _) => (code, NONE),
                (None, Some(owner)) if owner < index => (0xE0103, owner),
                _ if cell.cpus.iter().take(place).any(|earlier| *earlier == cpu) => (0xE0104, NONE),
                _ => continue,
            };
            proof.say(code, index, other, place).numbers = [cpu.into(), board.cpus.len() as u64, 0, 0];
        }
    }
}

/// Returns the CPU that serves UART and monitor: the plan's, else the first usable one no cell owns, else the first
/// of a cell whose interrupts come to EL2. One that no such cell owns is also sure to be able to revoke a vCPU's memory.
pub(crate) fn service(proof: &mut Proof<'_, '_>, named: Option<u32>) -> usize {
    let (board, cells) = (proof.board, proof.cells);
    let codes = [0xE0503, 0xE0504, 0xE0505];
    let count = u32::try_from(board.cpus.len()).unwrap_or(0);
    if let Some(cpu) = named
        && let Some(code) = unusable(board, cpu, codes)
    {
        proof.say(code, NONE, NONE, 0).numbers = [cpu.into(), count.into(), 0, 0];
    }
    let spare = || (0..count).find(|&cpu| owner(cells, cpu).is_none() && unusable(board, cpu, codes).is_none());
    let shared = || cells.iter().find(|cell| !cell.passthrough).or(cells.first())?.cpus.first().copied();
    let chosen = named.or_else(spare).or_else(shared).unwrap_or(0);
    if let Some(cell) = owner(cells, chosen)
        && cells.get(cell).is_some_and(|cell| cell.passthrough)
    {
        proof.say(0xE0108, cell, NONE, NONE).numbers[0] = chosen.into();
    }
    chosen as usize
}
