//! CPU_ON from two CPUs for the same third at once, round after round: it starts once each round, whoever asks, and
//! comes up with nothing but its entry (DEN 0022 5.5). Needs three CPUs.

use crate::attempts::{Breach, Verdict};
use crate::tally::Tally;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use kit::{Machine, cpu, psci, timer};

/// Rounds, unless `rounds=` says.
const ROUNDS: u64 = 1000;
const CPU_OFF: u64 = 0x8400_0002;
const AFFINITY_INFO: u64 = 0xc400_0004;
const ALREADY_ON: i32 = -4;
const ON_PENDING: i32 = -5;

/// The round that both ask in.
static ROUND: AtomicU64 = AtomicU64::new(0);
/// How often the third has started.
static STARTS: AtomicU64 = AtomicU64::new(0);
/// The rounds the second has asked in, and what it was answered last.
static ASKED: AtomicU64 = AtomicU64::new(0);
static ANSWER: AtomicU64 = AtomicU64::new(0);
/// The third's affinity.
static THIRD: AtomicU64 = AtomicU64::new(0);

fn ask() -> u64 {
    psci::cpu_on(THIRD.load(Relaxed), 2).err().unwrap_or(0)
}

/// Waits, but not for ever.
fn wait(what: &'static str, done: impl Fn() -> bool) -> Result<(), Breach> {
    let end = timer::now() + 5 * timer::frequency();
    while !done() {
        if timer::now() > end {
            return Err(Breach(what, ROUND.load(Relaxed), STARTS.load(Relaxed)));
        }
    }
    Ok(())
}

/// All rounds.
pub fn rounds(machine: &Machine) -> Result<Verdict, Breach> {
    let &[_, second, third, ..] = machine.cpus() else { return Err(Breach("too few CPUs", 3, 0)) };
    THIRD.store(third, Relaxed);
    if let Err(code) = psci::cpu_on(second, 1) {
        return Err(Breach("start of cpu", second, code));
    }
    let mut tally = Tally::default();
    for round in 1..=machine.number("rounds").unwrap_or(ROUNDS) {
        ROUND.store(round, Relaxed);
        let mine = ask();
        wait("the second never asked", || ASKED.load(Relaxed) == round)?;
        let theirs = ANSWER.load(Relaxed);
        let lost = |answer: u64| matches!(cpu::low32(answer).cast_signed(), ALREADY_ON | ON_PENDING);
        // The later one may ask again when the third is off already: then both were right, one after the other.
        let starts = match (mine, theirs) {
            (0, 0) => 2,
            (0, other) | (other, 0) if lost(other) => 1,
            _ => return Err(Breach("answers of a race", mine, theirs)),
        };
        wait("a start without a CPU", || STARTS.load(Relaxed) >= starts)?;
        wait("it never went off", || psci::call(AFFINITY_INFO, third, 0, 0) == 1)?;
        let started = STARTS.load(Relaxed);
        if started != starts {
            return Err(Breach("starts in a round", starts, started));
        }
        STARTS.store(0, Relaxed);
        tally.through += starts;
        tally.refused += 2 - starts;
    }
    Ok(Verdict::Tally(tally))
}

/// The second asks in every round; the third counts itself and goes off.
pub fn secondary(index: usize) -> ! {
    if index == 2 {
        STARTS.store(STARTS.load(Relaxed) + 1, Relaxed);
        psci::call(CPU_OFF, 0, 0, 0);
    }
    loop {
        let round = ROUND.load(Relaxed);
        if round > ASKED.load(Relaxed) {
            ANSWER.store(ask(), Relaxed);
            ASKED.store(round, Relaxed);
        }
    }
}
