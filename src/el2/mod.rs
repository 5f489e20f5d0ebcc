//! The CPU at EL2: system registers, vectors, barriers, caches, timers, calls to firmware.

pub mod barrier;
pub mod cache;
pub mod fp;
pub mod hash;
pub mod smc;
pub mod sysreg;
pub mod timer;

use crate::memory::layout;
use aarch64_cpu::registers as arch;
use address::Address;
use controls::Features;
use core::arch::{asm, global_asm};
use core::mem::offset_of;
use tock_registers::interfaces::{Readable, Writeable};

global_asm!(
    include_str!("vectors.S"),
    SYNC = sym crate::trap::sync,
    CALL = sym crate::trap::call,
    REST = sym crate::trap::rest,
    IRQ = sym crate::trap::irq,
    OWN_FAULT = sym crate::panic::own_fault,
    CONSTANTS = sym vpsci::CONSTANTS,
    SEND = const syndrome::system::ICC_SGI1R_EL1,
    AGAIN = const offset_of!(crate::smp::PerCpu, again),
    SGIS = const offset_of!(crate::smp::PerCpu, sgis),
    DOORBELLS = const offset_of!(crate::smp::PerCpu, doorbells),
    EXITS = const offset_of!(crate::smp::PerCpu, exits),
    FRAMES = const crate::gic::FRAMES,
);

/// Points this CPU at EL2's vectors.
pub fn init_vectors() {
    arch::VBAR_EL2.set(layout::exception_vectors().get());
    arch::TPIDR_EL2.set(0); // No `PerCpu` yet, whatever firmware kept there.
    barrier::synchronize();
}

/// Sets every EL2 register of this CPU (firmware leaves them in any state): what traps is the same for every guest.
/// `guest`: what they are told of the vCPU that this CPU has.
pub fn init_cpu(guest: Features) {
    let features = features().and(guest);
    arch::HCR_EL2.set(controls::HCR_EL2.value(features));
    arch::CPTR_EL2.set(controls::CPTR_EL2.value(features));
    sysreg::HSTR_EL2::set(controls::HSTR_EL2.value(features));
    arch::MDCR_EL2.set(controls::mdcr_el2(features, event_counters(features)));
    arch::CNTHCTL_EL2.set(controls::CNTHCTL_EL2.value(features));
    arch::CNTHP_CTL_EL2.set(0);
    arch::VTTBR_EL2.set(0);
    if features.has(Features::HCX) {
        sysreg::HCRX_EL2::set(controls::HCRX_EL2.value(features));
    }
    if features.has(Features::SVE) {
        sysreg::ZCR_EL2::set(controls::ZCR_EL2.value(features));
    }
    if features.has(Features::SME) {
        sysreg::SMCR_EL2::set(controls::SMCR_EL2.value(features));
    }
    if features.has(Features::FGT) {
        arch::HFGRTR_EL2.set(controls::HFGXTR_EL2.value(features));
        arch::HFGWTR_EL2.set(controls::HFGXTR_EL2.value(features));
        arch::HFGITR_EL2.set(0);
        arch::HDFGRTR_EL2.set(0);
        arch::HDFGWTR_EL2.set(0);
    }
    // The guest's unlock traps (MDCR_EL2.TDOSA): without this its breakpoints never fire.
    arch::OSLAR_EL1.set(0);
    sysreg::OSDLR_EL1::set(0);
    timer::stop_guest_timers();
    barrier::synchronize();
}

/// Tells whether the guest's own stage 1 refuses a load at `address`, as far as its tables say.
#[inline(never)]
pub fn stage1_refuses(address: u64) -> bool {
    let kept = arch::PAR_EL1.get();
    // SAFETY: translates by the guest's tables, as its own load does; all it writes is PAR_EL1.
    unsafe { asm!("at s1e1r, {}", in(reg) address, options(nostack)) };
    barrier::synchronize();
    let refused = arch::PAR_EL1.get() & 1 != 0;
    arch::PAR_EL1.set(kept);
    refused
}

/// What this CPU has.
pub fn features() -> Features {
    Features::read([
        arch::ID_AA64PFR0_EL1.get(),
        arch::ID_AA64PFR1_EL1.get(),
        arch::ID_AA64ISAR1_EL1.get(),
        sysreg::ID_AA64ISAR2_EL1::get(),
        arch::ID_AA64MMFR0_EL1.get(),
        arch::ID_AA64MMFR1_EL1.get(),
        sysreg::ID_AA64MMFR3_EL1::get(),
        arch::ID_AA64DFR0_EL1.get(),
    ])
}

/// `PMCR_EL0.N`: how many event counters the CPU has.
pub fn event_counters(features: Features) -> u64 {
    if features.has(Features::PMU) { (sysreg::PMCR_EL0::get() >> 11) & 0x1f } else { 0 }
}
