//! Which cell owns which CPU, and which CPU serves the console.
//!
//! Promises that every vCPU has one physical CPU of its own that exists, is enabled and can be started. The first CPU
//! of the tree is taken for the one that boots: it alone needs no start method.

use board::{Board, Start};

use crate::{MAX_VCPUS, NONE, Proof};

/// Says why a CPU of the board cannot be used: it is not there, it is disabled, nobody knows how it starts.
fn unusable(board: &Board<'_>, index: usize, codes: [u16; 3]) -> Option<u16> {
    let [absent, disabled, unstartable] = codes;
    match board.cpus.get(index) {
        None => Some(absent),
        Some(cpu) if cpu.disabled => Some(disabled),
        Some(cpu) => (index > 0 && cpu.start == Start::Unknown).then_some(unstartable),
    }
}

/// Checks every cell's CPUs and returns the one that serves UART and monitor: the plan's, else the first usable one no
/// cell owns, else the first of a cell whose interrupts come to EL2. One that no other cell owns is also sure to be
/// able to revoke a vCPU's memory.
pub(crate) fn assign(proof: &mut Proof<'_, '_>, named: Option<u32>) -> usize {
    let (board, cells) = (proof.board, proof.cells);
    let owner = |cpu: usize| cells.iter().position(|cell| cell.cpus.iter().any(|&mine| mine as usize == cpu));
    for (index, cell) in cells.iter().enumerate() {
        let count = cell.cpus.len();
        if count == 0 {
            proof.say(0xE105, index, NONE, 0);
        }
        if let Some(over @ 1..) = count.checked_sub(MAX_VCPUS) {
            proof.say(0xE106, index, NONE, NONE).numbers = [count as u64, MAX_VCPUS as u64, over as u64, 0];
        }
        for (place, &cpu) in cell.cpus.iter().enumerate() {
            let (code, other) = match unusable(board, cpu as usize, [0xE101, 0xE102, 0xE107]) {
                Some(code) => (code, NONE),
                None => match owner(cpu as usize) {
                    Some(other) if other != index => (0xE103, other),
                    _ if cell.cpus.iter().position(|mine| *mine == cpu) != Some(place) => (0xE104, NONE),
                    _ => continue,
                },
            };
            proof.say(code, index, other, place).numbers = [cpu.into(), board.cpus.len() as u64, 0, 0];
        }
    }
    let codes = [0xE503, 0xE504, 0xE505];
    let spare = || (0..board.cpus.len()).find(|&cpu| owner(cpu).is_none() && unusable(board, cpu, codes).is_none());
    let shared =
        || cells.iter().find(|cell| !cell.passthrough).or(cells.first())?.cpus.first().map(|cpu| *cpu as usize);
    let chosen = named.map(|cpu| cpu as usize).or_else(spare).or_else(shared).unwrap_or(0);
    if named.is_some()
        && let Some(code) = unusable(board, chosen, codes)
    {
        proof.say(code, NONE, NONE, 0).numbers = [chosen as u64, board.cpus.len() as u64, 0, 0];
    }
    if let Some(owner) = owner(chosen)
        && cells.get(owner).is_some_and(|cell| cell.passthrough)
    {
        proof.say(0xE108, owner, NONE, NONE).numbers[0] = chosen as u64;
    }
    chosen
}
