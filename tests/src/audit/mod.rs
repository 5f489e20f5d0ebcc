//! Audits of the linked EL2 image and of its sources: what reviews and lints cannot promise, read off the machine code.
//!
//! [`image`] reads the ELF file, [`decode`] its instructions, [`graph`] makes the call graph, [`reach`] walks it under
//! the reviewed [`rules`] of `tests/audit.toml`, [`report`] says where a path ends. [`errata`]
//! looks at single instructions. [`sources`] and [`size`] measure
//! against `tests/limits.toml`. The binary `audit` is the command line.
#![allow(clippy::arithmetic_side_effects, reason = "counts of lines; a slip fails the audit, which the build sees")]

pub mod decode;
pub mod errata;
pub mod graph;
pub mod image;
pub mod licences;
pub mod reach;
pub mod report;
pub mod rules;
pub mod size;
pub mod sources;
#[cfg(test)]
mod tests;
