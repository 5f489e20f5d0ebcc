//! The registers that `GICv2`'s distributor, `GICv3`'s distributor and a redistributor's SGI frame have in common: one bit,
//! two bits or one byte a line, word 0 being the private lines (IHI 0048 4.3, IHI 0069 12.9 and 12.11).
#![expect(non_snake_case, reason = "register names are the manual's")]

use crate::memory::mmio::Mmio;
use address::{PhysAddr, Region};
use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::register_structs;
use tock_registers::registers::{ReadOnly, ReadWrite, WriteOnly};
use vgic::field;

register_structs! {
    /// At offset 0 of the frame. Control, type and what `GICv2` has for SGIs are a distributor's.
    pub Registers {
        (0x000 => pub CTLR: ReadWrite<u32>),
        (0x004 => _reserved),
        // A bit for each line: rows of words, the groups first.
        (0x080 => sets: [[ReadWrite<u32>; 32]; 7]),
        // Priorities: four lines a word.
        (0x400 => IPRIORITYR: [[ReadWrite<u32>; 8]; 32]),
        (0x800 => _targets),
        (0xc00 => ICFGR: [ReadWrite<u32>; 64]),
        (0xd00 => _more),
        (0xf00 => pub SGIR: WriteOnly<u32>),
        (0xf04 => _even_more),
        (0xf1c => pub CPENDSGIR3: ReadWrite<u32>),
        (0xf20 => @END),
    },
    /// The same, of bytes in which other cells' lines are neighbours.
    pub Bytes {
        (0x000 => _reserved),
        (0x004 => TYPER: ReadOnly<u32>),
        (0x008 => _more),
        (0x400 => IPRIORITYR: [ReadWrite<u8>; 1024]),
        (0x800 => ITARGETSR: [ReadWrite<u8>; 1024]),
        (0xc00 => @END),
    }
}

/// Lines of a distributor, or the private lines of a CPU.
#[derive(Clone, Copy)]
pub struct Banks {
    /// By words.
    pub words: Mmio<Registers>,
    bytes: Mmio<Bytes>,
}

/// Priority of every physical interrupt: one level, since EL2 serves them to the end with interrupts masked.
const PRIORITY: u32 = 0xa0a0_a0a0;

/// The bit of an interrupt in its word of 32.
#[inline]
pub const fn bit(intid: u32) -> u32 {
    1_u32.wrapping_shl(intid)
}

const IGROUPR: usize = 0x80;

impl Banks {
    /// Those at `offset` of a region that is mapped.
    pub fn at(region: Region<PhysAddr>, offset: u64) -> Option<Self> {
        Some(Self { words: Mmio::at(region, offset)?, bytes: Mmio::at(region, offset)? })
    }

    /// Words of 32 lines that the distributor has, SGIs and PPIs included.
    pub fn words(self) -> usize {
        ((self.bytes.TYPER.get() & 0x1f) as usize).wrapping_add(1)
    }

    /// Word `w` of a register.
    #[inline]
    fn register(&self, register: usize, w: usize) -> Option<&ReadWrite<u32>> {
        self.words.sets.get(register.wrapping_sub(IGROUPR) >> 7)?.get(w & 31)
    }

    /// Reads one of [`vgic::field`]'s registers for the lines of word `w`.
    #[inline]
    pub fn read(self, register: usize, w: usize) -> u32 {
        self.register(register, w).map_or(0, Readable::get)
    }

    /// Writes it.
    #[inline]
    pub fn write(self, register: usize, w: usize, bits: u32) {
        if let Some(word) = self.register(register, w) {
            word.set(bits);
        }
    }

    /// Sets the priority of a line.
    pub fn set_priority(self, intid: u32, priority: u8) {
        if let Some(register) = self.bytes.IPRIORITYR.get(intid as usize & 0x3ff) {
            register.set(priority);
        }
    }

    /// Makes all 32 lines of a word quiet, in one group and at EL2's priority.
    pub fn reset(self, w: usize, group: u32) {
        self.write(field::ICENABLER, w, u32::MAX);
        self.write(field::ICPENDR, w, u32::MAX);
        self.write(field::ICACTIVER, w, u32::MAX);
        self.write(IGROUPR, w, group);
        for priorities in self.words.IPRIORITYR.get(w & 31).into_iter().flatten() {
            priorities.set(PRIORITY);
        }
    }

    /// Sets the trigger of a line.
    pub fn set_edge(self, intid: u32, edge: bool) {
        if let Some(word) = self.words.ICFGR.get(intid as usize >> 4 & 63) {
            let bit = bit(intid.wrapping_mul(2) | 1);
            word.set(if edge { word.get() | bit } else { word.get() & !bit });
        }
    }

    /// `GICv2`: sends an SPI to the CPUs in `targets`.
    pub fn set_targets(self, intid: u32, targets: u8) {
        if let Some(register) = self.bytes.ITARGETSR.get(intid as usize & 0x3ff) {
            register.set(targets);
        }
    }

    /// `GICv2`: the reading CPU's bit in target lists; with one CPU the register reads 0 (IHI 0048 4.3.12).
    pub fn own_target(self) -> u8 {
        self.bytes.ITARGETSR[0].get().max(1)
    }
}
