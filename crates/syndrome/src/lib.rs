//! Exits decoded from `ESR_EL2`, `FAR_EL2` and `HPFAR_EL2`, and the syndromes of faults EL2 injects.
//!
//! Owns the meaning of those numbers; promises to decode any of them without a panic into an [`Exit`] that
//! handlers match on; a class no handler knows is [`Exit::Unexpected`]. Numbers come from the exit path, decisions are
//! made elsewhere. Guests run EL1 in `AArch64` state (`HCR_EL2.RW` = 1), so `AArch32` is seen from EL0 only.
//! DDI 0487 D24.2.40 (`ESR_EL2`), D24.2 (`FAR_EL2`, `HPFAR_EL2`).
#![no_std]
#![forbid(unsafe_code)]

mod abort;
mod display;
pub mod inject;
pub mod system;

pub use abort::{Abort, Access, is_word, unmapped_at};
pub use system::SystemRegister;

/// What the CPU tells of a synchronous exit, or of an `SError`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Syndrome {
    /// `ESR_EL2`.
    pub esr: u64,
    /// `FAR_EL2`.
    pub far: u64,
    /// `HPFAR_EL2`.
    pub hpfar: u64,
}

/// What there is to do for a guest in EL2; calls are not decided here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// A load, store or fetch that stage 2 (or the bus) refused.
    Abort(Abort),
    /// MSR, MRS or a SYS instruction.
    SystemRegister(SystemRegister),
    /// WFI or WFE.
    Wait,
    /// An instruction that is not there for guests: of a coprocessor, SVE, SME or pointer authentication the CPU does not
    /// show; or a call.
    Undefined,
    /// What no control asks for.
    Unexpected,
}

impl Syndrome {
    /// ESR.EC.
    #[inline]
    #[must_use]
    pub const fn class(self) -> u8 {
        low_byte(self.esr >> 26) & 0x3f
    }

    /// Decodes it.
    #[inline]
    #[must_use]
    pub const fn exit(self) -> Exit {
        match self.class() {
            0x20 | 0x24 => Exit::Abort(Abort(self)),
            0x18 => Exit::SystemRegister(SystemRegister::decode(self.esr)),
            0x01 => Exit::Wait,
            0x03..=0x06 | 0x08 | 0x09 | 0x0c | 0x16 | 0x17 | 0x19 | 0x1d => Exit::Undefined,
            _ => Exit::Unexpected,
        }
    }
}

/// Returns the length of the trapped instruction from ESR.IL: what ELR advances by when EL2 has done its work.
#[inline]
#[must_use]
pub const fn instruction_bytes(esr: u64) -> u64 {
    if esr & IL == 0 { 2 } else { 4 }
}

/// ESR.IL: a 32-bit instruction, or no instruction to speak of.
const IL: u64 = 1 << 25;

const fn low_byte(value: u64) -> u8 {
    let [low, ..] = value.to_le_bytes();
    low
}
