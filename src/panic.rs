//! EL2's own end on a CPU: what it was, on the UART, then this CPU halts and leaves a [`Reason`]. Nothing a guest does may lead
//! here.

use crate::boot::{self, Reason};
use crate::cell;
use crate::console;
use crate::smp;
use aarch64_cpu::registers as arch;
use core::fmt;
use core::panic::PanicInfo;
use tock_registers::interfaces::Readable;

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    match info.location() {
        Some(at) => end(format_args!("EL2 panicked at {at}: {}", info.message()), Reason::Fault),
        None => end(format_args!("EL2 panicked"), Reason::Fault),
    }
}

/// An exception EL2 took from itself; in `vectors.S` terms: vector number, stack pointer.
pub extern "C" fn own_fault(vector: u64, sp: u64) -> ! {
    if !arch::CurrentEL.matches_all(arch::CurrentEL::EL::EL2) {
        boot::halt(Reason::Fault); // EL1 may not read what follows.
    }
    let (esr, far, elr) = (arch::ESR_EL2.get(), arch::FAR_EL2.get(), arch::ELR_EL2.get());
    end(format_args!("EL2 fault: vector {vector}, ESR {esr:#x}, FAR {far:#x}, ELR {elr:#x}, SP {sp:#x}"), Reason::Fault)
}

/// Ends boot with one sentence.
pub fn halt(sentence: impl fmt::Display) -> ! {
    end(format_args!("{sentence}"), Reason::Said)
}

/// At run time this CPU's cell has failed, and the others go on.
fn end(what: fmt::Arguments<'_>, reason: Reason) -> ! {
    match smp::lose_this() {
        Some(cpu) => {
            let say = if cpu.service { console::say_now } else { console::say };
            say(format_args!("event=cpu-lost cpu={} reason=\"{what}\"", cpu.index));
            if let Some(seat) = cpu.seat() {
                say(format_args!("event=cell-failed cell={} reason=\"EL2 lost CPU {}\"", seat.cell.name, cpu.index));
                cell::lose(seat.cell);
            }
        }
        None => console::say_now(what),
    }
    boot::halt(reason)
}
