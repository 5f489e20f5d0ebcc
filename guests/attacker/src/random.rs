//! Random instruction words at EL1 and EL0, with registers that point where it hurts. `seed=N words=M` replay a run.

use crate::attempts::{Breach, Verdict};
use crate::tally::Tally;
use kit::sandbox::{Random, Sandbox};
use kit::{Machine, gic};

const SEED: u64 = 0x00ce_11a7;
const WORDS: u64 = 4000;

/// Words not tried here: writes of system registers, each tried by the `registers` attempt with its value put back.
fn is_elsewhere(word: u32) -> bool {
    word & 0xfff0_0000 == 0xd510_0000 || word & 0xfff8_f01f == 0xd500_401f
}

/// Branches that would land in the attacker itself: it is not what is attacked.
fn lands_at_home(word: u32, from: u64, home: u64) -> bool {
    let offset = i64::from((word << 6).cast_signed() >> 6) * 4;
    word & 0x7c00_0000 == 0x1400_0000 && from.wrapping_add_signed(offset).wrapping_sub(home) < 1 << 20
}

/// As many words as asked for, every second one at EL0.
pub fn words(machine: &Machine) -> Result<Verdict, Breach> {
    let sandbox = Sandbox::new(machine);
    let mut random = Random(machine.number("seed").unwrap_or(SEED));
    let mut tally = Tally::default();
    // No sum of two of them, shifted or not, is an address of the attacker's image.
    let targets = [
        sandbox.scratch,
        gic::distributor() as u64 + 0x104,
        0x0901_0000,
        0x0a00_0000,
        0x5f00_0000,
        0x6080_0000,
        0x7fff_ffff_ffff_fff0,
        0x80_0000_0000,
    ];
    let mut registers = [0; 31];
    let mut done = 0;
    while done < machine.number("words").unwrap_or(WORDS) {
        let (word, choice) = (kit::cpu::low32(random.draw()), random.draw());
        if is_elsewhere(word) || lands_at_home(word, sandbox.code(), machine.memory.0) {
            continue;
        }
        for (register, at) in registers.iter_mut().zip(0..) {
            let index = (choice >> (2 * at) & 7) as usize;
            *register = targets.get(index).copied().unwrap_or(sandbox.scratch);
        }
        tally.count(sandbox.run(word, &registers, done % 2 == 1));
        done += 1;
    }
    Ok(Verdict::Tally(tally))
}
