//! Translation tables of the 4 KiB granule, built without hardware: stage 2 of every cell and stage 1 of EL2.
//!
//! Owns the descriptor format and the order of maintenance; promises that a valid entry is never replaced by another
//! valid one, and that what is mapped is exactly what was asked for. Takes regions from the sealed plan and pages from a
//! [`TableMemory`]; gives root tables for `VTTBR_EL2` and `TTBR0_EL2`. DDI 0487 D8.2 (walk), D8.3 (descriptors).
#![no_std]
#![forbid(unsafe_code)]

pub mod attributes;
mod cell;
mod maintenance;
mod table;

pub use attributes::Attributes;
pub use cell::{START_LEVEL, build, give};
pub use maintenance::{Maintenance, Regime, publish, publish_image};
pub use table::{MapError, Table, TableMemory, map, switch};
