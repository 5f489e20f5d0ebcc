//! What one CPU does: calls, accesses to emulated devices, interrupts of its own.

use crate::count;
use crate::handler::{END, HERE, TIMED, here};
use crate::sample::Bench;
use core::sync::atomic::Ordering::Relaxed;
use kit::{Machine, cpu, gic, timer};

const PSCI_VERSION: u64 = 0x8400_0000;
const AFFINITY_INFO: u64 = 0xc400_0004;
const PSCI_FEATURES: u64 = 0x8400_000a;
const UNKNOWN: u64 = 0x8600_ff01;
const GICD_TYPER: usize = 0x004;
const GICD_ISENABLER: usize = 0x100;
const GICD_ISENABLER1: usize = GICD_ISENABLER + 4;
const GICD_ICENABLER: usize = 0x180;
const GICR_TYPER: usize = 0x008;
const UART_DR: usize = 0x000;
const UART_FR: usize = 0x018;
/// An address where QEMU's `virt` has nothing: it is a hole of the cell, too.
const HOLE: usize = 0x0a10_0000;

/// Calls, and registers of the CPU.
pub fn calls(bench: &Bench) {
    bench.event("null", || {
        // SAFETY: two reads of the counter.
        unsafe { count!("", ; options(nostack)) }
    });
    let call = |name, function: u64| {
        bench.event(name, || {
            // SAFETY: none of these calls touches memory, and all registers a call may change are given up.
            unsafe {
                count!("mov w0, {function:w}", "mov x1, xzr", "mov x2, xzr", "mov x3, xzr", "hvc #0", ;
                    function = in(reg) function, clobber_abi("C"))
            }
        });
    };
    call("hypercall", PSCI_VERSION);
    call("hypercall-affinity", AFFINITY_INFO);
    call("hypercall-features", PSCI_FEATURES);
    call("hypercall-unknown", UNKNOWN);
    bench.event("id-register", || {
        // SAFETY: an ID register changes nothing.
        unsafe { count!("mrs x0, id_aa64pfr0_el1", ; out("x0") _, options(nostack)) }
    });
}

/// Accesses to the distributor and the UART, which a cell has emulated, and to a hole.
pub fn devices(bench: &Bench, machine: &Machine) {
    let read = |name, address: usize| {
        bench.event(name, || {
            // SAFETY: a register of the distributor or the UART, which reading does not change.
            unsafe { count!("ldr w0, [{at}]", ; at = in(reg) address, out("x0") _, options(nostack)) }
        });
    };
    let write = |name, address: usize, value: u32| {
        bench.event(name, || {
            // SAFETY: a register of the distributor or the UART; the value changes nothing or sends a byte.
            unsafe { count!("str {value:w}, [{at}]", ; at = in(reg) address, value = in(reg) value, options(nostack)) }
        });
    };
    read("distributor-read", gic::distributor() + GICD_TYPER);
    read("enables-read", gic::distributor() + GICD_ISENABLER1);
    write("enable-write", gic::distributor() + GICD_ISENABLER1, 0);
    if let Some(intid) = machine.uart_intid {
        let (word, bit) = (intid as usize / 32 * 4, 1_u32 << (intid % 32));
        let (set, clear) = (gic::distributor() + GICD_ISENABLER + word, gic::distributor() + GICD_ICENABLER + word);
        bench.event("line-enable", || {
            // SAFETY: a line of our own, which nobody has enabled yet.
            unsafe { cpu::write32(clear, bit) };
            // SAFETY: nothing of it is pending.
            unsafe { count!("str {bit:w}, [{set}]", ; set = in(reg) set, bit = in(reg) bit, options(nostack)) }
        });
        write("line-disable", clear, bit);
    }
    if !gic::is_v2() {
        read("redistributor-read", gic::redistributors() + GICR_TYPER);
    }
    if let Some(uart) = machine.uart {
        read("uart-flags", uart + UART_FR);
        write("uart-data", uart + UART_DR, u32::from(b'.'));
        kit::print!("\n");
    }
    bench.event("hole", || {
        let start = timer::now();
        // SAFETY: nothing is there; the fault is taken by `bench_sync`, which goes on behind it.
        let _ = unsafe { cpu::read32(HOLE) };
        here().at.load(Relaxed) - start
    });
}

/// Interrupts: from their cause to the handler.
pub fn interrupts(bench: &Bench) {
    let deadline = |wait: fn()| {
        let (noted, deadline) = (here(), timer::now() + 3000);
        let before = noted.count.load(Relaxed);
        timer::arm(deadline);
        while noted.count.load(Relaxed) == before {
            wait();
        }
        noted.at.load(Relaxed) - deadline
    };
    bench.event("timer", || deadline(|| ()));
    bench.event("timer-wfi", || deadline(wait_unmasked));
    let to_self = gic::Sgi::new(HERE, 1);
    bench.event("sgi-self", || {
        let noted = here();
        let before = noted.count.load(Relaxed);
        let start = timer::now();
        to_self.send();
        while noted.count.load(Relaxed) == before {}
        noted.at.load(Relaxed) - start
    });
    let timed = gic::Sgi::new(TIMED, 1);
    bench.event("eoi", || {
        timed.send();
        END.load(Relaxed)
    });
    bench.event("storm", || {
        cpu::mask_irq();
        // The sixteenth is the timer's: a cell with the board's GIC has fifteen.
        (0..15).for_each(|sgi| gic::send_sgi(sgi, 1));
        timer::arm(0);
        let noted = here();
        let all = noted.count.load(Relaxed) + 16;
        let start = timer::now();
        cpu::unmask_irq();
        while noted.count.load(Relaxed) < all {}
        timer::now() - start
    });
}

/// Waits for an interrupt and takes it.
fn wait_unmasked() {
    cpu::mask_irq();
    cpu::wait();
    cpu::unmask_irq();
    cpu::isb();
}
