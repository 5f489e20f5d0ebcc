//! What a guest is given: delivery by the rules of IHI 0069H (sections cited), and the interrupts that peers lost.
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
use fake::{Cell, DOORBELL, EDGE, TIMER, UART};

const ISENABLER: u64 = 0x100;
const ICENABLER: u64 = 0x180;
const ISPENDR: u64 = 0x200;
const ICPENDR: u64 = 0x280;
const ISACTIVER: u64 = 0x300;

#[test]
fn sgis_reach_their_targets_and_the_sender() {
    let mut c = Cell::running(4, 4);
    c.sgi(0, 3 << 24 | 0b0011);
    c.sgi(2, 7 << 24 | 1 << 40);
    assert_eq!((c.drain(0), c.drain(1), c.drain(2), c.drain(3)), (vec![3, 7], vec![3, 7], vec![], vec![7]));
}

#[test]
fn sgi_of_the_other_group_is_dropped() {
    let mut c = Cell::running(2, 4);
    c.write_r(1, 1, 0x10080, !(1 << 4)); // SGI 4 in group 0
    c.sgi(0, 4 << 24 | 0b10);
    assert!(c.drain(1).is_empty());
    let sgi = vgic::sgi1r(4 << 24 | 0b10, 0, 2, true);
    assert!(c.inboxes[1].post(sgi));
    assert!(!c.inboxes[1].post(sgi), "one kick is enough");
    c.sync(1);
    assert_eq!(c.drain(1), [4]);
}

// 4.1.2: an SGI that comes while the same is active is pending on top
#[test]
fn sgi_during_its_own_handler_comes_again() {
    let mut c = Cell::running(2, 4);
    c.sgi(0, 1 << 24 | 0b10);
    c.arrive();
    assert_eq!(c.ack(1), Some(1));
    c.sgi(0, 1 << 24 | 0b10);
    c.sgi(0, 1 << 24 | 0b10);
    c.arrive();
    c.eoi(1, 1);
    assert_eq!(c.drain(1), [1]);
}

#[test]
fn sgis_pend_once_until_taken() {
    let mut c = Cell::running(2, 4);
    for _ in 0..3 {
        c.sgi(0, 1 << 24 | 0b10);
        c.arrive();
    }
    assert_eq!(c.drain(1), [1]);
}

#[test]
fn the_same_sgi_again_needs_no_lock() {
    let mut c = Cell::running(2, 4);
    for n in 0..5 {
        c.sgi(0, 1 << 24 | 0b10);
        c.hw.line(1, TIMER).latch = true;
        let mut came = c.drain(1);
        came.sort_unstable();
        assert_eq!(came, [1, TIMER]);
        assert_eq!(c.repeated, 2 * n);
    }
    c.sgi(0, 2 << 24 | 0b10);
    c.sgi(0, 1 << 24 | 0b10);
    assert_eq!(c.drain(1), [1, 2]);
    c.write_r(1, 1, 0x10180, 1 << 1);
    c.sgi(0, 1 << 24 | 0b10);
    assert!(c.drain(1).is_empty(), "disabled");
}

#[test]
fn timer_fires_again_after_each_eoi() {
    let mut c = Cell::running(1, 4);
    for _ in 0..3 {
        c.hw.line(0, TIMER).level = true;
        c.exits(0);
        assert_eq!(c.ack(0), Some(TIMER));
        c.hw.line(0, TIMER).level = false;
        c.eoi(0, TIMER);
        assert!(!c.hw.line(0, TIMER).active, "HW = 1 deactivates");
    }
    c.hw.cpus[0].lr_writes = 0;
    c.hw.line(0, TIMER).level = true;
    c.exits(0);
    assert_eq!((c.hw.cpus[0].lr_writes, c.repeated), (1, 3), "the timer costs one list-register write");
}

// peers: pending while disabled, then enabled
#[test]
fn pending_while_disabled_comes_when_enabled() {
    let mut c = Cell::running(2, 4);
    for intid in [DOORBELL, EDGE, TIMER, 9] {
        c.poke(0, ICENABLER, intid);
        c.poke(0, ISPENDR, intid);
        assert!(c.drain(0).is_empty());
        assert!(c.peek(0, ISPENDR, intid));
        c.poke(0, ISENABLER, intid);
        assert_eq!(c.drain(0), [intid]);
        assert!(!c.peek(0, ISPENDR, intid));
    }
}

#[test]
fn acknowledged_for_the_guest_then_disabled_comes_when_enabled() {
    let mut c = Cell::running(1, 4);
    for intid in [EDGE, TIMER] {
        c.hw.line(0, intid).latch = true;
        c.exits(0);
        assert_eq!(c.listed(0), [intid]);
        c.poke(0, ICENABLER, intid);
        assert!(c.listed(0).is_empty());
        assert!(c.peek(0, ISPENDR, intid));
        c.poke(0, ISENABLER, intid);
        assert_eq!(c.drain(0), [intid]);
        assert!(!c.hw.line(0, intid).active);
    }
}

#[test]
fn clearing_a_pending_physical_interrupt_lets_the_line_fire_again() {
    let mut c = Cell::running(2, 4);
    c.hw.line(0, EDGE).latch = true;
    c.exits(0);
    c.poke(1, ICPENDR, EDGE); // stands in vCPU 0's list register
    assert!(c.listed(0).is_empty() && !c.hw.line(0, EDGE).active);
    assert!(c.drain(0).is_empty());
    c.hw.line(0, EDGE).latch = true;
    assert_eq!(c.drain(0), [EDGE]);
}

// peers: disable while active
#[test]
fn disable_while_active_keeps_it_active_and_comes_again_when_enabled() {
    let mut c = Cell::running(2, 4);
    for intid in [DOORBELL, EDGE] {
        let fire = |c: &mut Cell| if intid == EDGE { c.hw.line(0, EDGE).latch = true } else { c.pulse(intid) };
        fire(&mut c);
        c.exits(0);
        assert_eq!(c.ack(0), Some(intid));
        c.poke(1, ICENABLER, intid);
        c.arrive();
        assert!(c.peek(1, ISACTIVER, intid));
        fire(&mut c);
        c.exits(0);
        c.eoi(0, intid);
        assert!(c.drain(0).is_empty());
        assert!(!c.peek(1, ISACTIVER, intid));
        c.poke(1, ISENABLER, intid);
        assert_eq!(c.drain(0), [intid]);
    }
}

#[test]
fn disabling_the_group_withdraws_and_enabling_brings_back() {
    let mut c = Cell::running(2, 4);
    c.sgi(0, 0b11);
    c.arrive();
    c.write(0, 0, 0);
    c.arrive();
    assert!(c.drain(0).is_empty() && c.drain(1).is_empty());
    c.write(0, 0, 2);
    assert_eq!((c.drain(0), c.drain(1)), (vec![0], vec![0]));
}

// peers: all list registers full
#[test]
fn more_pending_than_list_registers_all_come_by_priority() {
    for lrs in [1, 2, 4] {
        let mut c = Cell::running(1, lrs);
        for n in 0..16_u32 {
            c.prioritise(0, n, (15 - n as u8) << 3);
        }
        for n in 0..16 {
            c.sgi(0, n << 24 | 1);
        }
        assert_eq!(c.drain(0), (0..16).rev().collect::<Vec<_>>(), "{lrs} list registers");
        assert_eq!(c.hw.cpus[0].wanted, 0, "nothing waits, no maintenance");
    }
}

#[test]
fn higher_priority_replaces_a_pending_one() {
    let mut c = Cell::running(1, 2);
    c.sgi(0, 1 << 24 | 1);
    c.sgi(0, 2 << 24 | 1);
    c.prioritise(0, 5, 0x10);
    c.sgi(0, 5 << 24 | 1);
    assert!(c.listed(0).contains(&5));
    assert_eq!(c.drain(0), [5, 1, 2]);
}

// 6.2.2, ICH_HCR_EL2.EOIcount: more nested than list registers
#[test]
fn nested_deeper_than_list_registers() {
    for lrs in [1, 2, 4] {
        let mut c = Cell::running(1, lrs);
        let mut stack = vec![];
        for n in 0..8_u32 {
            c.prioritise(0, n, 0xf8 - 8 * (n as u8 + 1));
            c.sgi(0, u64::from(n) << 24 | 1);
            c.exits(0);
            assert_eq!(c.ack(0), Some(n), "{lrs} list registers");
            c.exits(0);
            stack.push(n);
        }
        for n in 0..8 {
            assert!(c.peek(0, ISACTIVER, n), "{n} is active");
        }
        while let Some(n) = stack.pop() {
            c.eoi(0, n);
            c.exits(0);
            assert!(!c.peek(0, ISACTIVER, n), "{n} ended, {lrs} list registers");
            assert!(stack.iter().all(|m| c.peek(0, ISACTIVER, *m)), "{n} ended: {stack:?} stay");
        }
        assert_eq!(c.hw.cpus[0].wanted, 0);
    }
}

// peers: level line lowered before it is taken
#[test]
fn a_level_line_that_drops_is_withdrawn() {
    let mut c = Cell::running(2, 4);
    c.set_line(UART, true);
    c.arrive();
    assert_eq!(c.listed(0), [UART]);
    c.set_line(UART, false);
    c.arrive();
    assert!(c.drain(0).is_empty());
}

#[test]
fn a_level_line_comes_again_after_eoi_while_high() {
    let mut c = Cell::running(1, 4);
    c.set_line(UART, true);
    c.exits(0);
    for _ in 0..3 {
        assert_eq!(c.ack(0), Some(UART));
        c.exits(0);
        assert!(c.peek(0, ISPENDR, UART) && c.peek(0, ISACTIVER, UART));
        c.eoi(0, UART);
        c.exits(0);
    }
    assert_eq!(c.ack(0), Some(UART));
    c.set_line(UART, false);
    c.exits(0);
    c.eoi(0, UART);
    assert!(c.drain(0).is_empty());
}

#[test]
fn a_level_line_again_high_at_eoi_survives_the_timer() {
    let mut c = Cell::running(1, 4);
    c.set_line(UART, true);
    c.exits(0);
    assert_eq!(c.ack(0), Some(UART));
    c.eoi(0, UART);
    // The timer is taken before the maintenance interrupt.
    c.hw.line(0, TIMER).latch = true;
    c.take_physical(0);
    assert_eq!(c.listed(0).len(), 2, "{:?}", c.listed(0));
}

#[test]
fn a_level_line_pended_by_write_too_comes_once_when_low() {
    let mut c = Cell::running(1, 4);
    c.set_line(UART, true);
    c.exits(0);
    c.poke(0, ISPENDR, UART);
    c.set_line(UART, false);
    assert_eq!(c.drain(0), [UART]);
}

// peers: active interrupt moved to another vCPU
#[test]
fn an_active_interrupt_moved_ends_where_it_was_taken_and_comes_next_elsewhere() {
    let mut c = Cell::running(2, 4);
    for intid in [DOORBELL, EDGE] {
        let fire = |c: &mut Cell| if intid == EDGE { c.hw.line(0, EDGE).latch = true } else { c.pulse(intid) };
        c.route(0, intid, 0);
        c.arrive();
        fire(&mut c);
        c.exits(0);
        assert_eq!(c.ack(0), Some(intid));
        c.route(1, intid, 1);
        fire(&mut c);
        c.arrive();
        c.exits(1);
        assert_eq!(c.ack(1), None, "still active on 0");
        c.eoi(0, intid);
        c.exits(0);
        c.exits(1);
        c.arrive();
        assert_eq!(c.drain(1), [intid]);
        c.drain(0);
    }
}

// Found by the property test: one that had left its list register while active, was moved, and is pending again at its end.
#[test]
fn an_active_interrupt_moved_while_parked_comes_on_its_new_vcpu_at_once() {
    let mut c = Cell::running(2, 1);
    c.set_line(UART, true);
    c.arrive();
    assert_eq!(c.ack(0), Some(UART));
    c.sgi(1, 3 << 24 | 1);
    c.arrive();
    assert_eq!(c.listed(0), [3], "the active one had to make room");
    c.route(1, UART, 1);
    c.arrive();
    c.eoi(0, UART);
    c.exits(0);
    c.exits(1);
    assert_eq!(c.ack(1), Some(UART));
}

#[test]
fn a_pending_interrupt_moved_comes_on_its_new_vcpu_only() {
    let mut c = Cell::running(2, 4);
    for intid in [DOORBELL, EDGE] {
        if intid == EDGE {
            c.hw.line(0, EDGE).latch = true
        } else {
            c.pulse(intid)
        }
        c.exits(0);
        assert_eq!(c.listed(0), [intid]);
        c.route(1, intid, 1);
        c.arrive();
        assert_eq!((c.drain(0), c.drain(1)), (vec![], vec![intid]));
        assert!(intid != EDGE || !c.hw.line(0, EDGE).active);
    }
}

// peers: priority change while pending
#[test]
fn priority_change_while_pending_reorders() {
    let mut c = Cell::running(2, 2);
    c.poke(0, ICENABLER, DOORBELL);
    c.sgi(0, 1 << 24 | 1);
    c.sgi(0, 2 << 24 | 1);
    c.sgi(0, 3 << 24 | 1);
    c.prioritise(0, 3, 0x20);
    assert_eq!(c.drain(0), [3, 1, 2]);
    c.sgi(0, 1 << 24 | 1);
    c.sgi(0, 2 << 24 | 1);
    c.prioritise(0, 1, 0xf0);
    assert_eq!(c.drain(0), [2, 1]);
}

#[test]
fn fold_and_sync_lose_nothing() {
    let mut c = Cell::running(2, 4);
    c.sgi(0, 1 << 24 | 0b10);
    c.route(0, EDGE, 1);
    c.hw.line(0, EDGE).latch = true;
    c.exits(1);
    assert_eq!(c.ack(1), Some(1));
    c.hw.cpu = 1;
    let kicks = c.vgic.fold(1, &mut c.hw);
    c.send(kicks);
    assert!(c.listed(1).is_empty());
    assert!(c.peek(0, ISACTIVER, EDGE) ^ c.peek(0, ISPENDR, EDGE));
    c.sync(1);
    c.eoi(1, 1);
    assert_eq!(c.drain(1), [EDGE]);
}
