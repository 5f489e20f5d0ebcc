//! Watches over what is its own while others attack: a pattern in its memory, rewritten and summed up every round of
//! 100 ms; each interrupt by its number; and what its distributor holds about them. Nothing may be lost, nothing may
//! come that it did not ask for. Says `victim: intact rounds=N ticks=M sgis=S spis=P` every fifth round, or at once
//! `victim: BROKEN <what>`. Its device, if it has a PL031, lends the shared interrupt. Boot arguments: `rounds=N`
//! ends there.
#![no_std]
#![no_main]

mod memory;

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use kit::{Machine, cpu, gic, println, psci, timer};
use memory::Pattern;

kit::guest!(main, kit::no_secondary, irq);

const RATE_HZ: u64 = 1000;
const TICKS_A_ROUND: u64 = RATE_HZ / 10;
const REPORT_ROUNDS: u64 = 5;
/// The SGI it sends to itself.
const SGI: u32 = 3;

/// Interrupts taken, by number; the last counts all others.
static SEEN: [AtomicU64; 256] = [const { AtomicU64::new(0) }; 256];
static DEADLINE: AtomicU64 = AtomicU64::new(0);
/// Deadlines of the timer that have passed.
static ELAPSED: AtomicU64 = AtomicU64::new(0);
static TIMER: AtomicU64 = AtomicU64::new(27);

/// The interrupts that may come and how many of each were asked for.
struct Watch {
    timer: u32,
    spi: Option<u32>,
    held: [Option<(u32, gic::State)>; 3],
    asked: u64,
    ticks: u64,
}

fn main(machine: Machine) -> ! {
    let rounds = machine.number("rounds").unwrap_or(u64::MAX);
    let spi = machine.tree.nodes().find(|node| node.is("arm,pl031")).and_then(|node| node.interrupt(0));
    let mut pattern = Pattern::new(&machine);
    gic::init();
    let ids = [Some(machine.timer_intid), Some(SGI), spi];
    ids.into_iter().flatten().for_each(gic::enable);
    let held = ids.map(|id| id.map(|id| (id, gic::state(id))));
    let mut watch = Watch { timer: machine.timer_intid, spi, held, asked: 0, ticks: 0 };
    TIMER.store(machine.timer_intid.into(), Relaxed);
    DEADLINE.store(timer::now() + timer::frequency() / RATE_HZ, Relaxed);
    timer::arm(DEADLINE.load(Relaxed));
    println!("victim: watching {} KiB from {:#x}, spi {spi:?}", memory::BYTES >> 10, pattern.base());
    for round in 1..=rounds {
        pattern.write(round);
        watch.ask();
        let end = ELAPSED.load(Relaxed) + TICKS_A_ROUND;
        serve(|| ELAPSED.load(Relaxed) >= end);
        // What was asked for late may still be on its way.
        let patience = timer::now() + timer::frequency() / 2;
        serve(|| watch.is_answered() || timer::now() > patience);
        let verdict = pattern.check(round).and_then(|()| watch.check());
        if let Err(broken) = verdict {
            println!(
                "victim: BROKEN {} expected={:#x} found={:#x} round={round}",
                broken.what, broken.expected, broken.found
            );
            psci::system_off()
        }
        if round.is_multiple_of(REPORT_ROUNDS) {
            cpu::unmask_irq();
            println!(
                "victim: intact rounds={round} ticks={} sgis={} spis={}",
                seen(watch.timer),
                seen(SGI),
                spi.map_or(0, seen)
            );
            cpu::mask_irq();
        }
    }
    println!("victim: done rounds={rounds}");
    psci::system_off()
}

/// What is not as it was left.
struct Broken {
    what: &'static str,
    expected: u64,
    found: u64,
}

/// Fails unless both are the same.
fn same(what: &'static str, expected: u64, found: u64) -> Result<(), Broken> {
    if expected == found { Ok(()) } else { Err(Broken { what, expected, found }) }
}

fn seen(intid: u32) -> u64 {
    SEEN.get(intid as usize).map_or(0, |count| count.load(Relaxed))
}

/// Serves interrupts, at least once, until it is so.
fn serve(done: impl Fn() -> bool) {
    loop {
        // Masked here, so that no interrupt falls between the look and the wait.
        cpu::wait();
        cpu::unmask_irq();
        cpu::isb();
        cpu::mask_irq();
        if done() {
            return;
        }
    }
}

impl Watch {
    /// Asks for one more of the SGI and of the shared interrupt.
    fn ask(&mut self) {
        gic::send_sgi(SGI, 1);
        if let Some(spi) = self.spi {
            gic::set_pending(spi);
        }
        self.asked += 1;
    }

    /// Whether what was asked for has come.
    fn is_answered(&self) -> bool {
        [Some(SGI), self.spi].into_iter().flatten().all(|id| seen(id) >= self.asked)
    }

    /// Each interrupt came as often as asked for, no other did, and the controller holds what was set.
    fn check(&mut self) -> Result<(), Broken> {
        same("sgis", self.asked, seen(SGI))?;
        if let Some(spi) = self.spi {
            same("spis", self.asked, seen(spi))?;
        }
        let ticks = seen(self.timer);
        same("no-ticks", 1, u64::from(ticks > self.ticks))?;
        self.ticks = ticks;
        for (id, count) in (0..).zip(&SEEN) {
            let known = self.held.iter().flatten().any(|(mine, _)| *mine == id);
            if !known && count.load(Relaxed) != 0 {
                return Err(Broken { what: "unexpected-interrupt", expected: 0, found: id.into() });
            }
        }
        for (id, before) in self.held.iter().flatten() {
            let now = gic::state(*id);
            same("enable", before.enabled.into(), now.enabled.into())?;
            same("priority", before.priority.into(), now.priority.into())?;
            same("target", before.target.into(), now.target.into())?;
            same("trigger", before.edge.into(), now.edge.into())?;
        }
        Ok(())
    }
}

fn irq(intid: u32) {
    let slot = SEEN.get(intid as usize).or(SEEN.last());
    if let Some(count) = slot {
        count.store(count.load(Relaxed) + 1, Relaxed);
    }
    if u64::from(intid) == TIMER.load(Relaxed) {
        let (period, deadline) = (timer::frequency() / RATE_HZ, DEADLINE.load(Relaxed));
        let elapsed = 1 + timer::now().saturating_sub(deadline) / period;
        ELAPSED.store(ELAPSED.load(Relaxed) + elapsed, Relaxed);
        DEADLINE.store(deadline + elapsed * period, Relaxed);
        timer::arm(deadline + elapsed * period);
    }
}
