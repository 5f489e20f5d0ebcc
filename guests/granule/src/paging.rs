//! Stage 1 with each granule: tables, turning the MMU on and off, and the proof that it translates.
//!
//! Addresses have 36 bits in both halves. The lower half maps everything one to one by blocks, Normal where the
//! machine's RAM is, else Device. The upper half maps four pages: two of data in swapped order, one of code that
//! cannot be written, and one that is not there. DDI 0487 D8.2 (start levels), D8.3 (descriptors), D24.2 (`TCR_EL1`).

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use kit::{Machine, probe, read_sysreg, write_sysreg};

/// A page size.
pub struct Granule {
    /// As people write it.
    pub name: &'static str,
    /// Its logarithm.
    shift: u32,
    /// What one entry of the root table spans, likewise.
    root: u32,
    /// TG0 and TG1.
    tcr: u64,
    /// Its field of `ID_AA64MMFR0_EL1`, and whether the CPU has it by that field.
    field: u32,
    shown: fn(u64) -> bool,
}

/// All three.
pub const GRANULES: [Granule; 3] = [
    Granule { name: "4K", shift: 12, root: 30, tcr: 0b10 << 30, field: 28, shown: |value| value != 0xf },
    Granule { name: "16K", shift: 14, root: 25, tcr: 0b10 << 14 | 0b01 << 30, field: 20, shown: |value| value != 0 },
    Granule { name: "64K", shift: 16, root: 29, tcr: 0b01 << 14 | 0b11 << 30, field: 24, shown: |value| value != 0xf },
];

impl Granule {
    /// Whether the CPU has it.
    pub fn is_shown(&self) -> bool {
        (self.shown)(read_sysreg!("id_aa64mmfr0_el1") >> self.field & 0xf)
    }
}

/// The largest page, or a table of up to that size.
#[repr(C, align(65536))]
struct Area([AtomicU64; 8192]);

impl Area {
    const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; 8192])
    }

    fn address(&self) -> usize {
        self.0.as_ptr().expose_provenance()
    }

    fn number(&self) -> u64 {
        self.address() as u64
    }

    fn set(&self, index: usize, value: u64) {
        if let Some(entry) = self.0.get(index) {
            entry.store(value, Relaxed);
        }
    }
}

static LOWER: Area = Area::new();
static UPPER: Area = Area::new();
static MIDDLE: Area = Area::new();
static LEAVES: Area = Area::new();
static LEFT: Area = Area::new();
static RIGHT: Area = Area::new();
static CODE: Area = Area::new();

const BITS: u32 = 36;
const UPPER_BASE: usize = 0xffff_fff0_0000_0000;
/// Attribute 0 is Device-nGnRnE, 1 Normal and not cached, 2 Normal and cached.
const MAIR: u64 = 0x44 << 8 | 0xff << 16;
/// As above, but 2 has allocation tags.
const MAIR_TAGGED: u64 = 0x44 << 8 | 0xf0 << 16;
const TABLE: u64 = 0b11;
const PAGE: u64 = 0b11;
const BLOCK: u64 = 0b01;
const ACCESSED: u64 = 1 << 10;
const INNER: u64 = 0b11 << 8;
const READ_ONLY: u64 = 1 << 7;
const NEVER_EXECUTE: u64 = 0b11 << 53;
const SCTLR_M: u64 = 1 << 0;
const SCTLR_C_I: u64 = 1 << 2 | 1 << 12;
const TCR_TBI0: u64 = 1 << 37;
/// `add x0, x0, #1` and `ret`.
const INSTRUCTIONS: u64 = 0xd65f_03c0_9100_0400;

/// Builds the tables and turns the MMU on; `normal` is the attribute of RAM.
fn on(granule: &Granule, machine: &Machine, normal: u64, mair: u64, sctlr: u64) {
    let normal = normal << 2 | INNER;
    let (base, size) = machine.memory;
    for (index, block) in (0..1_usize << (BITS - granule.root)).zip(0_u64..) {
        let (from, to) = (block << granule.root, (block + 1) << granule.root);
        let kind = if from < base + size && base < to { normal } else { NEVER_EXECUTE };
        LOWER.set(index, from | BLOCK | ACCESSED | kind);
    }
    if granule.shift == 12 {
        UPPER.set(0, MIDDLE.number() | TABLE);
        MIDDLE.set(0, LEAVES.number() | TABLE);
    } else {
        UPPER.set(0, LEAVES.number() | TABLE);
    }
    let page = PAGE | ACCESSED | normal;
    LEAVES.set(0, RIGHT.number() | page | NEVER_EXECUTE);
    LEAVES.set(1, LEFT.number() | page | NEVER_EXECUTE);
    LEAVES.set(2, CODE.number() | page | READ_ONLY);
    LEAVES.set(3, 0);
    // As many output bits as the CPU has; 52 with pages of 64 KiB only.
    let range = read_sysreg!("id_aa64mmfr0_el1") & 0xf;
    let range = if granule.shift == 16 { range } else { range.min(5) };
    let walks = if sctlr & SCTLR_C_I == 0 { 0 } else { 0b11_0101 << 8 };
    let size = u64::from(64 - BITS);
    write_sysreg!("mair_el1", mair);
    write_sysreg!("tcr_el1", size | size << 16 | granule.tcr | range << 32 | walks | walks << 16 | TCR_TBI0);
    write_sysreg!("ttbr0_el1", LOWER.number());
    write_sysreg!("ttbr1_el1", UPPER.number());
    // SAFETY: maintenance of this CPU's own translations.
    unsafe { asm!("dsb sy", "tlbi vmalle1", "ic iallu", "dsb sy", "isb", options(nostack)) };
    write_sysreg!("sctlr_el1", read_sysreg!("sctlr_el1") | SCTLR_M | sctlr);
}

fn off() {
    // SAFETY: what was written to memory that is not cached is there.
    unsafe { asm!("dsb sy", options(nostack)) };
    write_sysreg!("sctlr_el1", read_sysreg!("sctlr_el1") & !SCTLR_M);
    // SAFETY: as in `on`.
    unsafe { asm!("tlbi vmalle1", "dsb sy", "isb", options(nostack)) };
}

/// Turns the MMU on with pages of that size, uses it, turns it off, and says what was wrong.
pub fn walk(granule: &Granule, machine: &Machine) -> Result<(), &'static str> {
    LEFT.set(0, 0x1111);
    RIGHT.set(0, 0x2222);
    CODE.set(0, INSTRUCTIONS);
    on(granule, machine, 1, MAIR, 0);
    let result = through(1 << granule.shift);
    off();
    result?;
    if LEFT.0[1].load(Relaxed) != 0x3333 {
        return Err("a store did not reach its page");
    }
    LEFT.set(1, 0);
    Ok(())
}

/// Translation fault at level 3, permission fault at level 3 (DDI 0487 D24.2.40, DFSC).
const NO_PAGE: u64 = 0b00_0111;
const NO_RIGHT: u64 = 0b00_1111;

fn through(page: usize) -> Result<(), &'static str> {
    let status = |result: Result<_, probe::Abort>| result.err().map(|abort| abort.esr & 0x3f);
    if probe::read(UPPER_BASE).ok() != Some(0x2222) || probe::read(UPPER_BASE + page).ok() != Some(0x1111) {
        return Err("a load came from another page");
    }
    probe::write(UPPER_BASE + page + 8, 0x3333).map_err(|_| "a store aborted")?;
    let result: u64;
    // SAFETY: the page holds the two instructions.
    unsafe { asm!("blr {}", in(reg) UPPER_BASE + 2 * page, inout("x0") 41_u64 => result, clobber_abi("C")) };
    if result != 42 {
        return Err("code ran wrong");
    }
    if status(probe::write(UPPER_BASE + 2 * page, 0)) != Some(NO_RIGHT) {
        return Err("code could be written");
    }
    if status(probe::read(UPPER_BASE + 3 * page).map(|_| ())) != Some(NO_PAGE) {
        return Err("no page, but no translation fault");
    }
    Ok(())
}

unsafe extern "C" {
    static _start: u8;
    static __memory_end: u8;
}

/// Turns the MMU and caches on for good, with allocation tags where the CPU has them.
pub fn cached(machine: &Machine) {
    let line = 4_usize << (read_sysreg!("ctr_el0") >> 16 & 0xf);
    for address in ((&raw const _start).addr()..(&raw const __memory_end).addr()).step_by(line) {
        // SAFETY: cleaning and invalidating this guest's own memory loses nothing.
        unsafe { asm!("dc civac, {}", in(reg) address, options(nostack)) };
    }
    let tagged = read_sysreg!("id_aa64pfr1_el1") >> 8 & 0xf >= 2;
    on(&GRANULES[0], machine, 2, if tagged { MAIR_TAGGED } else { MAIR }, SCTLR_C_I);
}
