//! Each table against the value it must have, and each bit against what its loss would open.
//!
//! The golden values are written down by hand: a row removed, added or moved makes one of them differ. `CONSEQUENCES`
//! says in words what a guest could do, or EL2 would lose, without each row: a row without a consequence is red too.
#![allow(clippy::pedantic, reason = "tests")]

extern crate std;
use super::*;
use crate::table::When;
use proptest::prelude::*;
use std::vec::Vec;

const REGISTERS: [Register; 17] = [
    HCR_EL2,
    HCRX_EL2,
    HFGXTR_EL2,
    CPTR_EL2,
    ZCR_EL2,
    SMCR_EL2,
    MDCR_EL2,
    CNTHCTL_EL2,
    HSTR_EL2,
    ICH_HCR_EL2,
    ICC_SRE_EL2,
    VTCR_EL2,
    TCR_EL2,
    MAIR_EL2,
    SCTLR_EL2,
    SCTLR_EL1,
    GUEST_PSTATE,
];

const ALL: Features = Features::POINTER_AUTH
    .and(Features::SVE)
    .and(Features::SME)
    .and(Features::MTE)
    .and(Features::RAS)
    .and(Features::SCXTNUM)
    .and(Features::HCX)
    .and(Features::MOPS)
    .and(Features::FGT)
    .and(Features::PMU)
    .and(Features::PMU_V3P1)
    .and(Features::PMU_V3P5)
    .and(Features::SPE)
    .and(Features::TRF)
    .and(Features::TCR2)
    .and(Features::SCTLR2)
    .and(Features::S1PIE)
    .and(Features::S1POE);

#[test]
fn every_register_has_its_golden_value_on_a_plain_and_on_a_full_cpu() {
    // Without any feature, with all of them.
    let golden: [(u64, u64); 17] = [
        (0x0000_0000_8038_003f, 0x0120_0310_8038_003f), // HCR_EL2
        (0, 0xc800),                                    // HCRX_EL2
        (0, 0x1ec0_0000_0000_0000),                     // HFGRTR_EL2, HFGWTR_EL2
        (0x0010_33ff, 0x0010_22ff),                     // CPTR_EL2
        (0xf, 0xf),                                     // ZCR_EL2
        (0xc000_000f, 0xc000_000f),                     // SMCR_EL2
        (0x0000_0c00, 0x008a_4c00),                     // MDCR_EL2
        (0x3, 0x3),                                     // CNTHCTL_EL2
        (0, 0),                                         // HSTR_EL2
        (0x1, 0x1),                                     // ICH_HCR_EL2
        (0xf, 0xf),                                     // ICC_SRE_EL2
        (0x8000_3540, 0x8000_3540),                     // VTCR_EL2
        (0x8080_3510, 0x8080_3510),                     // TCR_EL2
        (0x04ff, 0x04ff),                               // MAIR_EL2
        (0x30cd_183d, 0x30cd_183d),                     // SCTLR_EL2
        (0x30d5_0838, 0x30d5_0838),                     // SCTLR_EL1
        (0x3c5, 0x3c5),                                 // SPSR_EL2 of a guest
    ];
    for (register, (plain, full)) in REGISTERS.iter().zip(golden) {
        assert_eq!(register.value(Features::NONE), plain, "{} = {:#x}", register.name, register.value(Features::NONE));
        assert_eq!(register.value(ALL), full, "{} = {:#x}", register.name, register.value(ALL));
    }
}

/// Where interrupts are passed through, IRQs are the guest's; SGI registers go on trapping with `GICv3`.
#[test]
fn passed_through_what_routes_interrupts_is_different_and_nothing_else() {
    let (v3, v2) = (Features::PASSTHROUGH, Features::PASSTHROUGH.and(Features::PASSTHROUGH_V2));
    let usual = HCR_EL2.value(ALL);
    assert_eq!(HCR_EL2.value(ALL.and(v3)), usual & !(1 << 4) | 1 << 13);
    assert_eq!(HCR_EL2.value(ALL.and(v2)), usual & !(0b11 << 3) | 1 << 13);
    assert_eq!(ICH_HCR_EL2.value(ALL.and(v3)), 1 << 10);
}

/// What the loss of a row would mean.
const CONSEQUENCES: &[(&str, &str, &str)] = &[
    ("HCR_EL2", "VM", "a guest's address is a physical address: it owns the board"),
    ("HCR_EL2", "SWIO", "a guest's DC ISW throws away dirty lines of other cells and of EL2"),
    ("HCR_EL2", "PTW", "a guest's page table placed on a device makes the walker read its registers"),
    ("HCR_EL2", "FMO", "with passed-through interrupts a guest that masks FIQ is never regained, its SGI0R unfiltered"),
    ("HCR_EL2", "IMO", "a guest takes EL2's interrupts and sends SGIs to any CPU of the board"),
    ("HCR_EL2", "AMO", "an error of one cell's device is taken by whoever runs on that CPU, or lost"),
    ("HCR_EL2", "TWI", "passed through, a guest that masks all at its GIC and sleeps is never regained"),
    ("HCR_EL2", "TSC", "a guest calls firmware: turns CPUs of others on and off, resets the board"),
    ("HCR_EL2", "TIDCP", "a guest writes cluster controls: caches, prefetch, power of others' CPUs"),
    ("HCR_EL2", "TACR", "as TIDCP, by ACTLR_EL1"),
    ("HCR_EL2", "RW", "EL1 is AArch32: no guest starts"),
    ("HCR_EL2", "TERR", "a guest reads and clears error records of shared caches"),
    ("HCR_EL2", "APK", "a guest that sees pointer authentication traps on its first key"),
    ("HCR_EL2", "API", "a guest that sees pointer authentication traps on its first PACIA"),
    ("HCR_EL2", "EnSCXT", "a guest that sees CSV2_2 traps on SCXTNUM"),
    ("HCR_EL2", "ATA", "a guest that sees MTE finds its tags ignored"),
    ("HCRX_EL2", "MSCEn", "userlands die of SIGILL in memcpy"),
    ("HCRX_EL2", "TCR2En", "a guest that sees TCR2 traps on TCR2_EL1: Linux while it turns its MMU on"),
    ("HCRX_EL2", "SCTLR2En", "a guest that sees SCTLR2 traps on SCTLR2_EL1"),
    ("HFGXTR_EL2", "nSMPRI_EL1", "a guest that sees SME traps on SMPRI_EL1"),
    ("HFGXTR_EL2", "nTPIDR2_EL0", "a guest that sees SME traps on TPIDR2_EL0"),
    ("HFGXTR_EL2", "nPIRE0_EL1, nPIR_EL1", "a guest that sees S1PIE traps on PIR_EL1: Linux while it turns its MMU on"),
    ("HFGXTR_EL2", "nPOR_EL0, nPOR_EL1", "a guest that sees S1POE traps on POR_EL0"),
    ("CPTR_EL2", "RES1", "a reserved bit is written wrongly: a later CPU may give it any meaning"),
    ("CPTR_EL2", "TZ", "a reserved bit is written wrongly"),
    ("CPTR_EL2", "TSM", "a reserved bit is written wrongly"),
    ("CPTR_EL2", "TTA", "a guest programs the trace unit, which may write to memory by itself"),
    ("ZCR_EL2", "LEN", "the vector length is whatever reset left"),
    ("SMCR_EL2", "LEN", "the streaming vector length is whatever reset left"),
    ("SMCR_EL2", "EZT0", "a guest that sees SME2 traps on ZT0"),
    ("SMCR_EL2", "FA64", "instructions are illegal in streaming mode that ID registers show"),
    ("MDCR_EL2", "TDOSA", "a guest asks for a warm reset or powerdown by DBGPRCR_EL1"),
    ("MDCR_EL2", "TDRA", "a guest reads where the board's debug components are"),
    ("MDCR_EL2", "TPMS", "a guest samples what EL2 executes"),
    ("MDCR_EL2", "HPMD", "a guest counts what EL2 executes for it"),
    ("MDCR_EL2", "TTRF", "a guest opens the trace filter"),
    ("MDCR_EL2", "HCCD", "a guest's cycle counter shows how long its exits take"),
    ("CNTHCTL_EL2", "EL1PCTEN", "a guest's read of CNTPCT_EL0 is an exit of no known class"),
    ("CNTHCTL_EL2", "EL1PCEN", "a guest's physical timer is an exit of no known class"),
    ("ICH_HCR_EL2", "En", "no virtual interrupt arrives"),
    (
        "ICH_HCR_EL2",
        "TC",
        "passed through, a guest's priority mask and its deactivations go to an interface that nobody hears",
    ),
    ("ICC_SRE_EL2", "SRE", "EL2's own ICC_* accesses are undefined"),
    ("ICC_SRE_EL2", "DFB", "a legacy FIQ line bypasses the GIC"),
    ("ICC_SRE_EL2", "DIB", "a legacy IRQ line bypasses the GIC"),
    ("ICC_SRE_EL2", "Enable", "a guest's access to ICC_SRE_EL1 is an exit"),
    ("VTCR_EL2", "SL0", "walks start at level 2, on a root that was written for level 1"),
    ("VTCR_EL2", "IRGN0, ORGN0, SH0", "the walker reads stale tables from memory"),
    ("VTCR_EL2", "RES1", "a reserved bit is written wrongly"),
    ("TCR_EL2", "T0SZ", "the input range has no root level that fits"),
    ("TCR_EL2", "IRGN0, ORGN0, SH0", "the walker reads stale tables from memory"),
    ("TCR_EL2", "RES1", "a reserved bit is written wrongly"),
    ("MAIR_EL2", "Attr0", "EL2's memory is device memory: unaligned loads and exclusives fault"),
    ("MAIR_EL2", "Attr1", "device writes wait for their end point: nGnRnE"),
    ("SCTLR_EL2", "M", "EL2 runs untranslated: no W^X, no guard pages"),
    ("SCTLR_EL2", "C", "EL2's stores bypass caches that guests and walkers read"),
    ("SCTLR_EL2", "SA", "a broken stack pointer is used"),
    ("SCTLR_EL2", "I", "every fetch goes to memory"),
    ("SCTLR_EL2", "WXN", "a wrong descriptor makes a writable page executable in EL2"),
    ("SCTLR_EL2", "RES1", "a reserved bit is written wrongly"),
    ("SCTLR_EL1", "SA, SA0", "a guest relying on reset state sees other stack checks"),
    ("SCTLR_EL1", "CP15BEN", "an AArch32 program's barrier is undefined"),
    ("SCTLR_EL1", "nTWI, nTWE", "EL0's WFI and WFE trap to a guest that does not expect it"),
    ("SCTLR_EL1", "RES1", "a reserved bit is written wrongly"),
    ("GUEST_PSTATE", "M", "the guest starts at EL0"),
    ("GUEST_PSTATE", "F, I, A, D", "an interrupt hits a guest before its vectors are set"),
];

#[test]
fn every_bit_has_a_consequence_and_every_consequence_its_bit() {
    let rows: Vec<_> = REGISTERS.iter().flat_map(|r| r.words.iter().map(|&(bit, _)| (r.name, bit))).collect();
    let known: Vec<_> = CONSEQUENCES.iter().map(|&(register, bit, _)| (register, bit)).collect();
    assert_eq!(rows, known);
}

#[test]
fn losing_any_one_row_changes_the_value() {
    for register in &REGISTERS {
        let rows: Vec<_> = register.rows.iter().zip(register.words).map(|(&row, &(name, _))| (name, row)).collect();
        assert_eq!((rows.len(), rows.len()), (register.rows.len(), register.words.len()));
        for (lost, &(name, (value, when))) in rows.iter().enumerate() {
            let features = match when {
                When::Without(_) => Features::NONE,
                When::With(feature) => ALL.and(feature),
                When::Always => ALL,
            };
            let rest = rows.iter().enumerate().filter(|&(i, &(_, (_, when)))| {
                i != lost
                    && match when {
                        When::Always => true,
                        When::With(f) => features.has(f),
                        When::Without(f) => !features.has(f),
                    }
            });
            let without = rest.fold(0, |all, (_, &(_, (value, _)))| all | value);
            assert_eq!(register.value(features), without | value, "{}", register.name);
            assert_ne!(register.value(features), without, "{} {name} is worth nothing", register.name);
        }
    }
}

/// The rows of the tables of what is left clear, from the registers' documentation: register, bit, mask, why.
fn clear() -> Vec<(&'static str, &'static str, u64, &'static str)> {
    let sources = [include_str!("traps.rs"), include_str!("translation.rs"), include_str!("guest.rs")];
    let (mut rows, mut found) = (Vec::new(), Vec::new());
    for line in sources.iter().flat_map(|source| source.lines()).map(str::trim) {
        if let Some(row) =
            line.strip_prefix("/// |").filter(|row| !row.starts_with("---") && !row.starts_with(" clear"))
        {
            let [bits, places, why] = cells(row)[..] else { panic!("{row}") };
            let mask = places.split(", ").fold(0, |mask, place| {
                let (high, low) = place.split_once(':').unwrap_or((place, place));
                let (high, low): (u32, u32) = (high.parse().unwrap(), low.parse().unwrap());
                mask | (low..=high).fold(0, |mask, n| mask | 1 << n)
            });
            found.push((bits, mask, why));
        } else if let Some(name) = line.strip_suffix(" {").or(line.strip_suffix(" {}"))
            && let Some(register) = REGISTERS.iter().find(|register| register.name == name)
        {
            rows.extend(found.drain(..).map(|(bits, mask, why)| (register.name, bits, mask, why)));
        }
    }
    assert!(found.is_empty(), "{found:?}");
    rows
}

#[test]
fn what_is_left_clear_is_clear_on_every_cpu_and_says_why() {
    let clear = clear();
    assert_eq!(clear.len(), 53, "a reason came or went");
    for (name, bits, mask, why) in clear {
        assert!(mask != 0 && !bits.is_empty() && !why.is_empty(), "{name} {bits}");
        let register = REGISTERS.iter().find(|register| register.name == name).unwrap();
        for features in [Features::NONE, ALL] {
            assert_eq!(register.value(features) & mask, 0, "{name} {bits}");
        }
    }
}

#[test]
fn every_row_that_is_set_says_why() {
    for register in &REGISTERS {
        assert!(register.rows.iter().all(|(value, _)| *value != 0), "{}", register.name);
        assert!(register.words.iter().all(|(name, why)| !name.is_empty() && !why.is_empty()), "{}", register.name);
    }
}

#[test]
fn no_two_rows_of_a_register_name_the_same_bit() {
    for register in &REGISTERS {
        let clear = clear().into_iter().filter(|row| row.0 == register.name).map(|row| row.2);
        register.rows.iter().map(|row| row.0).chain(clear).fold(0, |seen, mask| {
            assert_eq!(seen & mask, 0, "{} {mask:#x}", register.name);
            seen | mask
        });
    }
}

#[test]
fn output_sizes_stop_at_what_the_granule_has() {
    assert_eq!(vtcr_el2(2), 0x8002_3559); // cortex-a53: 40 bits
    assert_eq!(vtcr_el2(4), 0x8004_3559); // cortex-a72: 44 bits
    assert_eq!(vtcr_el2(5), 0x8005_3559);
    assert_eq!(vtcr_el2(6), vtcr_el2(5), "52 bits: PS = 6 would fault on the first walk");
    assert_eq!(vtcr_el2(0) & 0x3f, 32, "a stage-2 input may not be larger than the CPU's addresses");
    assert_eq!(vtcr_el2(1) & 0x3f, 28);
    assert_eq!(tcr_el2(4), 0x8084_3510);
    assert_eq!(tcr_el2(6), tcr_el2(5));
}

#[test]
fn counters_go_to_the_guest_where_there_is_a_pmu() {
    assert_eq!(mdcr_el2(Features::PMU, 6), 0xc06);
    assert_eq!(mdcr_el2(Features::NONE, 6), 0xc00);
    assert_eq!(mdcr_el2(Features::PMU, u64::MAX) & !0x1f, 0xc00, "the count stays in its field");
}

#[test]
fn a_vcpu_knows_its_number_and_nothing_of_the_board() {
    assert_eq!(vmpidr_el2(0), 0x8000_0000);
    assert_eq!(vmpidr_el2(3), 0x8000_0003);
}

#[test]
fn features_are_read_where_id_registers_hold_them() {
    // What QEMU's CPUs show.
    assert_eq!(Features::read([0x2222, 0, 0, 0, 0, 0, 0, 0x1030_5106]), Features::PMU);
    assert_eq!(Features::read([0; 8]), Features::NONE);
    let one =
        |register: usize, value: u64| Features::read(core::array::from_fn(|n| if n == register { value } else { 0 }));
    let [pfr0, pfr1, isar1, isar2, mmfr0, mmfr1, mmfr3, dfr0] = [0, 1, 2, 3, 4, 5, 6, 7];
    for shift in [4, 8, 24, 28] {
        assert_eq!(one(isar1, 1 << shift), Features::POINTER_AUTH);
    }
    for shift in [8, 12] {
        assert_eq!(one(isar2, 1 << shift), Features::POINTER_AUTH);
    }
    assert_eq!(one(isar2, 1 << 16), Features::MOPS);
    assert_eq!(one(pfr0, 1 << 32), Features::SVE);
    assert_eq!(one(pfr0, 1 << 28), Features::RAS);
    assert_eq!(one(pfr0, 1 << 56), Features::NONE);
    assert_eq!(one(pfr0, 2 << 56), Features::SCXTNUM);
    assert_eq!(one(pfr1, 2 << 32), Features::SCXTNUM);
    assert_eq!(one(pfr1, 1 << 8), Features::NONE);
    assert_eq!(one(pfr1, 2 << 8), Features::MTE);
    assert_eq!(one(pfr1, 1 << 24), Features::SME);
    assert_eq!(one(mmfr0, 1 << 56), Features::FGT);
    assert_eq!(one(mmfr1, 1 << 40), Features::HCX);
    assert_eq!(one(dfr0, 1 << 32), Features::SPE);
    assert_eq!(one(dfr0, 1 << 40), Features::TRF);
    assert_eq!(one(mmfr3, 1 << 0), Features::TCR2);
    assert_eq!(one(mmfr3, 1 << 4), Features::SCTLR2);
    assert_eq!(one(mmfr3, 1 << 8), Features::S1PIE);
    assert_eq!(one(mmfr3, 1 << 16), Features::S1POE);
    assert_eq!(one(dfr0, 0xf << 8), Features::NONE, "an implementation-defined PMU is none");
    assert_eq!(one(dfr0, 4 << 8), Features::PMU.and(Features::PMU_V3P1));
    let v3p5 = Features::PMU.and(Features::PMU_V3P1).and(Features::PMU_V3P5);
    assert_eq!(one(dfr0, 6 << 8), v3p5);
}

proptest! {
    #[test]
    fn no_id_register_takes_a_trap_away_that_a_plain_cpu_has(pfr0: u64, pfr1: u64, isar1: u64, isar2: u64, dfr0: u64) {
        let features = Features::read([pfr0, pfr1, isar1, isar2, 0, 0, 0, dfr0]);
        prop_assert_eq!(HCR_EL2.value(features) & 0xffff_ffff, HCR_EL2.value(Features::NONE));
        prop_assert_eq!(mdcr_el2(features, 0) & 0xc00, 0xc00);
        prop_assert_eq!(CPTR_EL2.value(features) & !(1 << 8 | 1 << 12), 0x0010_22ff);
    }
}

#[test]
fn stage1_is_asked_on_a_cortex_a57_to_r1p2_alone() {
    let midr = |part: u64, variant: u64, revision: u64| 0x410f_0000 | variant << 20 | part << 4 | revision;
    for (part, variant, revision, expected) in [
        (0xd07, 0, 0, true),
        (0xd07, 1, 0, true), // QEMU's
        (0xd07, 1, 2, true),
        (0xd07, 1, 3, false),
        (0xd07, 2, 0, false),
        (0xd03, 0, 4, false),
        (0xd08, 0, 3, false),
        (0xd0b, 0, 0, false),
    ] {
        assert_eq!(stage1_hidden(midr(part, variant, revision)), expected, "{part:#x} r{variant}p{revision}");
    }
    assert!(!stage1_hidden(0x420f_d070), "another maker's");
}

#[test]
fn every_erratum_of_the_documentation_has_condition_deed_and_test() {
    let text = include_str!("../../../docs/cpus.md");
    let (_, table) = text.split_once("## Errata").unwrap();
    let rows: Vec<Vec<&str>> = table.lines().filter(|line| line.starts_with("| ")).skip(1).map(cells).collect();
    assert!(rows.len() >= 15);
    for row in &rows {
        assert!(row.len() == 5 && row.iter().all(|cell| !cell.is_empty()), "{row:?}");
        assert!(["A53", "A57", "A72", "A76"].iter().any(|cpu| row[1].contains(cpu)), "{row:?}");
    }
    let here: Vec<_> = rows.iter().filter(|row| row[3].contains("stage1_hidden")).collect();
    assert!(here.len() == 1 && here[0][0] == "834220" && here[0][1] == "A57 to r1p2", "{here:?}");
}

fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split(" | ").map(str::trim).collect()
}
