//! Exits: saved by `el2/vectors.S`, decoded once (`syndrome`), decided by one file a class, applied here.
//!
//! Everything a guest can steer ends in [`skip`], in [`deliver`] or in `cell::stop`: nothing below panics, loops without bound or allocates.

mod abort;
mod call;
mod device;
mod frame;
mod irq;
mod register;

pub use device::Shown;
pub use frame::Frame;
pub use irq::service as service_interrupts;

use crate::cell::{self, Seat};
use crate::gic::Acknowledged;
use crate::smp;
use aarch64_cpu::registers as arch;
use address::Hex;
use core::fmt;
use lifecycle::Cause;
use syndrome::{Exit, Syndrome, inject};
use tock_registers::interfaces::{Readable, Writeable};

/// An abort: first what guests do often. What it returns, `vectors.S` says.
pub extern "C" fn sync(frame: &mut Frame, esr: u64) -> u64 {
    let this = smp::this();
    let Some(seat) = this.seat else { return NOT_DONE };
    let done = if syndrome::is_word(esr) { device::quick(seat, this.gic, frame, esr) } else { NOT_DONE };
    if done != NOT_DONE {
        arch::ELR_EL2.set(arch::ELR_EL2.get().wrapping_add(4));
    }
    done
}

/// What [`sync`] returns of what is [`rest`]'s.
const NOT_DONE: u64 = 2;

/// All the others; also a system error while a guest ran: its device or its memory failed, or EL2 cannot tell.
pub extern "C" fn rest(frame: &mut Frame, esr: u64) {
    if let Some(seat) = smp::this().seat {
        decide(seat, frame, esr);
    }
}

fn decide(seat: Seat, frame: &mut Frame, esr: u64) {
    let syndrome = Syndrome { esr, far: arch::FAR_EL2.get(), hpfar: arch::HPFAR_EL2.get() };
    match syndrome.exit() {
        Exit::Abort(abort) => abort::judge(seat, frame, abort, esr),
        Exit::SystemRegister(access) => register::access(seat, frame, access),
        Exit::Undefined => deliver(inject::undefined(), None),
        Exit::Wait => {
            call::stand_by(seat);
            skip();
        }
        Exit::Unexpected => stop(seat, format_args!("unexpected exit to EL2: {syndrome}, syndrome {}", Hex(esr))),
    }
}

/// A call, but one that `vectors.S` answers. An HVC has been stepped over already.
pub extern "C" fn call(frame: &mut Frame, esr: u64) {
    let Some(seat) = smp::this().seat else { return };
    let smc = esr >> 26 & 1 != 0;
    if esr.trailing_zeros() >= 16 {
        return call::answer(seat, frame, smc);
    }
    if !smc {
        arch::ELR_EL2.set(arch::ELR_EL2.get().wrapping_sub(4));
    }
    deliver(inject::undefined(), None);
}

/// A physical interrupt while a guest ran: what was acknowledged, or all ones.
pub extern "C" fn irq(acknowledged: u32) {
    let this = smp::this();
    if acknowledged == u32::MAX {
        irq::service();
    } else {
        irq::serve(this.gic, Acknowledged(acknowledged));
    }
    if let Some(seat) = this.seat {
        irq::check(seat);
    }
}

/// Stops the cell for what its guest did.
#[cold]
fn stop(seat: Seat, what: fmt::Arguments<'_>) {
    cell::stop(seat, Cause::Fault, what)
}

/// The guest goes on behind the instruction that trapped.
fn skip() {
    let length = syndrome::instruction_bytes(arch::ESR_EL2.get());
    arch::ELR_EL2.set(arch::ELR_EL2.get().wrapping_add(length));
}

/// The guest takes a synchronous exception with this `ESR_EL1`, and `FAR_EL1` where the syndrome has one.
fn deliver(esr: u64, far: Option<u64>) {
    let spsr = arch::SPSR_EL2.get();
    let entry = inject::exception_entry(spsr, arch::VBAR_EL1.get(), arch::SCTLR_EL1.get());
    arch::ELR_EL1.set(arch::ELR_EL2.get());
    arch::SPSR_EL1.set(spsr);
    arch::ESR_EL1.set(esr);
    if let Some(far) = far {
        arch::FAR_EL1.set(far);
    }
    arch::ELR_EL2.set(entry.pc);
    arch::SPSR_EL2.set(entry.spsr);
}
