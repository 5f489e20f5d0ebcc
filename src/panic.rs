//! EL2's own end: what it was, on the UART, then this CPU halts and leaves a [`Reason`]. Nothing a guest does may lead
//! here.

use crate::boot::{self, Reason};
use crate::memory::layout;
use crate::{console, smp};
use aarch64_cpu::registers as arch;
use address::{Address, VirtAddr};
use core::fmt;
use core::panic::PanicInfo;
use tock_registers::interfaces::Readable;

/// A panic in EL2. Its message and place would fill several kilobytes of the image with texts for maintainers alone: they
/// get the return addresses on this stack, which the image's symbols name (`llvm-symbolizer`).
#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    end(format_args!("EL2 panicked at{}", fmt::from_fn(trace)), Reason::Fault)
}

/// Writes what on this stack points into the code.
fn trace(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let top = smp::try_this().map_or(layout::stack_top().get(), smp::PerCpu::stack_top);
    let bottom = arch::SP.get();
    for slot in (bottom..top).step_by(8) {
        // SAFETY: between the stack pointer and the stack's top, aligned as the stack pointer is.
        let word = unsafe { layout::pointer::<u64>(slot).read_volatile() };
        if (layout::head()..layout::text_end()).contains(&VirtAddr::new(word)) {
            write!(f, " {word:#x}")?;
        }
    }
    Ok(())
}

/// An exception EL2 took from itself; in `vectors.S` terms: vector number, stack pointer.
pub extern "C" fn own_fault(vector: u64, sp: u64) -> ! {
    if !arch::CurrentEL.matches_all(arch::CurrentEL::EL::EL2) {
        boot::halt(Reason::Fault); // EL1 may not read what follows.
    }
    let (esr, far, elr) = (arch::ESR_EL2.get(), arch::FAR_EL2.get(), arch::ELR_EL2.get());
    end(format_args!("EL2 fault: vector {vector}, ESR {esr:#x}, FAR {far:#x}, ELR {elr:#x}, SP {sp:#x}"), Reason::Fault)
}

/// The sentence that ends boot, or refuses a cell, stands on the UART.
pub struct Said(());

impl From<&str> for Said {
    fn from(sentence: &str) -> Self {
        said(format_args!("{sentence}"))
    }
}

/// Says why boot ends.
pub fn said(sentence: fmt::Arguments<'_>) -> Said {
    console::say(sentence);
    Said(())
}

fn end(what: fmt::Arguments<'_>, reason: Reason) -> ! {
    console::say_now(what);
    boot::halt(reason)
}
