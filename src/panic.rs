//! EL2's own end: what it was, on the UART, then this CPU halts. Nothing a guest does may lead here.

use crate::console;
use crate::el2::barrier;
use aarch64_cpu::registers as arch;
use core::fmt;
use core::panic::PanicInfo;
use tock_registers::interfaces::Readable;

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    die(format_args!("EL2 {info}"))
}

/// An exception EL2 took from itself; in `vectors.S` terms: vector number, stack pointer.
pub extern "C" fn own_fault(vector: u64, sp: u64) -> ! {
    let (esr, far, elr) = (arch::ESR_EL2.get(), arch::FAR_EL2.get(), arch::ELR_EL2.get());
    die(format_args!("EL2 fault: vector {vector}, ESR {esr:#x}, FAR {far:#x}, ELR {elr:#x}, SP {sp:#x}"))
}

/// Ends boot with one sentence.
pub fn halt(sentence: impl fmt::Display) -> ! {
    die(format_args!("{sentence}"))
}

fn die(what: fmt::Arguments<'_>) -> ! {
    console::say_now(what);
    loop {
        barrier::wait_for_interrupt();
    }
}
