//! PSCI 1.1 and SMCCC 1.2 as a cell sees them: which of its vCPUs are on, and what each call answers.
//!
//! Owns [`Power`], one a cell; promises that no call reaches beyond its cell, that a vCPU is switched on by exactly one
//! of any number of racing `CPU_ON` calls, without a lock, and that nothing here panics or loops. Registers come from
//! the `hvc` and `smc` exits, [`Action`]s go back to them; a parked CPU asks [`Power::take`] whether it is wanted.
//!
//! The ids are decoded here and not by `arm-psci`: its `Mpidr` refuses an MPIDR with its RES1 bit 31 set, which guests
//! pass; it knows no SMCCC function; and its full decoding before dispatch costs more than the answer to `PSCI_VERSION`.
//!
//! DEN 0022 (PSCI) 5 and 6; DEN 0028 (SMCCC) 2, 6 and 7.
#![no_std]
#![forbid(unsafe_code)]

mod call;
mod power;

pub use call::{Action, CONSTANTS, Error, WORKAROUNDS};
pub use power::{Entry, MAX_VCPUS, Power};
