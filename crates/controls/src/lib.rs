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

pub use errata::stage1_hidden;
pub use features::Features;
pub use guest::{GUEST_PSTATE, SCTLR_EL1, vmpidr_el2};
pub use table::Register;
pub use translation::*;
pub use traps::*;
