//! Every trap-control and translation-control bit of EL2, with its reason.
//!
//! This is the crate to read first for what a guest can and cannot reach. Each register is a table of the bits set and
//! the bits left clear on purpose, and why; its value is a fold over that table, so a bit without a reason cannot be
//! set. EL2 writes these values on every CPU before its first guest, and nothing else writes these registers, save where
//! a row says so. Facts about the CPU come in as [`Features`] and a few fields of its ID registers.
//!
//! | question | file |
//! |---|---|
//! | what traps to EL2, and what is the guest's own | [`traps`] |
//! | how stage 2 and EL2's stage 1 translate | [`translation`] |
//! | what state a guest's CPU starts in | [`guest`] |
//! | which CPU features change a bit | [`features`] |
//! | what the CPUs themselves do wrong | [`errata`] |
//!
//! DDI 0487 D24.2 (system registers, by name), IHI 0069 12.2 and 12.4 (`ICC_SRE_EL2`, `ICH_HCR_EL2`).
#![no_std]
#![forbid(unsafe_code)]

pub mod errata;
pub mod features;
pub mod guest;
mod table;
#[cfg(test)]
mod tests;
pub mod translation;
pub mod traps;

pub use errata::STAGE1_HIDDEN;
pub use features::{Features, IdRegisters};
pub use guest::{GUEST_PSTATE, SCTLR_EL1, vmpidr_el2};
pub use table::{Bit, Register, When};
pub use translation::{MAIR_EL2, SCTLR_EL2, TCR_EL2, VTCR_EL2, tcr_el2, vtcr_el2};
pub use traps::{
    CNTHCTL_EL2, CPTR_EL2, HCR_EL2, HCRX_EL2, HFGXTR_EL2, HSTR_EL2, ICC_SRE_EL2, ICH_HCR_EL2, MDCR_EL2, SMCR_EL2,
    ZCR_EL2, mdcr_el2,
};
