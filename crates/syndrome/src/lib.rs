//! Exits decoded from `ESR_EL2`, `FAR_EL2` and `HPFAR_EL2`, and the syndromes of faults EL2 injects.
//!
//! Owns the meaning of those numbers; promises to decode any of them without a panic, once, into an [`Exit`] that
//! handlers match on; a class no handler knows is [`Exit::Unexpected`]. Numbers come from the exit path, decisions are
//! made elsewhere. Guests run EL1 in `AArch64` state (`HCR_EL2.RW` = 1), so `AArch32` is seen from EL0 only.
//! DDI 0487 D24.2.40 (`ESR_EL2`), D24.2 (`FAR_EL2`, `HPFAR_EL2`).
#![no_std]
#![forbid(unsafe_code)]

mod abort;
mod display;
pub mod inject;
pub mod system;

pub use abort::{Access, DataAbort, FaultKind, InstructionAbort, is_word, unmapped_at};
pub use system::SystemRegister;

/// Why a guest is in EL2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// HVC from EL1. ELR is already past it.
    Hvc {
        /// Its immediate.
        immediate: u16,
    },
    /// SMC from EL1, trapped by `HCR_EL2.TSC`. ELR is at it: resuming skips [`instruction_bytes`].
    Smc {
        /// Its immediate.
        immediate: u16,
    },
    /// A load or store that stage 2 (or the bus) refused.
    DataAbort(DataAbort),
    /// A fetch that stage 2 (or the bus) refused.
    InstructionAbort(InstructionAbort),
    /// MSR, MRS or a SYS instruction.
    SystemRegister(SystemRegister),
    /// `AArch32` EL0 access to coprocessor 15.
    Cp15,
    /// `AArch32` EL0 access to coprocessor 14, or to floating-point ID registers.
    Cp14,
    /// WFI or WFE.
    Wfx {
        /// WFE or WFET, else WFI or WFIT.
        wfe: bool,
    },
    /// Advanced SIMD or floating point.
    FloatingPoint,
    /// SVE.
    Sve,
    /// SME.
    Sme,
    /// Pointer authentication.
    PointerAuth,
    /// An asynchronous external abort. Reported by its vector too; the syndrome is the implementation's own.
    SError,
    /// An exception return to a state that does not exist.
    IllegalState,
    /// Breakpoint, watchpoint, single step, BRK, BKPT or vector catch, routed here by `MDCR_EL2.TDE`.
    Debug,
    /// A class no control asks for.
    Unexpected {
        /// ESR.EC.
        class: u8,
    },
}

impl Exit {
    /// Decodes a synchronous exit, or an `SError`, from the three registers.
    #[inline]
    #[must_use]
    pub fn decode(esr: u64, far: u64, hpfar: u64) -> Self {
        match class(esr) {
            0x16 => Self::Hvc { immediate: immediate(esr) },
            0x17 => Self::Smc { immediate: immediate(esr) },
            0x24 => Self::DataAbort(DataAbort::decode(esr, far, hpfar)),
            0x20 => Self::InstructionAbort(InstructionAbort::decode(esr, far, hpfar)),
            0x18 => Self::SystemRegister(SystemRegister::decode(esr)),
            0x01 => Self::Wfx { wfe: esr & 1 != 0 },
            0x03 | 0x04 => Self::Cp15,
            0x05 | 0x06 | 0x08 | 0x0c => Self::Cp14,
            0x07 => Self::FloatingPoint,
            0x19 => Self::Sve,
            0x1d => Self::Sme,
            0x09 => Self::PointerAuth,
            0x2f => Self::SError,
            0x0e => Self::IllegalState,
            0x30..=0x35 | 0x38 | 0x3a | 0x3c => Self::Debug,
            class => Self::Unexpected { class },
        }
    }
}

/// Returns ESR.EC.
#[inline]
#[must_use]
pub const fn class(esr: u64) -> u8 {
    low_byte(esr >> 26) & 0x3f
}

/// Returns the length of the trapped instruction from ESR.IL: what ELR advances by when EL2 has done its work.
#[inline]
#[must_use]
pub const fn instruction_bytes(esr: u64) -> u64 {
    if esr & IL == 0 { 2 } else { 4 }
}

/// ESR.IL: a 32-bit instruction, or no instruction to speak of.
const IL: u64 = 1 << 25;

/// Returns ISS\[15:0\], an HVC's or SMC's immediate.
const fn immediate(esr: u64) -> u16 {
    let [low, high, ..] = esr.to_le_bytes();
    u16::from_le_bytes([low, high])
}

const fn low_byte(value: u64) -> u8 {
    let [low, ..] = value.to_le_bytes();
    low
}
