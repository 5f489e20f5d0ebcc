//! Into a guest: every register of EL2 and EL1 it will meet, then the exception return.
//!
//! DDI 0487 D1.3.1 (reset values a kernel may rely on: design.md §3 "At entry"); `controls` says why each bit is what it is.

use super::vcpu::Seat;
use crate::el2::cache::Hardware;
use crate::el2::sysreg as reg;
use crate::el2::{barrier, fp, timer};
use crate::smp;
use aarch64_cpu::registers as arch;
use address::Address;
use controls::Features;
use stage2::Regime;
use tock_registers::interfaces::{Readable, Writeable};
use vpsci::Entry;

unsafe extern "C" {
    /// In `vectors.S`.
    fn enter_guest(x0: u64, stack_top: u64) -> !;
}

/// Runs the guest on this CPU from `entry`; exits come back through the vectors. The caller counted it into
/// `Cell::active`.
pub fn run_vcpu(seat: Seat, entry: Entry) -> ! {
    set_traps(&seat);
    if let Some(mut lines) = seat.cell.lines() {
        if seat.cell.sealed.passthrough {
            lines.gic.give_interface(seat.vcpu.cpu);
        } else {
            lines.gic.reset_virtual_interface();
        }
        let mut vgic = seat.cell.vgic.lock();
        vgic.vcpu_reset(seat.vcpu.index, &mut lines);
        let kicks = vgic.sync(seat.vcpu.index, &seat.vcpu.inbox, &mut lines);
        drop(vgic);
        seat.cell.kick(kicks);
    }
    resume_at(seat, entry)
}

/// Goes on at `entry` as after power down, interrupts as they were.
pub fn resume_at(_seat: Seat, entry: Entry) -> ! {
    reset_el1();
    fp::clear();
    arch::ELR_EL2.set(entry.pc.get());
    arch::SPSR_EL2.set(controls::GUEST_PSTATE.value(Features::NONE));
    // SAFETY: this CPU's stack is abandoned from its top; every register the guest meets was set above.
    unsafe { enter_guest(entry.context, smp::this().stack_top()) }
}

/// Stage 2 and identity of this vCPU; what traps was set when its CPU came up.
fn set_traps(seat: &Seat) {
    reg::VTCR_EL2::set(controls::vtcr_el2(reg::ID_AA64MMFR0_EL1::get() & 0xf));
    reg::VTTBR_EL2::set(seat.cell.vttbr(seat.vcpu));
    reg::VPIDR_EL2::set(arch::MIDR_EL1.get());
    reg::VMPIDR_EL2::set(controls::vmpidr_el2(u8::try_from(seat.vcpu.index).unwrap_or(u8::MAX)));
    timer::set_virtual_counter(&seat.cell.counter_offset);
    barrier::synchronize();
    stage2::publish(&mut Hardware, Regime::Cell { vmid: seat.cell.vmid });
}

/// What EL1 finds in its own registers.
fn reset_el1() {
    arch::SCTLR_EL1.set(controls::SCTLR_EL1.value(Features::NONE));
    arch::TTBR0_EL1.set(0);
    arch::TTBR1_EL1.set(0);
    arch::TCR_EL1.set(0);
    arch::MAIR_EL1.set(0);
    arch::VBAR_EL1.set(0);
    arch::ESR_EL1.set(0);
    arch::FAR_EL1.set(0);
    arch::ELR_EL1.set(0);
    arch::SPSR_EL1.set(0);
    arch::SP_EL0.set(0);
    arch::SP_EL1.set(0);
    arch::TPIDR_EL0.set(0);
    arch::TPIDR_EL1.set(0);
    arch::TPIDRRO_EL0.set(0);
    arch::CPACR_EL1.set(0);
    arch::PAR_EL1.set(0);
    reg::AMAIR_EL1::set(0);
    reg::AFSR0_EL1::set(0);
    reg::AFSR1_EL1::set(0);
    reg::CONTEXTIDR_EL1::set(0);
    reg::CNTKCTL_EL1::set(0);
    reg::CSSELR_EL1::set(0);
    reg::MDSCR_EL1::set(0);
    arch::CNTV_CTL_EL0.set(0);
    arch::CNTV_CVAL_EL0.set(0);
    arch::CNTP_CTL_EL0.set(0);
    arch::CNTP_CVAL_EL0.set(0);
}
