//! The questions.

use crate::CAME;
use crate::interface as cpu_interface;
use core::sync::atomic::Ordering::Relaxed;
use kit::cpu::{read32, write32};
use kit::{gic, println, timer, write_sysreg};

const ISENABLER: usize = 0x100;
const ICENABLER: usize = 0x180;
const ISPENDR: usize = 0x200;
const ICPENDR: usize = 0x280;
const ISACTIVER: usize = 0x300;
const ICACTIVER: usize = 0x380;
const IPRIORITYR: usize = 0x400;
const ICFGR: usize = 0xc00;

fn base(intid: u32) -> usize {
    if intid < 32 { gic::private_frame() } else { gic::distributor() }
}

fn get(address: usize) -> u32 {
    // SAFETY: a register of the controller the tree names.
    unsafe { read32(address) }
}

fn set(address: usize, value: u32) {
    // SAFETY: as above.
    unsafe { write32(address, value) }
}

/// The bit of an interrupt in a bank.
fn is(bank: usize, intid: u32) -> bool {
    get(base(intid) + bank + 4 * (intid as usize / 32)) >> (intid % 32) & 1 != 0
}

fn write(bank: usize, intid: u32) {
    set(base(intid) + bank + 4 * (intid as usize / 32), 1 << (intid % 32));
    settle();
}

pub fn prioritise(intid: u32, priority: u32) {
    let (at, shift) = (base(intid) + IPRIORITYR + (intid as usize & !3), 8 * (intid % 4));
    set(at, get(at) & !(0xff << shift) | priority << shift);
}

/// Lets what is on its way arrive.
pub fn settle() {
    let end = timer::now() + 2000;
    while timer::now() < end {
        give_way();
    }
}

/// Lets another CPU of an emulator have its turn.
pub fn give_way() {
    // SAFETY: a hint.
    unsafe { core::arch::asm!("yield", options(nostack)) };
}

fn sgi(intid: u32) {
    gic::send_sgi(intid, 1);
    settle();
}

/// Acknowledges: the INTID alone.
fn take() -> u32 {
    settle();
    cpu_interface::acknowledge() & 0x3ff
}

/// Acknowledges and ends.
pub fn serve() -> u32 {
    let intid = take();
    if intid < 1020 {
        cpu_interface::end(intid);
    }
    settle();
    intid
}

pub fn say(section: &str, question: &str, value: impl Into<u64>) {
    println!("conform: {section} {question} = {:#x}", value.into());
}

/// All SGIs on, at one priority.
pub fn set_up() {
    let private = gic::private_frame();
    set(private + ISENABLER, 0xffff);
    (0..16).for_each(|intid| prioritise(intid, 0x80));
    cpu_interface::set_mask(0xf8);
}

/// Asks everything; everything is as before afterwards.
pub fn ask_all(shared: u32, tick: u32, passed: bool) {
    prioritise(shared, 0x80);
    gic::enable(shared);
    states(5, "sgi");
    edges(shared, "spi");
    edges(tick, "ppi");
    priorities(shared);
    // Of a passed-through GICv2 the cell has neither GICC_DIR nor the senders' registers, and no GICD_CTLR stops its SGIs.
    let whole = !(gic::is_v2() && passed);
    if whole {
        split_end(shared);
    }
    enables(shared, whole);
    level(tick);
    registers(shared);
    others();
    if gic::is_v2() && whole {
        senders();
    }
}

/// 4.1.2 \[3.2.4\]: the life of an interrupt that may be pending and active.
fn states(intid: u32, name: &str) {
    let say = |question: &str, value: u64| println!("conform: 4.1.2 {name} {question} = {value:#x}");
    sgi(intid);
    say("sent: highest pending", (cpu_interface::highest() & 0x3ff).into());
    say("sent: pending", is(ISPENDR, intid).into());
    say("taken", take().into());
    say("taken: pending", is(ISPENDR, intid).into());
    say("taken: active", is(ISACTIVER, intid).into());
    say("taken: running", cpu_interface::running().into());
    sgi(intid);
    say("again: pending", is(ISPENDR, intid).into());
    say("again: active", is(ISACTIVER, intid).into());
    say("again: taken", take().into());
    cpu_interface::end(intid);
    say("ended: running", cpu_interface::running().into());
    say("ended: taken", serve().into());
    say("over: pending", is(ISPENDR, intid).into());
    say("over: active", is(ISACTIVER, intid).into());
    say("over: taken", take().into());
}

/// 12.9 \[4.3.7 to 4.3.10\]: pending and active by register writes, enabled or not.
fn edges(intid: u32, name: &str) {
    let say = |question: &str, value: u64| println!("conform: 12.9 {name} {question} = {value:#x}");
    write(ICENABLER, intid);
    write(ISPENDR, intid);
    say("pending while disabled: enabled", is(ISENABLER, intid).into());
    say("pending while disabled: pending", is(ISPENDR, intid).into());
    say("pending while disabled: taken", take().into());
    prioritise(intid, 0x80);
    write(ISENABLER, intid);
    say("then enabled: taken", serve().into());
    say("then enabled: pending", is(ISPENDR, intid).into());
    write(ISPENDR, intid);
    write(ICPENDR, intid);
    say("pending taken back: pending", is(ISPENDR, intid).into());
    say("pending taken back: taken", take().into());
    write(ISACTIVER, intid);
    write(ISPENDR, intid);
    say("made active: active", is(ISACTIVER, intid).into());
    say("made active: taken", take().into());
    write(ICACTIVER, intid);
    say("made inactive: active", is(ISACTIVER, intid).into());
    say("made inactive: taken", take().into());
    write(ICACTIVER, intid);
    say("made inactive while it runs: active", is(ISACTIVER, intid).into());
    write(ISPENDR, intid);
    say("pending meanwhile: taken", take().into());
    say("pending meanwhile: pending", is(ISPENDR, intid).into());
    cpu_interface::end(intid);
    say("then ended: taken", serve().into());
    write(ISPENDR, intid);
    say("disabled while it runs: taken", take().into());
    write(ICENABLER, intid);
    say("disabled while it runs: active", is(ISACTIVER, intid).into());
    write(ISPENDR, intid);
    cpu_interface::end(intid);
    say("disabled, then ended: active", is(ISACTIVER, intid).into());
    say("disabled, then ended: taken", take().into());
    write(ISENABLER, intid);
    say("enabled again: taken", serve().into());
}

/// 4.8 \[3.3\]: mask, order, preemption.
fn priorities(shared: u32) {
    const P: &str = "4.8";
    cpu_interface::set_mask(0x80);
    say(P, "mask", cpu_interface::mask());
    sgi(1);
    say(P, "masked by its own priority: taken", take());
    cpu_interface::set_mask(0x88);
    say(P, "mask one step lower: taken", serve());
    cpu_interface::set_mask(0xf8);
    // 15 SGIs (of a passed-through cell one is EL2's) and a shared one: more than there are list registers.
    for intid in 0..15 {
        prioritise(intid, 0xa0 - 8 * intid);
    }
    prioritise(shared, 0x58);
    (0..15).for_each(|intid| gic::send_sgi(intid, 1));
    write(ISPENDR, shared);
    let mut order = 0_u64;
    for _ in 0..16 {
        let intid = serve();
        order = order << 4 | u64::from(if intid == shared { 15 } else { intid & 0xf });
    }
    say(P, "storm: order", order);
    say(P, "storm: over", take());
    (0..16).for_each(|intid| prioritise(intid, 0x80));
    // Nested, four deep; then one that is no more urgent.
    for (intid, priority) in [(1, 0xa0), (2, 0x80), (3, 0x60), (4, 0x40)] {
        prioritise(intid, priority);
        sgi(intid);
        say(P, "nested: taken", take());
        say(P, "nested: running", cpu_interface::running());
    }
    prioritise(5, 0x40);
    sgi(5);
    say(P, "no more urgent: taken", take());
    for intid in [4, 3, 2, 1] {
        cpu_interface::end(intid);
        say(P, "unnested: running", cpu_interface::running());
        if intid == 4 {
            say(P, "then: taken", serve());
        }
    }
    // One group of priorities: more urgent and yet no preemption (4.8.3).
    prioritise(1, 0x70);
    prioritise(2, 0x60);
    cpu_interface::set_binary_point(6);
    sgi(1);
    say(P, "binary point 6: taken", take());
    sgi(2);
    say(P, "binary point 6, within the group: taken", take());
    cpu_interface::end(1);
    say(P, "binary point 6, ended: taken", serve());
    cpu_interface::set_binary_point(0);
    // Changed while pending, behind the mask.
    cpu_interface::set_mask(0x40);
    sgi(1);
    sgi(2);
    prioritise(1, 0x20);
    say(P, "more urgent while pending: taken", serve());
    cpu_interface::set_mask(0xf8);
    say(P, "the other: taken", serve());
    (0..16).for_each(|intid| prioritise(intid, 0x80));
    prioritise(shared, 0x80);
}

/// 4.5 \[3.2.1\]: priority drop and deactivation apart.
fn split_end(shared: u32) {
    const P: &str = "4.5";
    cpu_interface::enable(true, true);
    for (intid, name) in [(shared, "spi"), (6, "sgi")] {
        let pend = || if intid < 16 { sgi(intid) } else { write(ISPENDR, intid) };
        pend();
        println!("conform: {P} {name}");
        say(P, "taken", take());
        cpu_interface::end(intid);
        say(P, "dropped: running", cpu_interface::running());
        say(P, "dropped: active", is(ISACTIVER, intid));
        pend();
        say(P, "pending, still active: taken", take());
        sgi(7);
        say(P, "another of its priority: taken", take());
        cpu_interface::end(7);
        cpu_interface::deactivate(intid);
        say(P, "deactivated: taken", take());
        cpu_interface::end(intid);
        cpu_interface::deactivate(intid);
        cpu_interface::deactivate(7);
        say(P, "over: active", is(ISACTIVER, intid));
        say(P, "over: taken", take());
    }
    cpu_interface::enable(true, false);
}

/// 4.6.2, 12.9.4 \[4.3.1, 4.4.1\]: the enables of groups, at distributor and interface.
fn enables(shared: u32, whole: bool) {
    const P: &str = "12.9.4";
    let control = gic::distributor();
    let before = get(control);
    say(P, "control", before);
    set(control, before & !3);
    write(ISPENDR, shared);
    if whole {
        sgi(3);
    }
    say(P, "group disabled: pending", is(ISPENDR, shared));
    say(P, "group disabled: taken", take());
    set(control, before);
    say(P, "group enabled: taken", serve());
    say(P, "group enabled: taken then", serve());
    cpu_interface::enable(false, false);
    write(ISPENDR, shared);
    say(P, "interface disabled: taken", take());
    cpu_interface::enable(true, false);
    say(P, "interface enabled: taken", serve());
}

/// 4.1.2: a line that stays high comes again; one that drops does not.
fn level(tick: u32) {
    const P: &str = "4.1.2 level";
    gic::enable(tick);
    timer::arm(timer::now());
    settle();
    say(P, "high: pending", is(ISPENDR, tick));
    say(P, "high: taken", take());
    cpu_interface::end(tick);
    say(P, "still high: taken", take());
    timer::disarm();
    settle();
    cpu_interface::end(tick);
    settle();
    say(P, "dropped while it ran: taken", take());
    timer::arm(timer::now());
    settle();
    timer::disarm();
    settle();
    say(P, "dropped before it was taken: taken", serve());
    // Masked by its enable.
    write(ICENABLER, tick);
    timer::arm(timer::now());
    settle();
    say(P, "high while disabled: pending", is(ISPENDR, tick));
    write(ISENABLER, tick);
    say(P, "then enabled: taken", take());
    timer::disarm();
    cpu_interface::end(tick);
    say(P, "over: taken", serve());
    write_sysreg!("cntv_cval_el0", u64::MAX);
}

/// 12.9 to 12.11 \[4.3\]: what registers read back.
fn registers(shared: u32) {
    const P: &str = "12.9 registers";
    let (distributor, private) = (gic::distributor(), gic::private_frame());
    say(P, "SGIs' configuration", get(private + ICFGR));
    set(private + ICFGR, 0);
    say(P, "SGIs' configuration is read-only", get(private + ICFGR));
    // A line without a device: what is written stays.
    let unused = 70;
    set(distributor + IPRIORITYR + 68, 0x40a8_20f8);
    say(P, "priorities", get(distributor + IPRIORITYR + 68));
    write(ISENABLER, unused);
    say(P, "enabled", is(ISENABLER, unused));
    write(ICENABLER, unused);
    say(P, "disabled", is(ISENABLER, unused));
    say(
        P,
        "priority has five bits",
        get(base(shared) + IPRIORITYR + (shared as usize & !3)) >> (8 * (shared % 4)) & 0xff,
    );
    if gic::is_v2() {
        set(distributor + 0x800 + 68, 0x0301_0201);
        say(P, "targets", get(distributor + 0x800 + 68));
        say(P, "own target", get(distributor + 0x800));
        say(P, "architecture", get(distributor + 0xfe8) >> 4 & 0xf);
    } else {
        let router = distributor + 0x6000 + 8 * unused as usize;
        set(router, 1);
        set(router + 4, 0);
        say(P, "route, low half", get(router));
        say(P, "route, high half", get(router + 4));
        set(router, 0);
        say(P, "architecture", get(distributor + 0xffe8) >> 4 & 0xf);
        say(P, "own affinity, last", get(private - 0x1_0000 + 8) >> 4 & 1);
        say(P, "next affinity", get(private + 0x1_0000 + 12));
        say(P, "next is last", get(private + 0x1_0000 + 8) >> 4 & 1);
        say(P, "awake", get(private - 0x1_0000 + 0x14));
    }
}

/// 12.2.18, \[4.3.15\]: SGIs to others.
fn others() {
    const P: &str = "12.2.18";
    let came = |intid: usize| CAME.get(intid).map_or(0, |count| count.load(Relaxed));
    gic::send_sgi(1, 0b10);
    settle();
    say(P, "to the other: here", take());
    if gic::is_v2() {
        let sgir = gic::distributor() + 0xf00;
        for (form, value) in [("all but self", 1 << 24 | 2), ("self", 2 << 24 | 3)] {
            set(sgir, value);
            settle();
            println!("conform: {P} {form}");
            say(P, "here", serve());
        }
        set(sgir, 0xff << 16 | 5);
    } else {
        write_sysreg!("icc_sgi1r_el1", 1 << 40 | 2 << 24);
        settle();
        say(P, "all but self: here", serve());
        // Of group 0 there is none; in another cluster nobody.
        write_sysreg!("icc_sgi0r_el1", 3 << 24 | 0b11);
        say(P, "group 0: here", serve());
        write_sysreg!("icc_sgi1r_el1", 1 << 16 | 4 << 24 | 0b11);
        say(P, "another cluster: here", serve());
        write_sysreg!("icc_sgi1r_el1", 5 << 24 | 0xffff);
    }
    say(P, "to all: here", serve());
    settle();
    for intid in 1..6 {
        println!("conform: {P} the other got {intid}: {}", came(intid));
    }
}

/// \[4.3.16, 4.3.17\]: SGIs pending by their senders.
fn senders() {
    const P: &str = "[4.3.16]";
    let at = |bank: usize, intid: usize| gic::distributor() + bank + (intid & !3);
    set(at(0xf20, 8), 0b11);
    settle();
    say(P, "set: senders", get(at(0xf20, 8)));
    set(at(0xf10, 8), 0b01);
    say(P, "one cleared: senders", get(at(0xf20, 8)));
    settle();
    let token = cpu_interface::acknowledge();
    say(P, "taken with its sender", token);
    cpu_interface::end(token);
    say(P, "over: taken", take());
}
