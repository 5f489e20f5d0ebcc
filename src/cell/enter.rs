//! Into a guest: every register of EL2 and EL1 it will meet, then the exception return.
//!
//! DDI 0487 D1.3.1 (reset values a kernel may rely on: design.md §3 "At entry"); `controls` says why each bit is what it is.

use super::vcpu::Seat;
use crate::el2::cache::Hardware;
use crate::el2::sysreg as reg;
use crate::el2::{self, barrier, fp, smc};
use crate::smp;
use aarch64_cpu::registers as arch;
use address::Address;
use controls::Features;
use core::arch::asm;
use core::sync::atomic::Ordering;
use stage2::Regime;
use tock_registers::interfaces::{Readable, Writeable};
use vpsci::Entry;

unsafe extern "C" {
    /// In `vectors.S`.
    fn enter_guest(x0: u64, stack_top: u64) -> !;
}

/// Puts what this CPU's guest will meet into reset state: when the CPU comes up, and whenever the guest was left. So one that
/// is switched on runs at once.
pub fn prepare(seat: Seat) {
    arch::VTCR_EL2.set(controls::vtcr_el2(arch::ID_AA64MMFR0_EL1.get() & 0xf));
    arch::VTTBR_EL2.set(seat.cell.vttbr(seat.vcpu));
    reg::VPIDR_EL2::set(arch::MIDR_EL1.get());
    arch::VMPIDR_EL2.set(controls::vmpidr_el2((seat.vcpu.index as u64 & 0xff) as u8));
    // The guest before may have allowed speculative store bypass (SMCCC_ARCH_WORKAROUND_2).
    smc::architecture(vpsci::WORKAROUNDS[1], 1);
    reset_el1();
}

/// Runs the guest on this CPU, which was prepared, from `entry`; exits come back through the vectors. The caller counted it
/// into `Cell::active`.
pub fn run_vcpu(seat: Seat, entry: Entry) -> ! {
    let Seat { cell, vcpu } = seat;
    arch::CNTVOFF_EL2.set(cell.counter_offset.load(Ordering::Relaxed));
    cell.with_vgic(vcpu, |vgic, lines| {
        if cell.sealed.passthrough {
            cell.gic.give_interface(vcpu.cpu);
            vgic.vcpu_reset(vcpu.index, lines);
        }
        vgic.sync(vcpu.index, &vcpu.inbox, lines)
    });
    go(entry)
}

/// Goes on at `entry` as after power down, interrupts as they were.
pub fn resume_at(entry: Entry) -> ! {
    reset_el1();
    go(entry)
}

fn go(entry: Entry) -> ! {
    barrier::synchronize();
    // After stage 2 and EL1 were set: what a CPU translated speculatively while they changed is gone (errata 1319367 and others).
    stage2::publish(&mut Hardware, Regime::Cell);
    arch::ELR_EL2.set(entry.pc.get());
    arch::SPSR_EL2.set(const { controls::GUEST_PSTATE.value(Features::NONE) });
    // SAFETY: this CPU's stack is abandoned from its top; every register the guest meets was set before.
    unsafe { enter_guest(entry.context, smp::this().stack_top) }
}

/// Zeroes registers by their names.
macro_rules! zero {
    ($($name:literal)+) => {
        // SAFETY: registers of EL1 and EL0, none of which EL2 uses, while no guest runs on this CPU; the CPU has them.
        unsafe { asm!(".arch_extension sve", $(concat!("msr ", $name, ", xzr"),)+ options(nostack)) }
    };
}

/// Zeroes those of each feature that the CPU has.
macro_rules! zero_with {
    ($features:ident: $($feature:ident $($name:literal)+;)+) => {
        $(if $features.has(Features::$feature) { zero!($($name)+) })+
    };
}

/// Zeroes the breakpoints, or watchpoints, from the last there is (0 to 15) down: jumps over those that there are not.
macro_rules! zero_down {
    ($last:expr, $value:literal, $control:literal: $($n:literal)+) => {
        // SAFETY: as in `zero`: the CPU says that it has so many, and each takes eight bytes of code.
        unsafe {
            asm!("adr {at}, 2f - 8", "sub {at}, {at}, {last}, lsl #3", "br {at}",
                $(concat!("msr ", $value, $n, "_el1, xzr"), concat!("msr ", $control, $n, "_el1, xzr"),)+
                "2:", at = out(reg) _, last = in(reg) $last, options(nostack))
        }
    };
}

/// What EL1 finds in its own registers: all that a guest can read back, with the feature that brings it.
fn reset_el1() {
    let features = el2::features();
    arch::SCTLR_EL1.set(const { controls::SCTLR_EL1.value(Features::NONE) });
    zero!("ttbr0_el1" "ttbr1_el1" "tcr_el1" "mair_el1" "amair_el1" "vbar_el1" "esr_el1" "far_el1" "elr_el1" "spsr_el1"
        "sp_el0" "sp_el1" "tpidr_el0" "tpidr_el1" "tpidrro_el0" "cpacr_el1" "par_el1" "afsr0_el1" "afsr1_el1"
        "contextidr_el1" "cntkctl_el1" "csselr_el1" "cntv_ctl_el0" "cntv_cval_el0" "cntp_ctl_el0" "cntp_cval_el0"
        "mdscr_el1" "mdccint_el1" "osdtrrx_el1" "osdtrtx_el1" "oseccr_el1");
    let debug = arch::ID_AA64DFR0_EL1.get();
    zero_down!(debug >> 12 & 0xf, "dbgbvr", "dbgbcr": 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 0);
    zero_down!(debug >> 20 & 0xf, "dbgwvr", "dbgwcr": 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 0);
    reg::DBGCLAIMCLR_EL1::set(0xff);
    if features.has(Features::PMU) {
        reg::PMCNTENCLR_EL0::set(0xffff_ffff);
        reg::PMINTENCLR_EL1::set(0xffff_ffff);
        reg::PMOVSCLR_EL0::set(0xffff_ffff);
        reg::PMCR_EL0::set(0b110); // every counter to 0
        for counter in 0..el2::event_counters(features) {
            reg::PMSELR_EL0::set(counter);
            barrier::synchronize();
            zero!("pmxevtyper_el0");
        }
        zero!("pmselr_el0" "pmuserenr_el0" "pmccfiltr_el0" "pmccntr_el0");
    }
    zero_with!(features:
        POINTER_AUTH "S3_0_C2_C1_0" "S3_0_C2_C1_1" "S3_0_C2_C1_2" "S3_0_C2_C1_3" "S3_0_C2_C2_0" "S3_0_C2_C2_1" "S3_0_C2_C2_2"
            "S3_0_C2_C2_3" "S3_0_C2_C3_0" "S3_0_C2_C3_1"; // the five keys
        RAS "S3_4_C12_C1_1" "S3_4_C5_C2_3"; // VDISR_EL2, VSESR_EL2
        SCXTNUM "S3_3_C13_C0_7" "S3_0_C13_C0_7";
        MTE "S3_0_C5_C6_0" "S3_0_C5_C6_1" "S3_0_C1_C0_6" "S3_0_C1_C0_5"; // TFSR_EL1, TFSRE0_EL1, GCR_EL1, RGSR_EL1
        TCR2 "S3_0_C2_C0_3";
        SCTLR2 "S3_0_C1_C0_3";
        S1PIE "S3_0_C10_C2_2" "S3_0_C10_C2_3"; // PIRE0_EL1, PIR_EL1
        S1POE "S3_0_C10_C2_4" "S3_3_C10_C2_4"; // POR_EL1, POR_EL0
        SME "S3_3_C4_C2_2" "S3_0_C1_C2_6" "S3_3_C13_C0_5" "S3_0_C1_C2_4"; // SVCR, SMCR_EL1, TPIDR2_EL0, SMPRI_EL1
        SVE "S3_0_C1_C2_0"; // ZCR_EL1
    );
    if features.has(Features::SVE) {
        fp::clear_predicates();
    }
    fp::clear();
}
