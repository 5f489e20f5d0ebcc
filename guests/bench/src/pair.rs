//! What two CPUs do: one is started again and again, then answers interrupts. Whoever waits yields: QEMU runs its CPUs in
//! turn while it counts, and a CPU that spins keeps its turn.

use crate::handler::{ANSWER, ECHO, HERE, NOTED, install};
use crate::sample::Bench;
use core::arch::asm;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use kit::{cpu, gic, psci, timer};

/// `bench_first` stores the counter here and passes the index on.
#[repr(C)]
struct Start {
    at: AtomicU64,
    index: AtomicU64,
}

static START: Start = Start { at: AtomicU64::new(0), index: AtomicU64::new(1) };
/// The other CPU has come as far as Rust.
static UP: AtomicBool = AtomicBool::new(false);
/// It shall stay, and wait by WFI rather than spin.
static STAY: AtomicBool = AtomicBool::new(false);
static SLEEP: AtomicBool = AtomicBool::new(false);
/// The line it shall make pending, and when it did.
static LINE: AtomicU32 = AtomicU32::new(0);
static RAISED: AtomicU64 = AtomicU64::new(0);

const CPU_ON: u64 = 0xc400_0003;
const CPU_OFF: u64 = 0x8400_0002;
const AFFINITY_INFO: u64 = 0xc400_0004;
const OFF: u64 = 1;

unsafe extern "C" {
    fn bench_first();
}

fn yield_now() {
    // SAFETY: a hint.
    unsafe { asm!("yield", options(nomem, nostack)) };
}

fn wait_until(mut done: impl FnMut() -> bool) {
    while !done() {
        yield_now();
    }
}

/// Measures with the CPU of that affinity, and that line made pending there.
pub fn run(bench: &Bench, other: u64, line: Option<u32>) {
    let entry = (bench_first as unsafe extern "C" fn()) as usize as u64;
    let start = || {
        START.at.store(0, Relaxed);
        UP.store(false, Relaxed);
        let begin = timer::now();
        psci::call(CPU_ON, other, entry, (&raw const START).addr() as u64);
        wait_until(|| UP.load(Relaxed));
        START.at.load(Relaxed).wrapping_sub(begin)
    };
    bench.event("cpu-on", || {
        let cost = start();
        wait_until(|| psci::call(AFFINITY_INFO, other, 0, 0) == OFF);
        cost
    });
    STAY.store(true, Relaxed);
    start();
    if let Some(intid) = line {
        gic::enable(intid);
        // If that number is the hypervisor's, its own must not be taken for this one.
        gic::send_sgi(15, 1);
        bench.event("line", || {
            settle();
            let before = NOTED[0].count.load(Relaxed);
            LINE.store(intid, Relaxed);
            wait_until(|| NOTED[0].count.load(Relaxed) != before);
            NOTED[0].at.load(Relaxed) - RAISED.load(Relaxed)
        });
    }
    for (sleep, one_way, round_trip) in [(false, "ipi", "ipi-back"), (true, "ipi-wfi", "ipi-wfi-back")] {
        SLEEP.store(sleep, Relaxed);
        settle();
        bench.event(one_way, || ping(HERE, 1));
        bench.event(round_trip, || ping(ECHO, 0));
    }
}

/// Gives the other CPU its turn until it has come to rest.
fn settle() {
    let end = timer::now() + 100_000;
    wait_until(|| timer::now() > end);
}

/// Sends `sgi` to the other CPU; returns the time until CPU `to` had its handler.
fn ping(sgi: u32, to: usize) -> u64 {
    settle();
    let (noted, prepared) = (&NOTED[to], gic::Sgi::new(sgi, 2));
    let before = noted.count.load(Relaxed);
    let start = timer::now();
    prepared.send();
    wait_until(|| noted.count.load(Relaxed) != before);
    noted.at.load(Relaxed) - start
}

/// The other CPU.
pub fn secondary(_index: usize) -> ! {
    UP.store(true, Relaxed);
    if !STAY.load(Relaxed) {
        psci::call(CPU_OFF, 0, 0, 0);
    }
    install();
    gic::init_cpu();
    gic::enable(HERE);
    gic::enable(ECHO);
    let mut answer = gic::Sgi::new(HERE, 1);
    ANSWER.store(&raw mut answer, Relaxed);
    cpu::unmask_irq();
    loop {
        let line = LINE.load(Relaxed);
        if line != 0 {
            LINE.store(0, Relaxed);
            RAISED.store(timer::now(), Relaxed);
            gic::set_pending(line);
        }
        if SLEEP.load(Relaxed) { cpu::wait() } else { yield_now() }
    }
}
