//! EL2's own end: what it was, on the UART, then this CPU halts and leaves a [`Reason`]. Nothing a guest does may lead
//! here.

use crate::boot::{self, Reason};
use crate::console;
use aarch64_cpu::registers as arch;
use core::fmt;
use core::panic::PanicInfo;
use tock_registers::interfaces::Readable;

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    end(format_args!("EL2 {info}"), Reason::Fault)
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

fn end(what: fmt::Arguments<'_>, reason: Reason) -> ! {
    console::say_now(what);
    boot::halt(reason)
}
