//! The registers that `GICv2`'s distributor, `GICv3`'s distributor and a redistributor's SGI frame have in common: one bit,
//! two bits or one byte a line, word 0 being the private lines (IHI 0048 4.3, IHI 0069 12.9 and 12.11).
#![expect(non_snake_case, reason = "register names are the manual's")]

use crate::memory::mmio::Mmio;
use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::register_structs;
use tock_registers::registers::ReadWrite;

register_structs! {
    /// At offset 0 of the frame.
    pub Registers {
        (0x000 => _control),
        (0x080 => IGROUPR: [ReadWrite<u32>; 32]),
        (0x100 => ISENABLER: [ReadWrite<u32>; 32]),
        (0x180 => ICENABLER: [ReadWrite<u32>; 32]),
        (0x200 => ISPENDR: [ReadWrite<u32>; 32]),
        (0x280 => ICPENDR: [ReadWrite<u32>; 32]),
        (0x300 => ISACTIVER: [ReadWrite<u32>; 32]),
        (0x380 => ICACTIVER: [ReadWrite<u32>; 32]),
        (0x400 => IPRIORITYR: [ReadWrite<u8>; 1024]),
        (0x800 => ITARGETSR: [ReadWrite<u8>; 1024]),
        (0xc00 => ICFGR: [ReadWrite<u32>; 64]),
        (0xd00 => @END),
    }
}

/// Lines of a distributor, or the private lines of a CPU.
#[derive(Clone, Copy)]
pub struct Banks(pub Mmio<Registers>);

/// Priority of every physical interrupt: one level, since EL2 serves them to the end with interrupts masked.
const PRIORITY: u8 = 0xa0;

/// The bit of an interrupt in its word of 32.
#[inline]
pub const fn bit(intid: u32) -> u32 {
    1_u32.wrapping_shl(intid)
}

macro_rules! switch {
    ($($(#[$doc:meta])* $name:ident = $set:ident, $clear:ident;)+) => {$(
        $(#[$doc])*
        #[inline]
        pub fn $name(self, intid: u32, on: bool) {
            let registers = if on { &self.0.$set } else { &self.0.$clear };
            if let Some(word) = registers.get(intid as usize / 32) {
                word.set(bit(intid));
            }
        }
    )+};
}

impl Banks {
    switch! {
        /// Enables or disables a line.
        set_enable = ISENABLER, ICENABLER;
        /// Sets or clears its pending state.
        set_pending = ISPENDR, ICPENDR;
        /// Sets or clears its active state.
        set_active = ISACTIVER, ICACTIVER;
    }

    /// Its pending state.
    pub fn is_pending(self, intid: u32) -> bool {
        self.0.ISPENDR.get(intid as usize / 32).is_some_and(|word| word.get() & bit(intid) != 0)
    }

    /// Makes all 32 lines of a word quiet, in one group and at EL2's priority.
    pub fn reset(self, word: usize, group: u32) {
        for registers in [&self.0.ICENABLER, &self.0.ICPENDR, &self.0.ICACTIVER] {
            if let Some(register) = registers.get(word) {
                register.set(u32::MAX);
            }
        }
        if let Some(register) = self.0.IGROUPR.get(word) {
            register.set(group);
        }
        for priority in self.0.IPRIORITYR.iter().skip(word.wrapping_mul(32)).take(32) {
            priority.set(PRIORITY);
        }
    }

    /// Sets the trigger of a line.
    pub fn set_edge(self, intid: u32, edge: bool) {
        if let Some(word) = self.0.ICFGR.get(intid as usize / 16) {
            let bit = bit(intid.wrapping_mul(2) | 1);
            word.set(if edge { word.get() | bit } else { word.get() & !bit });
        }
    }

    /// `GICv2`: sends an SPI to the CPUs in `targets`; of a private line, tells the reader's own bit.
    pub fn set_targets(self, intid: u32, targets: u8) {
        if let Some(register) = self.0.ITARGETSR.get(intid as usize) {
            register.set(targets);
        }
    }

    /// `GICv2`: the reading CPU's bit in target lists; with one CPU the register reads 0 (IHI 0048 4.3.12).
    pub fn own_target(self) -> u8 {
        self.0.ITARGETSR.first().map_or(0, Readable::get).max(1)
    }
}
