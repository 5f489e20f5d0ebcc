//! What ID registers show, used: each feature that EL2 could keep from a guest, by one line of output.
//!
//! `absent` is what the CPU itself does not show. A feature shown but trapped ends as `FAILED`, or as the kit's
//! `guest: FAULT`. DDI 0487 D24.2 (`ID_AA64*_EL1`), and each register by name.

use core::arch::asm;
use core::sync::atomic::AtomicU64;
use kit::{print, println, probe, read_sysreg, write_sysreg};

core::arch::global_asm!(include_str!("features.S"));

unsafe extern "C" {
    fn feature_lse(word: *mut u64) -> u64;
    safe fn feature_fp() -> u64;
    safe fn feature_sve() -> u64;
    safe fn feature_sme() -> u64;
    fn feature_pauth(pointer: u64, modifier: u64, signed: *mut u64) -> u64;
    fn feature_mte_set(granule: u64) -> u64;
    fn feature_mte_get(granule: u64) -> u64;
    fn feature_mops_copy(to: *mut u8, from: *const u8, bytes: usize);
    fn feature_mops_set(to: *mut u8, bytes: usize, byte: u64);
}

/// What was wrong.
type Fault = &'static str;

/// Fields of 4 bits.
fn field(register: u64, shift: u32) -> u64 {
    register >> shift & 0xf
}

fn check(right: bool, what: Fault) -> Result<(), Fault> {
    if right { Ok(()) } else { Err(what) }
}

/// Uses the feature where it is shown.
fn feature(name: &str, shown: bool, used: fn() -> Result<(), Fault>) {
    if !shown {
        return println!("features: {name} absent");
    }
    print!("features: {name}");
    match used() {
        Ok(()) => println!(" ok"),
        Err(what) => println!(" FAILED ({what})"),
    }
}

/// Reads each register that the feature brings.
fn registers(name: &str, shown: bool, list: &[[u32; 5]]) {
    let refused = || list.iter().find(|register| probe::execute(probe::mrs(**register), 0, 0).is_err());
    match shown.then(refused) {
        None => println!("features: {name} absent"),
        Some(None) => println!("features: {name} ok"),
        Some(Some(register)) => println!("features: {name} FAILED ({register:?} undefined)"),
    }
}

/// Every feature, one after the other.
pub fn all() {
    let pfr0 = read_sysreg!("id_aa64pfr0_el1");
    let pfr1 = read_sysreg!("id_aa64pfr1_el1");
    let isar0 = read_sysreg!("id_aa64isar0_el1");
    let isar1 = read_sysreg!("id_aa64isar1_el1");
    let isar2 = read_sysreg!("s3_0_c0_c6_2");
    let mmfr1 = read_sysreg!("id_aa64mmfr1_el1");
    let mmfr3 = read_sysreg!("s3_0_c0_c7_3");
    let dfr0 = read_sysreg!("id_aa64dfr0_el1");
    println!("features: pfr0 {pfr0:#x} pfr1 {pfr1:#x} isar0 {isar0:#x} isar1 {isar1:#x} isar2 {isar2:#x}");
    println!("features: mmfr1 {mmfr1:#x} mmfr3 {mmfr3:#x} dfr0 {dfr0:#x}");
    // FPEN, ZEN and SMEN: open for EL1 and EL0.
    write_sysreg!("cpacr_el1", 0b11 << 20 | 0b11 << 16 | 0b11 << 24);
    feature("fp", field(pfr0, 16) != 0xf, || check(feature_fp() == 15, "wrong sum"));
    feature("lse", field(isar0, 20) != 0, lse);
    feature("rndr", field(isar0, 60) != 0, rndr);
    feature("pauth", isar1 >> 4 & 0xff | isar1 >> 24 & 0xff | isar2 >> 8 & 0xff != 0, pauth);
    feature("sve", field(pfr0, 32) != 0, sve);
    feature("sme", field(pfr1, 24) != 0, sme);
    feature("mops", field(isar2, 16) != 0, mops);
    feature("mte", field(pfr1, 8) >= 2, mte);
    let version = field(dfr0, 8);
    feature("pmu", version != 0 && version != 0xf, pmu);
    let scxtnum = field(pfr0, 56) >= 2 || field(pfr1, 32) >= 2;
    registers("csv2_2", scxtnum, &[[3, 0, 13, 0, 7], [3, 3, 13, 0, 7]]);
    // ERRIDR_EL1 and DISR_EL1.
    registers("ras", field(pfr0, 28) != 0, &[[3, 0, 5, 3, 0], [3, 0, 12, 1, 1]]);
    // LORC_EL1 and LORID_EL1.
    registers("lor", field(mmfr1, 16) != 0, &[[3, 0, 10, 4, 3], [3, 0, 10, 4, 7]]);
    // CNTPCTSS_EL0 and CNTVCTSS_EL0.
    registers("ecv", read_sysreg!("id_aa64mmfr0_el1") >> 60 != 0, &[[3, 3, 14, 0, 5], [3, 3, 14, 0, 6]]);
    // AMCR_EL0.
    registers("amu", field(pfr0, 44) != 0, &[[3, 3, 13, 2, 0]]);
    // TRFCR_EL1.
    registers("trf", field(dfr0, 40) != 0, &[[3, 0, 1, 2, 1]]);
    // TRCVICTLR of the trace unit.
    registers("trace", field(dfr0, 4) != 0, &[[2, 1, 0, 0, 2]]);
    // PMSIDR_EL1 of the profiler, PMBIDR_EL1 of its buffer.
    registers("spe", field(dfr0, 32) != 0, &[[3, 0, 9, 9, 7], [3, 0, 9, 10, 7]]);
    // ALLINT.
    registers("nmi", field(pfr1, 36) != 0, &[[3, 0, 4, 3, 0]]);
    // MDSCR_EL1, DBGBVR0_EL1, OSLSR_EL1, OSDLR_EL1.
    registers("debug", true, &[[2, 0, 0, 2, 2], [2, 0, 0, 0, 4], [2, 0, 1, 1, 4], [2, 0, 1, 3, 4]]);
    // TCR2_EL1, SCTLR2_EL1, PIR_EL1, POR_EL1.
    registers("tcr2", field(mmfr3, 0) != 0, &[[3, 0, 2, 0, 3]]);
    registers("sctlr2", field(mmfr3, 4) != 0, &[[3, 0, 1, 0, 3]]);
    registers("s1pie", field(mmfr3, 8) != 0, &[[3, 0, 10, 2, 3], [3, 0, 10, 2, 2]]);
    registers("s1poe", field(mmfr3, 16) != 0, &[[3, 0, 10, 2, 4], [3, 3, 10, 2, 4]]);
    // GCSCR_EL1.
    registers("gcs", field(pfr1, 44) != 0, &[[3, 0, 2, 5, 0]]);
    println!("features: done");
}

fn lse() -> Result<(), Fault> {
    let mut word = 37;
    // SAFETY: the word is on this stack.
    let before = unsafe { feature_lse(&raw mut word) };
    check(before == 37 && word == 42, "wrong sum")
}

fn rndr() -> Result<(), Fault> {
    let (one, two) = (read_sysreg!("s3_3_c2_c4_0"), read_sysreg!("s3_3_c2_c4_0"));
    check(one != two, "the same number twice")
}

fn pauth() -> Result<(), Fault> {
    write_sysreg!("s3_0_c2_c1_0", 0x0123_4567_89ab_cdef);
    write_sysreg!("s3_0_c2_c1_1", 0xfedc_ba98_7654_3210);
    write_sysreg!("sctlr_el1", read_sysreg!("sctlr_el1") | 1 << 31);
    let (pointer, mut signed) = (0x4000_1230, 0);
    // SAFETY: the pointers are only numbers here, `signed` is on this stack.
    let back = unsafe { feature_pauth(pointer, 7, &raw mut signed) };
    check(signed != pointer, "no signature")?;
    check(back == pointer, "not authenticated")
}

fn sve() -> Result<(), Fault> {
    write_sysreg!("s3_0_c1_c2_0", 0xf);
    let result = feature_sve();
    let (bytes, sum) = (result >> 32, result & 0xffff_ffff);
    print!(" {} bits", bytes * 8);
    check(sum == (bytes / 8) * (bytes / 8 - 1) / 2, "wrong sum")
}

fn sme() -> Result<(), Fault> {
    write_sysreg!("s3_0_c1_c2_6", 0x8000_000f);
    write_sysreg!("s3_3_c13_c0_5", 0x5a5a);
    check(read_sysreg!("s3_3_c13_c0_5") == 0x5a5a, "TPIDR2_EL0 does not hold")?;
    let result = feature_sme();
    print!(" {} bits", (result >> 32) * 8);
    check(result & 0xffff_ffff == 77, "ZA does not hold")
}

fn mops() -> Result<(), Fault> {
    let (from, mut to) = ([0xa5_u8; 300], [0_u8; 300]);
    // SAFETY: both have 300 bytes.
    unsafe { feature_mops_copy(to.as_mut_ptr(), from.as_ptr(), 300) };
    check(to == from, "a copy differs")?;
    // SAFETY: it has 300 bytes.
    unsafe { feature_mops_set(to.as_mut_ptr(), 299, 7) };
    check(to.iter().take(299).all(|&byte| byte == 7) && to[299] == 0xa5, "a set differs")
}

#[repr(C, align(16))]
struct Tagged([AtomicU64; 2]);
static TAGGED: Tagged = Tagged([const { AtomicU64::new(0) }; 2]);

fn mte() -> Result<(), Fault> {
    let plain = TAGGED.0.as_ptr().expose_provenance();
    // Tags are used, and a wrong one aborts at once.
    write_sysreg!("sctlr_el1", read_sysreg!("sctlr_el1") | 1 << 43 | 0b01 << 40);
    // SAFETY: the 16 bytes are this guest's.
    let tagged = unsafe { feature_mte_set(plain as u64) };
    // SAFETY: as above.
    let found = unsafe { feature_mte_get(plain as u64) };
    check(found == tagged, "the tag does not hold")?;
    let tagged = kit::cpu::address(tagged);
    probe::write(tagged, 0x77).map_err(|_| "the right tag aborts")?;
    let wrong = probe::read(tagged ^ 3 << 56);
    // Synchronous tag check fault.
    let fault = wrong.err().map(|abort| abort.esr & 0x3f) == Some(0x11);
    write_sysreg!("sctlr_el1", read_sysreg!("sctlr_el1") & !(0b11 << 40));
    check(fault, "a wrong tag does not abort")
}

/// The cycle counter counts, and so does an event counter for `CPU_CYCLES`, if there is one.
fn pmu() -> Result<(), Fault> {
    let counters = read_sysreg!("pmcr_el0") >> 11 & 0x1f;
    print!(" {counters} counters");
    write_sysreg!("pmccfiltr_el0", 0);
    if counters > 0 {
        write_sysreg!("pmevtyper0_el0", 0x11);
    }
    // Reset both, run all.
    write_sysreg!("pmcr_el0", read_sysreg!("pmcr_el0") | 0b111);
    write_sysreg!("pmcntenset_el0", 1 << 31 | u64::from(counters > 0));
    let start = read_sysreg!("pmccntr_el0");
    for _ in 0..1000 {
        // SAFETY: takes time.
        unsafe { asm!("nop", options(nostack, nomem)) };
    }
    let cycles = read_sysreg!("pmccntr_el0").wrapping_sub(start);
    let event = if counters > 0 { read_sysreg!("pmevcntr0_el0") } else { 1 };
    check(cycles != 0, "cycles stand still")?;
    check(event != 0, "an event counter stands still")
}
