//! States that are hard to interrupt.

use core::arch::{asm, global_asm};
use kit::{cpu, gic, println, probe, psci, write_sysreg};

/// An empty table, and one whose walk ends in a hole.
#[repr(align(4096))]
struct Table {
    _entries: [u64; 512],
}
static EMPTY: Table = Table { _entries: [0; 512] };

// Vectors that have one handler, for exceptions from EL1 itself (DDI 0487 D1.3.1), and that goes back.
global_asm!(".balign 0x800", "faulting:", ".space 0x200", "eret", ".space 0x5fc");

/// A device page of the board that is nobody's.
const WALL: usize = 0x0901_0000;

fn ended(answer: bool) -> ! {
    println!("mortal: STILL RUNNING, {answer}");
    cpu::park()
}

/// Never comes back.
pub fn enter(state: &str) -> ! {
    // SAFETY: what follows is meant to lose this CPU.
    unsafe { asm!("msr daifset, #15", options(nostack)) };
    match state {
        // Every interrupt masked, at the CPU and at its interface.
        "masked" => {
            mask();
            // SAFETY: as above.
            unsafe { asm!("1: b 1b", options(noreturn)) }
        }
        // The same, asleep.
        "muted" => {
            mask();
            cpu::park()
        }
        // The same, and the highest priority active, for ever: nothing is more urgent.
        "active" => {
            if gic::is_v2() {
                let _ = probe::write(gic::cpu_interface() + 0xd0, 1);
            } else {
                write_sysreg!("S3_0_C12_C9_0", 1); // ICC_AP1R0_EL1
            }
            cpu::park()
        }
        // Touches what is nobody's.
        "read" => ended(probe::read(WALL).is_ok()),
        "write" => ended(probe::write(WALL, 0).is_ok()),
        "fetch" => ended(probe::fetch(WALL).is_ok()),
        // Calls that a diversion in EL2 makes an exit of no known class, and a system error.
        // SAFETY: as above.
        "unknown" => unsafe { asm!("hvc #0x3f", "b .", options(noreturn)) },
        // SAFETY: as above.
        "serror" => unsafe { asm!("hvc #0x5e", "b .", options(noreturn)) },
        "reset" => ended(psci::call(psci::SYSTEM_RESET, 0, 0, 0) == 0),
        // Asleep, interrupts masked.
        "wfi" | "watchdog" => cpu::park(),
        // Invalidating its TLB as fast as it can.
        // SAFETY: as above.
        "tlbi" => unsafe { asm!("1: tlbi vmalle1is", "dsb ish", "isb", "b 1b", options(noreturn)) },
        // Its own translation tables are empty: the vector's fetch faults, and so on for ever. Or they lie in a hole.
        "tables" | "walks" | "walk" => {
            let table = if state == "walks" {
                0x0a10_0000
            } else if state == "walk" {
                WALL as u64
            } else {
                (&raw const EMPTY).expose_provenance() as u64
            };
            write_sysreg!("tcr_el1", 25 | 25 << 16);
            write_sysreg!("ttbr0_el1", table);
            write_sysreg!("ttbr1_el1", table);
            // SAFETY: as above.
            unsafe {
                asm!(
                    "tlbi vmalle1",
                    "dsb sy",
                    "isb",
                    "mrs x0, sctlr_el1",
                    "orr x0, x0, #1",
                    "msr sctlr_el1, x0",
                    "isb",
                    "1: b 1b",
                    options(noreturn)
                )
            }
        }
        // An undefined instruction whose handler goes back to it, for ever.
        // SAFETY: as above.
        "faults" => unsafe {
            asm!("adr x0, faulting", "msr vbar_el1, x0", "isb", "1: udf #0", "b 1b", options(noreturn))
        },
        // One exit after the other.
        "exits" => loop {
            kit::psci::call(0x8400_0000, 0, 0, 0);
        },
        // Stores to an emulated device, one after the other.
        "stores" => loop {
            let _ = probe::write(gic::distributor() + 0x100, 0);
        },
        // Spins with interrupts let in.
        _ => {
            // SAFETY: as above.
            unsafe { asm!("msr daifclr, #15", "1: b 1b", options(noreturn)) }
        }
    }
}

/// Masks every interrupt at the CPU interface.
fn mask() {
    if gic::is_v2() {
        let _ = probe::write(gic::cpu_interface(), 0);
        let _ = probe::write(gic::cpu_interface() + 4, 0);
    } else {
        write_sysreg!("S3_0_C4_C6_0", 0); // ICC_PMR_EL1
        write_sysreg!("S3_0_C12_C12_7", 0); // ICC_IGRPEN1_EL1
    }
}
