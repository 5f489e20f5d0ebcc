//! Asks its interrupt controller one question after the other and prints each answer as
//! `conform: SECTION question = value`: the same guest at EL1 on the bare machine says what a cell must say. Interrupts
//! stay masked at the CPU; the guest looks by reading the acknowledge register. Sections are of IHI 0069H; those of
//! IHI 0048B in brackets. `shared=N` is a shared interrupt it may use;
//! `passed` says that its interrupts are passed through; `processor` asks of that alone; `wait=N` lets N ms go
//! by first; with `hold` it stays, a breakpoint and a watchpoint set.
#![no_std]
#![no_main]

mod interface;
mod processor;
mod questions;

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use kit::{Machine, cpu, gic, println, psci, timer};

kit::guest!(main, secondary, kit::no_irq);

/// SGIs that the second CPU got, by number.
static CAME: [AtomicU32; 16] = [const { AtomicU32::new(0) }; 16];
static READY: AtomicU32 = AtomicU32::new(0);

fn main(machine: Machine) -> ! {
    timer::spin_ms(machine.number("wait").unwrap_or(0));
    gic::init();
    questions::set_up();
    if let Some(&affinity) = machine.cpus().get(1)
        && psci::cpu_on(affinity, 1).is_ok()
    {
        while READY.load(Relaxed) == 0 {
            core::hint::spin_loop();
        }
    }
    let shared = machine.number("shared").map_or(34, cpu::low32);
    println!("conform: GICv{}", machine.gic_version);
    if !machine.has("processor") {
        questions::ask_all(shared, machine.timer_intid, machine.has("passed"));
    }
    processor::debug();
    if let Some(intid) = machine.monitors_intid {
        processor::monitors(intid);
    }
    println!("conform: done");
    if machine.has("hold") {
        // What another cell must not meet.
        processor::set_traps(true);
        kit::cpu::park();
    }
    psci::system_off()
}

/// Takes SGIs and counts them.
fn secondary(_: usize) -> ! {
    gic::init_cpu();
    questions::set_up();
    READY.store(1, Relaxed);
    loop {
        questions::give_way();
        if let Some(token) = gic::acknowledge() {
            if let Some(count) = CAME.get(token as usize & 0x3ff) {
                count.store(count.load(Relaxed) + 1, Relaxed);
            }
            gic::end(token);
        }
    }
}
