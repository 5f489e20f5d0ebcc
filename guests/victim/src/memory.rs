//! The victim's pattern: a mebibyte in the middle of its memory, other in each round, so that it is dirty wherever
//! there are caches.

use crate::{Broken, same};
use core::arch::asm;
use kit::{Machine, cpu};

/// How much is watched.
pub const BYTES: usize = 1 << 20;
const WORDS: usize = BYTES / 8;

/// Where the pattern lies.
pub struct Pattern(usize);

impl Pattern {
    /// In the middle of the guest's memory: its image lies at the start, and its tree in neither.
    pub fn new(machine: &Machine) -> Self {
        let (base, size) = machine.memory;
        Self(cpu::address(base + size / 2))
    }

    /// The pattern's address.
    pub fn base(&self) -> usize {
        self.0
    }

    /// Writes a round's pattern.
    pub fn write(&mut self, round: u64) {
        for index in 0..WORDS {
            let (at, value) = (self.0 + 8 * index, word(index, round));
            // SAFETY: inside this guest's memory, clear of its image and its tree.
            unsafe { asm!("str {}, [{}]", in(reg) value, in(reg) at, options(nostack)) };
        }
    }

    /// Reads it back.
    pub fn check(&self, round: u64) -> Result<(), Broken> {
        for index in 0..WORDS {
            let at = self.0 + 8 * index;
            let value: u64;
            // SAFETY: as in `write`.
            unsafe { asm!("ldr {}, [{}]", out(reg) value, in(reg) at, options(nostack)) };
            same("memory", word(index, round), value)?;
        }
        Ok(())
    }
}

/// Tells every word and every round apart.
fn word(index: usize, round: u64) -> u64 {
    (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ round << 56 ^ round
}
