//! The CPU's own: debug (DDI 0487 D2) and performance monitors (D13), by what happens when they are used.

use crate::interface as cpu_interface;
use crate::questions::{prioritise, say, serve, settle};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use kit::probe::{self, Abort};
use kit::{gic, read_sysreg, write_sysreg};

/// `MDSCR_EL1`: MDE and KDE, debug exceptions from EL1 too.
const DEBUG: u64 = 1 << 15 | 1 << 13;
const STEPPING: u64 = 1;
/// `DBGBCR_EL1`: enabled, at EL1, all four bytes.
const BREAKPOINT: u64 = 0xf << 5 | 0b01 << 1 | 1;
/// `DBGWCR_EL1`: enabled, at EL1, loads and stores, the word's four bytes.
const WATCHPOINT: u64 = 0xf << 5 | 0b11 << 3 | 0b01 << 1 | 1;
const NOP: u32 = 0xd503_201f;
const BRK: u32 = 0xd420_0020 | 5 << 5;
/// `PMCR_EL0`: enabled, 64 bits of cycles.
const COUNTING: u64 = 1 << 6 | 1;
const CYCLES: u64 = 1 << 31;

static WATCHED: AtomicU32 = AtomicU32::new(7);

fn watched() -> usize {
    WATCHED.as_ptr().expose_provenance()
}

/// The exception's class, or 0 if there was none.
fn class<T>(result: &Result<T, Abort>) -> u64 {
    result.as_ref().err().map_or(0, |abort| abort.esr >> 26)
}

/// Sets a breakpoint on [`probe::code`] and a watchpoint on a word, or takes them away.
pub fn set_traps(on: bool) {
    write_sysreg!("oslar_el1", 0);
    write_sysreg!("dbgbvr0_el1", probe::code() as u64);
    write_sysreg!("dbgwvr0_el1", watched() as u64);
    write_sysreg!("dbgbcr0_el1", if on { BREAKPOINT } else { 0 });
    write_sysreg!("dbgwcr0_el1", if on { WATCHPOINT } else { 0 });
    write_sysreg!("mdscr_el1", if on { DEBUG } else { 0 });
}

/// Breakpoint, watchpoint, single step and BRK.
pub fn debug() {
    const P: &str = "[D2]";
    // SAFETY: debug exceptions are the probe's to take.
    unsafe { core::arch::asm!("msr daifclr, #8", options(nostack)) };
    say(P, "at the start: breakpoint", read_sysreg!("dbgbcr0_el1") & 1);
    say(P, "at the start: code", class(&probe::execute(NOP, 0, 0)));
    say(P, "at the start: word", class(&probe::read(watched())));
    set_traps(true);
    let stopped = probe::execute(NOP, 0, 0);
    say(P, "breakpoint: class", class(&stopped));
    say(
        P,
        "breakpoint: bytes behind",
        stopped.map_or_else(|abort| abort.elr.wrapping_sub(probe::code() as u64), |_| 99),
    );
    say(P, "breakpoint: elsewhere", class(&probe::fetch(probe::code() + 4)));
    let stopped = probe::read(watched());
    say(P, "watchpoint, load: class", class(&stopped));
    say(P, "watchpoint: bytes behind", stopped.map_or_else(|abort| abort.far.wrapping_sub(watched() as u64), |_| 99));
    say(P, "watchpoint, store: class", class(&probe::write(watched(), 9)));
    set_traps(false);
    say(P, "watchpoint: what is stored", WATCHED.load(Relaxed));
    say(P, "off: code", class(&probe::execute(NOP, 0, 0)));
    say(P, "off: word", class(&probe::read(watched())));
    // SAFETY: masks them until the step begins.
    unsafe { core::arch::asm!("msr daifset, #8", options(nostack)) };
    write_sysreg!("mdscr_el1", DEBUG | STEPPING);
    let stopped = probe::step();
    say(P, "step: class", class(&stopped));
    say(P, "step: bytes behind", stopped.map_or_else(|abort| abort.elr.wrapping_sub(probe::code() as u64), |()| 99));
    write_sysreg!("mdscr_el1", 0);
    let stopped = probe::execute(BRK, 0, 0);
    say(P, "BRK", stopped.map_or_else(|abort| abort.esr, |_| 0));
}

/// The cycle counter, then an event counter, run over: their interrupt comes, once, and stays while the flag does.
pub fn monitors(intid: u32) {
    const P: &str = "[D13]";
    prioritise(intid, 0x80);
    gic::enable(intid);
    say(P, "at the start: counting", read_sysreg!("pmcntenset_el0"));
    say(P, "at the start: flags", read_sysreg!("pmovsset_el0"));
    let cycles = read_sysreg!("pmccntr_el0");
    write_sysreg!("pmccfiltr_el0", 0);
    write_sysreg!("pmcntenset_el0", CYCLES);
    write_sysreg!("pmcr_el0", COUNTING);
    settle();
    say(P, "cycles are counted", u64::from(read_sysreg!("pmccntr_el0") > cycles));
    write_sysreg!("pmintenset_el1", CYCLES);
    write_sysreg!("pmccntr_el0", 0_u64.wrapping_sub(1000));
    settle();
    say(P, "cycles over: flags", read_sysreg!("pmovsset_el0"));
    say(P, "cycles over: taken", u64::from(serve() == intid));
    let token = cpu_interface::acknowledge();
    say(P, "flag still set: taken", u64::from(token == intid));
    write_sysreg!("pmovsclr_el0", CYCLES);
    cpu_interface::end(token);
    say(P, "flag cleared: taken", serve());
    write_sysreg!("pmintenclr_el1", CYCLES);
    if read_sysreg!("pmcr_el0") >> 11 & 0x1f != 0 {
        write_sysreg!("pmselr_el0", 0);
        write_sysreg!("pmxevtyper_el0", 8); // instructions
        write_sysreg!("pmcntenset_el0", 1);
        settle();
        say(P, "instructions are counted", u64::from(read_sysreg!("pmxevcntr_el0") > 1000));
        write_sysreg!("pmintenset_el1", 1);
        write_sysreg!("pmxevcntr_el0", 0xffff_fc00);
        settle();
        // QEMU looks at a counter when it is read, and without EL2 at no other time.
        say(P, "instructions over: from 0 again", u64::from(read_sysreg!("pmxevcntr_el0") < 0xffff_fc00));
        say(P, "instructions over: flags", read_sysreg!("pmovsset_el0"));
        let token = cpu_interface::acknowledge();
        say(P, "instructions over: taken", u64::from(token == intid));
        write_sysreg!("pmovsclr_el0", 1);
        cpu_interface::end(token);
        say(P, "flag cleared: taken", serve());
        write_sysreg!("pmintenclr_el1", 1);
    }
    write_sysreg!("pmcr_el0", 0);
    write_sysreg!("pmcntenclr_el0", CYCLES | 1);
    write_sysreg!("pmovsclr_el0", CYCLES | 1);
}
