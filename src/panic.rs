//! EL2's own end on a CPU: what it was, on the UART, then this CPU halts and leaves a [`Reason`]. Nothing a guest does may lead
//! here.

use crate::boot::{self, Reason};
use crate::memory::layout;
use crate::{cell, console, smp};
use aarch64_cpu::registers as arch;
use address::{Address, Dec, Hex, Text, VirtAddr};
use core::fmt;
use core::panic::PanicInfo;
use tock_registers::interfaces::Readable;

/// A panic in EL2. Its message and place would fill several kilobytes of the image with texts for maintainers alone: they
/// get the calls that this stack remembers, the last first, which the image's symbols name (`llvm-symbolizer`).
#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    end(format_args!("EL2 panicked at{}", fmt::from_fn(trace)))
}

/// Writes what on this stack points into the code.
fn trace(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let bottom = arch::SP.get();
    // The boot CPU's stack is the lowest; the others' end at multiples of their size.
    let top = layout::stack_top().get();
    let top = if bottom < top { top } else { bottom | smp::STACK_BYTES.wrapping_sub(1) };
    for slot in (bottom..top).step_by(8) {
        // SAFETY: between the stack pointer and the stack's top, aligned as the stack pointer is.
        let word = unsafe { layout::pointer::<u64>(slot).read_volatile() };
        let call = word.wrapping_sub(4) & !3;
        if (layout::head()..layout::text_end()).contains(&VirtAddr::new(call)) {
            // SAFETY: in the code, which EL2 may read, aligned.
            let instruction = unsafe { layout::pointer::<u32>(call).read_volatile() };
            // BL, BLR (DDI 0487 C6.2).
            if instruction >> 26 == 0b10_0101 || instruction >> 10 == 0xd63f_0000 >> 10 {
                write!(f, " {}", Hex(call))?;
            }
        }
    }
    Ok(())
}

/// An exception EL2 took from itself; in `vectors.S` terms: vector number, stack pointer.
pub extern "C" fn own_fault(vector: u64, sp: u64) -> ! {
    if !arch::CurrentEL.matches_all(arch::CurrentEL::EL::EL2) {
        boot::halt(Reason::Fault); // EL1 may not read what follows.
    }
    let (esr, far, elr) = (Hex(arch::ESR_EL2.get()), Hex(arch::FAR_EL2.get()), Hex(arch::ELR_EL2.get()));
    end(format_args!("EL2 fault: vector {}, ESR {esr}, FAR {far}, ELR {elr}, SP {}", Dec(vector), Hex(sp)))
}

/// The sentence that ends boot, or refuses a cell, stands on the UART.
pub struct Said;

impl From<&str> for Said {
    fn from(sentence: &str) -> Self {
        said(format_args!("{}", Text(sentence)))
    }
}

/// Says why boot ends.
pub fn said(sentence: fmt::Arguments<'_>) -> Said {
    console::say_now(sentence);
    Said
}

/// At run time this CPU's cell has failed, and the others go on.
fn end(what: fmt::Arguments<'_>) -> ! {
    match smp::lose_this() {
        Some(cpu) => {
            let say = if cpu.service { console::say_now } else { console::say };
            let index = Dec(cpu.index as u64);
            say(format_args!("event=cpu-lost cpu={index} reason=\"{what}\""));
            if let Some(seat) = cpu.seat {
                let name = Text(seat.cell.name);
                say(format_args!("event=cell-failed cell={name} reason=\"EL2 lost CPU {index}\""));
                cell::lose(seat.cell);
            }
        }
        None => console::say_now(what),
    }
    boot::halt(Reason::Fault)
}
