//! Injected faults against what hardware writes: the numbers are those Linux prints.
#![allow(
    clippy::pedantic,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "tests"
)]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use proptest::prelude::*;
use syndrome::inject::{Entry, exception_entry, external_abort, undefined, walk_level};

const EL0T: u64 = 0;
const EL1T: u64 = 0x3c4;
const EL1H: u64 = 0x3c5;
const USER32: u64 = 0x10;
const VBAR: u64 = 0xffff_8000_8001_0800;
/// SPAN = 1, DSSBS = 0.
const SCTLR: u64 = 0x30d5_0838;

#[test]
fn a_hole_s_abort_is_the_external_abort_linux_prints() {
    // "synchronous external abort: 0000000096000010" and its kin.
    assert_eq!(external_abort(0x9381_0007, EL1H, 1), 0x9600_0010, "load at EL1");
    assert_eq!(external_abort(0x9381_0047, EL1H, 1), 0x9600_0050, "store at EL1");
    assert_eq!(external_abort(0x9381_0007, EL0T, 1), 0x9200_0010, "load at EL0");
    assert_eq!(external_abort(0x9381_0047, USER32, 1), 0x9200_0050, "store of an AArch32 program");
    assert_eq!(external_abort(0x9200_0147, EL1H, 1), 0x9600_0150, "cache maintenance");
    assert_eq!(external_abort(0x8200_0006, EL1H, 1), 0x8600_0010);
    assert_eq!(external_abort(0x8200_0006, EL1T, 1), 0x8600_0010);
    assert_eq!(external_abort(0x8200_0007, EL0T, 1), 0x8200_0010);
    assert_eq!(undefined(), 0x0200_0000);
}

#[test]
fn an_abort_of_a_walk_says_so_and_at_which_level() {
    // "synchronous external abort (translation table walk)", ESR_EL2.S1PTW set; the level of stage 2 is not the walk's.
    assert_eq!(external_abort(0x9200_0087, EL1H, 1), 0x9600_0015, "load");
    assert_eq!(external_abort(0x9200_00c6, EL1H, 0), 0x9600_0054, "store");
    assert_eq!(external_abort(0x8200_0087, EL0T, 3), 0x8200_0017, "fetch");
    assert_eq!(external_abort(0x9200_0016, EL1H, 0), 0x9600_0016, "the bus's own word stays");
}

#[test]
fn a_walk_begins_where_size_and_granule_say() {
    const TABLE: u64 = 0x4020_3000;
    let lower = |tcr| walk_level(TABLE, 0x1000, tcr, [TABLE | 1 << 48 | 1, 0]);
    // T0SZ with 4 KiB, 64 KiB and 16 KiB granules.
    assert_eq!([16, 25, 32].map(lower), [0, 1, 1]);
    assert_eq!([16, 22, 25].map(|size| lower(size | 1 << 14)), [1, 2, 2]);
    assert_eq!([16, 17, 28].map(|size| lower(size | 2 << 14)), [0, 1, 2]);
    assert_eq!(lower(39), 2, "25 bits");
    let upper = |tcr| walk_level(TABLE, u64::MAX, tcr, [0, TABLE]);
    assert_eq!([2 << 30, 3 << 30, 1 << 30].map(|granule| upper(16 << 16 | granule)), [0, 1, 0]);
    // Not the first table: below.
    assert_eq!(walk_level(TABLE, 0, 25, [0x4000_0000, TABLE]), 2);
}

#[test]
fn the_vector_is_that_of_the_state_left() {
    let pc = |spsr| exception_entry(spsr, VBAR, SCTLR).pc;
    assert_eq!(pc(EL1T), VBAR, "EL1 on SP_EL0");
    assert_eq!(pc(EL1H), VBAR + 0x200);
    assert_eq!(pc(EL0T), VBAR + 0x400);
    assert_eq!(pc(USER32), VBAR + 0x600);
    assert_eq!(exception_entry(EL1H, VBAR | 0x7ff, SCTLR).pc, VBAR + 0x200, "VBAR[10:0] is no address");
    assert_eq!(exception_entry(EL1H, u64::MAX, SCTLR).pc, 0xffff_ffff_ffff_fa00);
}

#[test]
fn entry_is_at_el1h_with_all_masked() {
    assert_eq!(exception_entry(EL0T, VBAR, SCTLR).spsr, 0x3c5);
    assert_eq!(exception_entry(0x6000_0005, VBAR, SCTLR).spsr, 0x6000_03c5, "flags stay");
    let dit = 1 << 24;
    assert_eq!(exception_entry(EL0T | dit, VBAR, SCTLR).spsr, 0x3c5 | dit, "DIT stays");
    assert_eq!(exception_entry(USER32 | dit, VBAR, SCTLR).spsr, 0x3c5, "AArch32's J, at that place, does not");
    // IL, SS, BTYPE, UAO and TCO do not go over.
    assert_eq!(exception_entry(1 << 20 | 1 << 21 | 0b11 << 10 | 1 << 23 | 1 << 25 | 5, VBAR, SCTLR).spsr, 0x3c5);
}

#[test]
fn pan_is_set_unless_span_says_to_leave_it() {
    let pan = 1 << 22;
    assert_eq!(exception_entry(EL1H, VBAR, SCTLR & !(1 << 23)).spsr & pan, pan);
    assert_eq!(exception_entry(EL1H, VBAR, SCTLR).spsr & pan, 0);
    assert_eq!(exception_entry(EL1H | pan, VBAR, SCTLR).spsr & pan, pan);
}

#[test]
fn ssbs_is_what_dssbs_says() {
    let ssbs = 1 << 12;
    assert_eq!(exception_entry(EL1H | ssbs, VBAR, SCTLR).spsr & ssbs, 0);
    assert_eq!(exception_entry(EL1H, VBAR, SCTLR | 1 << 44).spsr & ssbs, ssbs);
}

proptest! {
    #[test]
    fn no_injection_leaves_el1(spsr: u64, vbar: u64, sctlr: u64, esr: u64, level: u64) {
        let Entry { pc, spsr: entered } = exception_entry(spsr, vbar, sctlr);
        prop_assert_eq!(entered & 0x1f, 0b0_0101);
        prop_assert_eq!(entered & 0x3c0, 0x3c0);
        prop_assert_eq!(pc.wrapping_sub(vbar & !0x7ff) & !0x600, 0);
        let abort = external_abort(esr & 0x3ff_ffff | 0x24 << 26, spsr, level);
        prop_assert!(abort >> 26 == 0x24 || abort >> 26 == 0x25);
        prop_assert!(matches!(abort & 0x3f, 0x10 | 0x14..=0x17));
    }
}
