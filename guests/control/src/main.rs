//! A control loop: an absolute deadline each millisecond on the virtual timer. Once in 1000 deadlines it tells
//! how many deadlines there were, how many it served, and how late. A deadline that passed while another was
//! still being served is counted as elapsed and not served: never merged. Boot arguments: `ticks=N` says when N
//! were served, `stop=N` ends there.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use kit::{Machine, cpu, gic, println, psci, timer};

kit::guest!(main, kit::no_secondary, irq);

const RATE_HZ: u64 = 1000;

static STOP: AtomicU64 = AtomicU64::new(0);
static PERIOD: AtomicU64 = AtomicU64::new(0);
static DEADLINE: AtomicU64 = AtomicU64::new(0);
static TICKS: AtomicU64 = AtomicU64::new(0);
static DEADLINES: AtomicU64 = AtomicU64::new(0);
static LATE_MIN: AtomicU64 = AtomicU64::new(u64::MAX);
static LATE_MAX: AtomicU64 = AtomicU64::new(0);
static LATE_SUM: AtomicU64 = AtomicU64::new(0);
static SERVED: AtomicU64 = AtomicU64::new(0);

fn main(machine: Machine) -> ! {
    let (announce, stop) = (machine.number("ticks").unwrap_or(0), machine.number("stop").unwrap_or(0));
    STOP.store(stop, Relaxed);
    let period = timer::frequency() / RATE_HZ;
    println!("control: 1 kHz, {period} counter ticks a period");
    PERIOD.store(period, Relaxed);
    DEADLINE.store(timer::now() + period, Relaxed);
    gic::init();
    gic::enable(machine.timer_intid);
    arm(DEADLINE.load(Relaxed), period, period);
    let (mut second, mut announced) = (0, announce == 0);
    loop {
        // Masked here, so that no interrupt falls between the look and the wait.
        cpu::wait();
        cpu::unmask_irq();
        cpu::isb();
        cpu::mask_irq();
        let (ticks, deadlines) = (TICKS.load(Relaxed), DEADLINES.load(Relaxed));
        if deadlines / RATE_HZ > second {
            second = deadlines / RATE_HZ;
            report(second, ticks, deadlines);
        }
        if !announced && ticks >= announce {
            announced = true;
            println!("control: reached {announce} ticks, deadlines={deadlines}");
        }
        if stop != 0 && ticks == stop {
            println!("control: done ticks={ticks} deadlines={deadlines}");
            psci::system_off()
        }
    }
}

/// Prints the second's line with interrupts let in, so that printing costs no deadline.
fn report(second: u64, ticks: u64, deadlines: u64) {
    let us = |late: u64| late * 1_000_000 / timer::frequency();
    let (min, max) = (LATE_MIN.load(Relaxed), LATE_MAX.load(Relaxed));
    let average = LATE_SUM.load(Relaxed) / SERVED.load(Relaxed).max(1);
    LATE_MIN.store(u64::MAX, Relaxed);
    LATE_MAX.store(0, Relaxed);
    LATE_SUM.store(0, Relaxed);
    SERVED.store(0, Relaxed);
    cpu::unmask_irq();
    println!(
        "control: second={second} ticks={ticks} deadlines={deadlines} late_min_us={} late_avg_us={} late_max_us={}",
        us(min),
        us(average),
        us(max)
    );
    cpu::mask_irq();
}

fn irq(_intid: u32) {
    // On a host under load the next deadline may pass before the loop has looked: the last is the last.
    if STOP.load(Relaxed) != 0 && TICKS.load(Relaxed) == STOP.load(Relaxed) {
        return timer::disarm();
    }
    let (now, period, deadline) = (timer::now(), PERIOD.load(Relaxed), DEADLINE.load(Relaxed));
    let late = now - deadline;
    let elapsed = 1 + late / period;
    LATE_MIN.store(LATE_MIN.load(Relaxed).min(late), Relaxed);
    LATE_MAX.store(LATE_MAX.load(Relaxed).max(late), Relaxed);
    LATE_SUM.store(LATE_SUM.load(Relaxed) + late, Relaxed);
    SERVED.store(SERVED.load(Relaxed) + 1, Relaxed);
    TICKS.store(TICKS.load(Relaxed) + 1, Relaxed);
    DEADLINES.store(DEADLINES.load(Relaxed) + elapsed, Relaxed);
    let next = deadline + elapsed * period;
    DEADLINE.store(next, Relaxed);
    arm(next, next - now, period);
}

/// Arms the deadline, so many ticks ahead, with a mark a tenth of a period behind it.
fn arm(deadline: u64, ahead: u64, period: u64) {
    timer::arm(deadline);
    timer::mark(ahead + period / 10);
}
