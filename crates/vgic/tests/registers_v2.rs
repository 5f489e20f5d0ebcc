//! What a guest reads, writes and is given on GICv2 (IHI 0048B sections cited); what both versions share is tested once.
#![allow(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "tests"
)]
mod fake;
use fake::Version::V2;
use fake::{Cell, DOORBELL, EDGE, TIMER, UART, UNOWNED};

const IGROUPR: u64 = 0x80;
const ISENABLER: u64 = 0x100;
const ICENABLER: u64 = 0x180;
const ISPENDR: u64 = 0x200;
const ICPENDR: u64 = 0x280;
const ISACTIVER: u64 = 0x300;
const IPRIORITYR: u64 = 0x400;
const ITARGETSR: u64 = 0x800;
const ICFGR: u64 = 0xc00;
const CPENDSGIR: u64 = 0xf10;
const SPENDSGIR: u64 = 0xf20;

// 4.3.1, 4.3.2, 4.3.18
#[test]
fn identification_registers_tell_a_gicv2_without_security_extensions() {
    let mut c = Cell::of(V2, 3, 4);
    assert_eq!(c.read(0, 0x4), 2 << 5 | 2, "3 CPUs, 96 lines, no SecurityExtn");
    assert_eq!(c.read(0, 0xfe8) >> 4 & 0xf, 2);
    assert_eq!(c.read(0, 0xffe8), 0, "no GICv3");
    c.write(0, 0, u32::MAX);
    assert_eq!(c.read(1, 0), 1, "one enable");
}

// 4.3.4: without security extensions and group 1 support
#[test]
fn every_interrupt_is_in_group_0() {
    let mut c = Cell::running_of(V2, 2, 4);
    for w in 0..3 {
        c.write(0, IGROUPR + 4 * w, u32::MAX);
        assert_eq!(c.read(0, IGROUPR + 4 * w), 0);
    }
    c.sgi(0, 3 << 24 | 0b10);
    c.arrive();
    assert!(c.hw.cpus[1].lr.iter().all(|lr| lr & vgic::ListRegister::GROUP1 == 0));
    assert_eq!(c.drain(1), [3]);
}

// 4.1.4: word 0 is banked
#[test]
fn private_interrupts_are_those_of_the_accessing_vcpu() {
    let mut c = Cell::of(V2, 2, 4);
    c.write(1, ISENABLER, 1 << TIMER);
    c.write_sized(1, IPRIORITYR + u64::from(TIMER), 1, 0x40);
    c.write(1, ISACTIVER, 1 << 30);
    assert_eq!((c.read(0, ISENABLER), c.read(1, ISENABLER)), (0xffff, 0xffff | 1 << TIMER));
    assert_eq!((c.read(0, IPRIORITYR + 24), c.read(1, IPRIORITYR + 24)), (0, 0x4000_0000));
    assert_eq!((c.read(0, ISACTIVER), c.read(1, ISACTIVER)), (0, 1 << 30));
    assert!(c.hw.line(1, TIMER).enabled && !c.hw.line(0, TIMER).enabled);
}

// 4.3.5, 4.3.7: SGIs are always enabled, their pending bits read-only
#[test]
fn sgis_can_neither_be_disabled_nor_pended_by_bits() {
    let mut c = Cell::running_of(V2, 2, 4);
    c.write(1, ICENABLER, 0xffff);
    assert_eq!(c.read(1, ISENABLER) & 0xffff, 0xffff);
    c.write(1, ISPENDR, 0xffff);
    assert!(c.drain(1).is_empty());
    c.sgi(0, 5 << 24 | 0b10);
    c.arrive();
    c.write(1, ICPENDR, 0xffff);
    assert_eq!(c.read(1, ISPENDR), 1 << 5);
    assert_eq!(c.drain(1), [5]);
}

// 4.3.12
#[test]
fn private_targets_tell_a_vcpu_its_own_bit() {
    let mut c = Cell::of(V2, 3, 4);
    for v in 0..3 {
        c.write(v, ITARGETSR, u32::MAX);
        assert_eq!(c.read(v, ITARGETSR), 0x0101_0101 << v);
        assert_eq!(c.read_sized(v, ITARGETSR + 31, 1), 1 << v);
    }
}

#[test]
fn targets_take_bytes_and_words_and_only_vcpus_that_exist() {
    let mut c = Cell::of(V2, 2, 4);
    assert_eq!(c.read(0, ITARGETSR + 32), 0, "reset: to nobody");
    c.write(0, ITARGETSR + 32, 0xff03_0201);
    assert_eq!(c.read(1, ITARGETSR + 32), 0x0303_0201);
    c.write_sized(0, ITARGETSR + 33, 1, 1);
    assert_eq!(c.read_sized(0, ITARGETSR + 33, 1), 1);
    assert_eq!(c.read_sized(0, ITARGETSR + 32, 2), 0, "no halfword access");
    c.write(0, ITARGETSR + 0x60, u32::MAX);
    assert_eq!(c.read(0, ITARGETSR + 0x60), 0, "past the last line");
}

// 3.2.3: 1-N, we choose the lowest
#[test]
fn an_spi_goes_to_the_lowest_of_its_targets_and_without_one_waits() {
    let mut c = Cell::running_of(V2, 3, 4);
    let at = ITARGETSR + u64::from(DOORBELL);
    c.write_sized(0, at, 1, 0b110);
    c.pulse(DOORBELL);
    assert_eq!((c.drain(0), c.drain(1), c.drain(2)), (vec![], vec![DOORBELL], vec![]));
    c.write_sized(0, at, 1, 0);
    c.pulse(DOORBELL);
    assert!((0..3).all(|v| c.drain(v).is_empty()));
    c.write_sized(0, at, 1, 0b100);
    assert_eq!(c.drain(2), [DOORBELL]);
    c.write_sized(0, ITARGETSR + u64::from(EDGE), 1, 0b110);
    assert_eq!(c.hw.line(0, EDGE).route, 1);
}

#[test]
fn a_single_vcpu_gets_every_spi_whatever_it_writes() {
    let mut c = Cell::running_of(V2, 1, 4);
    c.write(0, ITARGETSR + u64::from(DOORBELL & !3), 0);
    assert_eq!((c.read(0, ITARGETSR), c.read(0, ITARGETSR + 32)), (0x0101_0101, 0x0101_0101));
    c.pulse(DOORBELL);
    assert_eq!(c.drain(0), [DOORBELL]);
}

#[test]
fn unowned_lines_keep_what_is_written_and_never_fire() {
    let mut c = Cell::running_of(V2, 2, 4);
    c.route(0, UNOWNED, 1);
    c.poke(0, ISENABLER, UNOWNED);
    c.poke(0, ISPENDR, UNOWNED); // the fake panics if hardware is asked
    c.poke(0, ISACTIVER, UNOWNED);
    assert!(c.peek(0, ISENABLER, UNOWNED));
    assert_eq!(c.target(UNOWNED), 1);
    c.arrive();
    assert!(c.drain(0).is_empty() && c.drain(1).is_empty());
}

// 4.3.13
#[test]
fn configuration_is_a_shadow() {
    let mut c = Cell::of(V2, 1, 4);
    c.write(0, ICFGR, 0);
    assert_eq!(c.read(0, ICFGR), 0xaaaa_aaaa, "SGIs are edges");
    c.write(0, ICFGR + 12, u32::MAX);
    assert_eq!(c.read(0, ICFGR + 12), 0xaaaa_aaaa);
}

// 4.3.15
#[test]
fn sgir_decodes_its_filters() {
    let d = |v| vgic::sgir(v, 1, 3);
    assert_eq!((d(0xff << 16 | 5).targets, d(5).targets), (0b111, 0), "a list, of this cell's");
    assert_eq!(
        (d(1 << 24 | 0xff << 16).targets, d(2 << 24).targets, d(3 << 24 | 0xff << 16).targets),
        (0b101, 0b10, 0)
    );
    assert_eq!((d(1 << 15 | 0x7f5).bit, d(5).sender), (1 << (16 + 5), 0b10));
}

// 3.2.2: one SGI from two CPUs is taken twice, each time with its sender
#[test]
fn sgi_pending_from_two_sources_comes_twice() {
    for lrs in [1, 4] {
        let mut c = Cell::running_of(V2, 4, lrs);
        for from in [3, 1, 3] {
            c.sgir(from, 0b100 << 16 | 7);
            c.arrive();
        }
        assert_eq!(c.read_sized(2, SPENDSGIR + 7, 1), 0b1010);
        let mut came = c.drain_senders(2);
        came.sort_unstable();
        assert_eq!(came, [(7, 1), (7, 3)]);
        assert_eq!((c.read(2, SPENDSGIR + 4), c.read(2, ISPENDR)), (0, 0));
    }
}

#[test]
fn sgi_from_another_source_during_the_handler_comes_after_it() {
    let mut c = Cell::running_of(V2, 4, 4);
    c.sgir(1, 0b100 << 16 | 7);
    c.exits(2);
    assert_eq!(c.iar(2), Some(1 << 10 | 7));
    c.sgir(1, 1 << 24 | 7);
    c.sgir(0, 0b100 << 16 | 7);
    c.exits(2);
    assert_eq!(c.iar(2), None);
    let active = c.hw.cpus[2].lr.iter().find(|lr| *lr >> 63 != 0).expect("one is active");
    assert_eq!(active >> 32 & 7, 1, "its sender stays for GICV_EOIR");
    c.eoi(2, 7);
    let mut came = c.drain_senders(2);
    came.sort_unstable();
    assert_eq!(came, [(7, 0), (7, 1)]);
}

#[test]
fn the_sender_of_an_active_sgi_survives_a_fold() {
    let mut c = Cell::running_of(V2, 4, 4);
    c.sgir(3, 1 << 16 | 7);
    c.exits(0);
    assert_eq!(c.iar(0), Some(3 << 10 | 7));
    c.hw.cpu = 0;
    let kicks = c.vgic.fold(0, &mut c.hw);
    c.send(kicks);
    c.sync(0);
    assert_eq!(c.hw.cpus[0].lr[0] >> 32 & 7, 3);
    c.eoi(0, 7);
    assert!(c.drain(0).is_empty());
}

// 4.3.16, 4.3.17: byte-accessible, a byte of senders each
#[test]
fn senders_can_be_set_and_cleared() {
    let mut c = Cell::running_of(V2, 2, 4);
    c.write(1, SPENDSGIR + 4, 0x0300_0001);
    assert_eq!((c.read(1, SPENDSGIR + 4), c.read(1, CPENDSGIR + 4)), (0x0300_0001, 0x0300_0001));
    assert_eq!(c.read(0, SPENDSGIR + 4), 0, "banked");
    assert_eq!(c.listed(1).len(), 2);
    c.write_sized(1, CPENDSGIR + 7, 1, 1);
    assert_eq!(c.drain_senders(1), [(4, 0), (7, 1)]);
    c.write_sized(1, SPENDSGIR, 1, 0xfc);
    assert_eq!(c.read(1, SPENDSGIR), 0, "no such vCPUs");
}

#[test]
fn a_reset_forgets_senders_and_targets() {
    let mut c = Cell::running_of(V2, 2, 4);
    c.sgir(0, 0b10 << 16 | 1);
    c.sgir(1, 0b10 << 16 | 1);
    c.arrive();
    for v in 0..2 {
        c.hw.cpu = v;
        let _ = c.vgic.fold(v, &mut c.hw);
    }
    c.vgic.reset(&mut c.hw);
    c.kicked = 0;
    c.inboxes.iter().for_each(vgic::Inbox::clear);
    assert_eq!((c.read(1, SPENDSGIR), c.read(1, ISENABLER), c.read(0, ITARGETSR + 32)), (0, 0xffff, 0));
    assert!(c.drain(1).is_empty());
}

#[test]
fn timer_and_level_line_come_as_on_gicv3() {
    let mut c = Cell::running_of(V2, 2, 4);
    c.hw.line(1, TIMER).level = true;
    c.exits(1);
    assert_eq!(c.ack(1), Some(TIMER));
    c.hw.line(1, TIMER).level = false;
    c.eoi(1, TIMER);
    assert!(!c.hw.line(1, TIMER).active, "HW = 1 deactivates");
    c.route(0, UART, 1);
    c.set_line(UART, true);
    c.exits(1);
    assert_eq!(c.ack(1), Some(UART));
    c.set_line(UART, false);
    c.exits(1);
    c.eoi(1, UART);
    assert!(c.drain(1).is_empty());
}

#[test]
fn what_is_not_there_reads_zero_and_takes_anything() {
    let mut c = Cell::of(V2, 2, 4);
    for offset in (0xd00..0x10010_u64).step_by(2).filter(|o| !matches!(o, 0xf00..0xf30 | 0xfd0..0x1000)) {
        for size in [1, 2, 4, 8] {
            c.write_sized(0, offset, size, u64::MAX);
            assert_eq!(c.read_sized(0, offset, size), 0, "{offset:#x}");
        }
    }
    c.write(0, vgic::SGIR, 0xff_0000);
    assert_eq!((c.read(0, vgic::SGIR), c.kicked | c.posted), (0, 0), "SGIR goes by `sgir`");
}
