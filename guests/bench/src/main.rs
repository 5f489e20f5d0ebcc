//! Counts what each kind of exit costs. One binary, alone on a board's EL1 and as a cell: where a tick of the counter is
//! one instruction (QEMU: `-icount shift=0 -cpu cortex-a57,cntfrq=1000000000`), the difference is what EL2 executes.
//!
//! An event runs 32 times (`rounds=N` in the boot arguments) and is told by one line, `bench: event=NAME min=N max=N`,
//! the two reads of the counter included: `null` is those alone. Handlers take the counter after 18 instructions
//! (`vectors.S`). With a second CPU the counts are the sum of both CPUs' instructions, as QEMU counts.
#![no_std]
#![no_main]

mod alone;
mod handler;
mod pair;
mod sample;

use kit::{Machine, cpu, gic, println, psci, read_sysreg};

kit::guest!(main, pair::secondary, kit::no_irq);

core::arch::global_asm!(include_str!("vectors.S"));

/// Says by the physical counter, which a restart leaves alone, when this life began, and asks for the next one a million
/// ticks later.
fn restart() -> ! {
    const AFTER: u64 = 1_000_000;
    let began = kit::timer::began();
    println!("bench: life={began} ends={}", began + AFTER);
    while read_sysreg!("cntpct_el0") < began + AFTER {}
    psci::system_reset()
}

fn main(machine: Machine) -> ! {
    if machine.has("restart") {
        restart();
    }
    handler::install();
    gic::init();
    for sgi in 0..16 {
        gic::enable(sgi);
    }
    gic::enable(machine.timer_intid);
    cpu::unmask_irq();
    let bench = sample::Bench { rounds: machine.number("rounds").unwrap_or(32) };
    println!("bench: gic={} vcpus={}", machine.gic_version, machine.cpus().len());
    alone::calls(&bench);
    alone::devices(&bench, &machine);
    alone::interrupts(&bench);
    if let Some(&other) = machine.cpus().get(1) {
        pair::run(&bench, other, machine.uart_intid);
    }
    println!("bench: done");
    psci::system_off()
}
