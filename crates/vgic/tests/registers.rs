//! What a guest reads and writes: GICv3's registers (IHI 0069H sections cited).
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
use fake::{Cell, DOORBELL, EDGE, LEVEL, TIMER, UNOWNED};

const ISENABLER: u64 = 0x100;
const ICENABLER: u64 = 0x180;
const ISPENDR: u64 = 0x200;
const ICPENDR: u64 = 0x280;
const ISACTIVER: u64 = 0x300;
const ICACTIVER: u64 = 0x380;

// 12.9 GICD_TYPER, GICD_PIDR2, GICD_CTLR
#[test]
fn identification_registers_tell_a_gicv3_with_one_security_state() {
    let mut c = Cell::new(2, 4);
    assert_eq!(c.read(0, 0x0), 0x50);
    assert_eq!(c.read(0, 0x4) & 0x1f, 2, "96 lines");
    assert_eq!(c.read(0, 0x4) >> 19 & 0x1f, 9);
    assert_eq!(c.read(0, 0xffe8) >> 4 & 0xf, 3);
    assert_eq!(c.read_r(0, 1, 0xffe8) >> 4 & 0xf, 3);
    c.write(0, 0, u32::MAX);
    assert_eq!(c.read(1, 0), 0x53);
}

// 12.11 GICR_TYPER
#[test]
fn redistributors_tell_affinity_and_the_last_one() {
    let mut c = Cell::new(2, 4);
    assert_eq!((c.read_r(0, 0, 8), c.read_r(0, 0, 0xc)), (0, 0));
    assert_eq!((c.read_r(0, 1, 8), c.read_r(0, 1, 0xc)), (1 << 8 | 1 << 4, 1));
    assert_eq!(c.read_r_sized(0, 1, 8, 8), 1 << 32 | 1 << 8 | 1 << 4);
}

// 12.11 GICR_WAKER: ChildrenAsleep follows ProcessorSleep
#[test]
fn waker_wakes() {
    let mut c = Cell::new(2, 4);
    assert_eq!(c.read_r(0, 1, 0x14), 6);
    c.write_r(1, 1, 0x14, 0);
    assert_eq!((c.read_r(0, 1, 0x14), c.read_r(0, 0, 0x14)), (0, 6));
}

// 12.8: with affinity routing the distributor's word 0 is RAZ/WI
#[test]
fn private_interrupts_are_not_in_the_distributor() {
    let mut c = Cell::new(1, 4);
    for base in [0x80, ISENABLER, ISPENDR, ISACTIVER, 0x400, 0xc04] {
        c.write(0, base, u32::MAX);
        assert_eq!(c.read(0, base), 0, "{base:#x}");
    }
    assert_eq!(c.read_r(0, 0, 0x10100), 0);
}

// 12.9 GICD_ICFGR, GICR_ICFGR0 read-only
#[test]
fn configuration_is_a_shadow_two_bits_each() {
    let mut c = Cell::new(1, 4);
    assert_eq!(c.read_r(0, 0, 0x10c00), 0xaaaa_aaaa);
    c.write_r(0, 0, 0x10c00, 0);
    assert_eq!(c.read_r(0, 0, 0x10c00), 0xaaaa_aaaa);
    assert_eq!(c.read(0, 0xc08), 2 << ((EDGE - 32) * 2));
    c.write(0, 0xc0c, 0xffff_ffff);
    assert_eq!(c.read(0, 0xc0c), 0xaaaa_aaaa);
    assert_eq!(c.read(0, 0xc08), 2 << ((EDGE - 32) * 2));
    c.write(0, 0xc0c, 0x0000_0008);
    assert_eq!(c.read(0, 0xc0c), 0x0000_0008);
}

// 12.9 GICD_IPRIORITYR: byte accessible, unimplemented low bits RAZ/WI (4.8.6)
#[test]
fn priorities_take_bytes_and_words_and_the_implemented_bits() {
    let mut c = Cell::new(1, 4);
    c.write_sized(0, 0x421, 1, 0xff);
    assert_eq!(c.read(0, 0x420), 0xf800);
    c.write(0, 0x420, 0x1020_3040);
    assert_eq!(c.read_sized(0, 0x422, 1), 0x20);
    assert_eq!(c.read_sized(0, 0x422, 2), 0, "no halfword access");
    c.write(0, 0x41c, u32::MAX);
    assert_eq!(c.read(0, 0x41c), 0);
    c.write(0, 0x460, u32::MAX);
    assert_eq!(c.read(0, 0x460), 0, "past the last line");
}

#[test]
fn unowned_lines_keep_what_is_written_and_never_fire() {
    let mut c = Cell::running(2, 4);
    c.route(0, UNOWNED, 1);
    c.poke(0, ISENABLER, UNOWNED);
    c.poke(0, ISPENDR, UNOWNED); // the fake panics if hardware is asked
    c.poke(0, ISACTIVER, UNOWNED);
    assert!(c.peek(0, ISENABLER, UNOWNED));
    assert_eq!(c.read_sized(0, 0x6000 + 8 * u64::from(UNOWNED), 8), 1);
    c.arrive();
    assert!(c.drain(0).is_empty() && c.drain(1).is_empty());
    c.poke(0, ICENABLER, UNOWNED);
    assert!(!c.peek(1, ISENABLER, UNOWNED));
}

// peers: 64-bit IROUTER written as two halves
#[test]
fn router_takes_halves() {
    let mut c = Cell::running(2, 4);
    let at = 0x6000 + 8 * u64::from(DOORBELL);
    c.write(0, at, 1);
    c.write(0, at + 4, 0);
    assert_eq!((c.read_sized(0, at, 8), c.read(0, at), c.read(0, at + 4)), (1, 1, 0));
    c.pulse(DOORBELL);
    assert_eq!((c.drain(0), c.drain(1)), (vec![], vec![DOORBELL]));
}

#[test]
fn an_interrupt_routed_to_nobody_waits() {
    let mut c = Cell::running(2, 4);
    c.route(0, DOORBELL, 0x100);
    c.pulse(DOORBELL);
    assert!(c.drain(0).is_empty() && c.drain(1).is_empty());
    c.route(0, DOORBELL, 1);
    assert_eq!(c.drain(1), [DOORBELL]);
}

// 12.2 ICC_SGI1R_EL1
#[test]
fn sgi1r_decodes() {
    let d = |v| vgic::sgi1r(v, 1, 4, false);
    assert_eq!((d(5 << 24 | 0b1101).targets, d(5 << 24 | 0b1101).bit), (0b1101, 1 << 5));
    assert_eq!(d(1 << 40).targets, 0b1101, "IRM: all but self");
    assert_eq!(d(0xffff).targets, 0b1111, "only the own cell's");
    for outside in [1 << 16, 1 << 32, 1 << 48, 1 << 44] {
        assert_eq!(d(outside | 0xf).targets, 0, "{outside:#x}");
    }
}

// 12.9 GICD_CTLR.RWP: a write has taken effect when it is done, in other vCPUs' list registers too
#[test]
fn a_disable_is_done_when_the_write_is() {
    let mut c = Cell::running(2, 4);
    c.route(0, DOORBELL, 1);
    c.pulse(DOORBELL);
    c.arrive();
    c.poke(0, ICENABLER, DOORBELL);
    assert!(c.retries > 0 && c.listed(1).is_empty());
    assert_eq!((c.read(0, 0) >> 31, c.read_r(0, 1, 0) >> 3 & 1), (0, 0));
    assert!(c.drain(1).is_empty());
    c.poke(0, ISENABLER, DOORBELL);
    assert_eq!(c.drain(1), [DOORBELL]);
}

// While one vCPU waits for others, a second one that wants the same waits for the first; a vCPU that stops gives way.
#[test]
fn an_access_waits_for_another_vcpus_and_a_stopped_one_gives_way() {
    let mut c = Cell::running(3, 4);
    c.pulse(DOORBELL);
    c.arrive();
    let disable = |c: &mut Cell, cpu: usize| {
        c.hw.cpu = cpu;
        let write = Some(1 << (DOORBELL - 64));
        let access = vgic::Access { redistributors: false, offset: ICENABLER + 8, size: 4, write };
        c.vgic.access(cpu, &access, &mut c.hw)
    };
    assert_eq!(disable(&mut c, 1), (None, vgic::Kicks(1)));
    assert_eq!(disable(&mut c, 2), (None, vgic::Kicks(0)));
    c.sync(0);
    assert!(c.listed(0).is_empty(), "not refilled before the access is done");
    c.hw.cpu = 1;
    let kicks = c.vgic.fold(1, &mut c.hw);
    c.send(kicks);
    c.arrive();
    assert_eq!(c.listed(0).len(), 1, "vCPU 1 is off and did not disable it");
    assert_eq!(disable(&mut c, 2), (None, vgic::Kicks(1)));
    c.sync(0);
    assert!(disable(&mut c, 2).0.is_some());
    assert!(c.drain(0).is_empty());
}

#[test]
fn state_inside_another_vcpus_list_register_is_read_exactly() {
    let mut c = Cell::running(2, 4);
    c.pulse(DOORBELL);
    c.arrive();
    assert!(c.peek(1, ISPENDR, DOORBELL) && !c.peek(1, ISACTIVER, DOORBELL));
    c.arrive();
    assert_eq!(c.ack(0), Some(DOORBELL));
    assert!(!c.peek(1, ISPENDR, DOORBELL) && c.peek(1, ISACTIVER, DOORBELL));
    assert!(c.retries > 0);
    c.eoi(0, DOORBELL);
    c.exits(0);
    assert!(!c.peek(1, ISPENDR, DOORBELL) && !c.peek(1, ISACTIVER, DOORBELL));
}

#[test]
fn active_state_can_be_set_and_cleared_from_anywhere() {
    let mut c = Cell::running(2, 4);
    for intid in [DOORBELL, EDGE] {
        c.poke(1, ISACTIVER, intid);
        c.arrive();
        assert!(c.peek(0, ISACTIVER, intid) && c.peek(1, ISACTIVER, intid));
        if intid == EDGE {
            c.hw.line(0, EDGE).latch = true
        } else {
            c.pulse(intid)
        }
        assert!(c.drain(0).is_empty(), "active: not taken");
        c.poke(1, ICACTIVER, intid);
        assert_eq!(c.drain(0), [intid]);
    }
}

#[test]
fn reset_silences_owned_lines_and_forgets() {
    let mut c = Cell::running(2, 4);
    c.hw.line(0, LEVEL).level = true;
    c.hw.line(1, TIMER).latch = true;
    c.exits(0);
    c.exits(1);
    for v in 0..2 {
        c.hw.cpu = v;
        let _ = c.vgic.fold(v, &mut c.hw);
    }
    let hw = &mut c.hw;
    c.vgic.reset(hw);
    assert!(hw.lines.values().all(|l| !l.enabled && !l.latch && !l.active));
    c.kicked = 0;
    c.sync(0);
    c.sync(1);
    assert!(c.drain(0).is_empty() && c.drain(1).is_empty());
    assert_eq!((c.read(0, 0x104), c.read(0, 0), c.read_r(0, 1, 0x10100)), (0, 0x50, 0));
}

#[test]
fn writes_of_zero_do_nothing() {
    let mut c = Cell::running(2, 4);
    for base in [ISENABLER, ICENABLER, ISPENDR, ICPENDR, ISACTIVER, ICACTIVER] {
        c.write(0, base + 4, 0);
    }
    assert_eq!((c.read(0, 0x104), c.kicked, c.retries), (u32::MAX, 0, 0));
}

#[test]
fn what_is_not_there_reads_zero_and_takes_anything() {
    let mut c = Cell::new(2, 4);
    for offset in (0..0x10010_u64).step_by(2).filter(|o| !matches!(o, 0..0x1000 | 0x6000..0x8000 | 0xffd0..0x10000)) {
        for size in [1, 2, 4, 8] {
            c.write_sized(0, offset, size, u64::MAX);
            assert_eq!(c.read_sized(0, offset, size), 0, "{offset:#x}");
        }
    }
    for offset in [0x1000, 0x100_0000, u64::MAX] {
        assert_eq!(c.read_r_sized(0, 1, offset, 4), 0);
        assert_eq!(c.read_r_sized(0, 7, offset, 4), 0);
        assert_eq!(c.read_sized(0, offset, 4), 0);
    }
}
