//! Says hello from every CPU of its machine, then turns it off. With `reset` in the boot arguments it resets it instead,
//! with `stay` it waits for ever; with `echo` it sends back what it receives, by interrupt; with `workarounds` it first
//! says what firmware does about its CPU's predictors; with `exits=N` it does N times what makes known exits of each class; with
//! `signals=N` it refreshes its watchdog at N of that one's first signals, and then no more.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use kit::{Machine, console, cpu, gic, print, println, probe, psci, timer, write_sysreg};

kit::guest!(main, secondary, irq);

const WORKAROUNDS: [u64; 3] = [0x8000_8000, 0x8000_7fff, 0x8000_3fff];

/// First signals of its watchdog that it refreshes at; what refreshes it, and the signals' interrupt.
static SIGNALS: AtomicU32 = AtomicU32::new(0);
static REFRESH: AtomicUsize = AtomicUsize::new(0);
static WATCHDOG: AtomicU32 = AtomicU32::new(u32::MAX);
static SIGNALLED: AtomicU32 = AtomicU32::new(0);

/// How many CPUs have said hello: the next one waits for its turn.
static SAID: AtomicUsize = AtomicUsize::new(0);

fn main(machine: Machine) -> ! {
    let (base, size) = machine.memory;
    let cpus = machine.cpus();
    println!(
        "hello from cell, vcpu 0, EL{}, tree at {:#x}, memory {base:#x}+{size:#x}, {} cpus, gic v{}",
        cpu::exception_level(),
        machine.tree_address,
        cpus.len(),
        machine.gic_version
    );
    SAID.store(1, Relaxed);
    for (index, &affinity) in cpus.iter().enumerate().skip(1) {
        if let Err(code) = psci::cpu_on(affinity, index) {
            println!("hello: cpu {affinity:#x} refused: {}", code.cast_signed());
            continue;
        }
        while SAID.load(Relaxed) <= index {
            core::hint::spin_loop();
        }
    }
    if machine.has("workarounds") {
        // SMCCC_ARCH_FEATURES of SMCCC_ARCH_WORKAROUND_1 to 3, then each of them (DEN 0028 7).
        let known = WORKAROUNDS.map(|id| psci::call(0x8000_0001, id, 0, 0).cast_signed());
        let called = WORKAROUNDS.map(|id| psci::call(id, 1, 0, 0).cast_signed());
        println!("hello: workarounds {known:?} called {called:?}");
    }
    if let Some(rounds) = machine.number("exits") {
        gic::init();
        gic::enable(machine.timer_intid);
        (0..rounds).for_each(|_| exits());
    }
    if let (Some(signals), Some((refresh, intid))) = (machine.number("signals"), machine.watchdog) {
        SIGNALS.store(cpu::low32(signals), Relaxed);
        REFRESH.store(refresh, Relaxed);
        WATCHDOG.store(intid, Relaxed);
        gic::init();
        gic::enable(intid);
        cpu::unmask_irq();
    }
    println!("hello: done");
    if machine.has("echo") {
        gic::init();
        machine.uart_intid.into_iter().for_each(gic::enable);
        console::enable_receive_interrupt();
        cpu::unmask_irq();
        println!("hello: echoing");
        cpu::park()
    }
    if machine.has("stay") {
        cpu::park()
    }
    if machine.has("reset") {
        psci::call(psci::SYSTEM_RESET, 0, 0, 0);
    }
    psci::system_off()
}

/// Two calls, two accesses to the distributor and one trapped register, of those that EL2 answers at once and of others, and an
/// interrupt, whose handler looks into the UART.
fn exits() {
    psci::call(0x8400_0000, 0, 0, 0); // PSCI_VERSION
    psci::call(0xc400_0004, 0, 0, 0); // AFFINITY_INFO
    let _ = probe::read(gic::distributor() + 4); // GICD_TYPER
    let _ = probe::read(gic::distributor() + 0xc04); // GICD_ICFGR1
    write_sysreg!("actlr_el1", 0);
    timer::arm(timer::now());
    cpu::wait();
    cpu::unmask_irq();
    cpu::isb();
    cpu::mask_irq();
}

/// The watchdog's first signal.
fn signalled(intid: u32) {
    let signal = SIGNALLED.load(Relaxed) + 1;
    SIGNALLED.store(signal, Relaxed);
    println!("hello: signal={signal} ms={}", timer::now() * 1000 / timer::frequency());
    if signal <= SIGNALS.load(Relaxed) {
        let _ = probe::write(REFRESH.load(Relaxed), 0);
    } else {
        gic::disable(intid);
    }
}

fn secondary(index: usize) -> ! {
    println!("hello from cell, vcpu {index}, EL{}, affinity {:#x}", cpu::exception_level(), cpu::affinity());
    SAID.store(index + 1, Relaxed);
    cpu::park()
}

fn irq(intid: u32) {
    timer::disarm();
    if intid == WATCHDOG.load(Relaxed) {
        return signalled(intid);
    }
    while let Some(byte) = console::take() {
        match byte {
            b'\r' => print!("\n"),
            _ => print!("{}", char::from(byte)),
        }
    }
}
