//! `cellwall`, the user's tool, as a library: what its commands and the scenes are made of.
//!
//! Data flows one way: `cells.toml` ([`plan_file`]) and the files it names ([`kernel`]) become a bundle ([`bundle`]);
//! the bundle is judged against the board's tree ([`verdict`], [`platform`]) by the crates that EL2 is made of; QEMU
//! starts image and bundle ([`qemu`]). What is at fault in a plan ends in a [`report::Report`], anything else in an
//! `anyhow::Error`; nothing here ends the process but `main`.
//!
//! ```no_run
//! use cellwall_cli::{bundle, complete, plan_file, platform, qemu};
//! # fn main() -> anyhow::Result<()> {
//! let plan = plan_file::load("demos/hello/cells.toml".as_ref())?;
//! let options = qemu::Options::default();
//! let target = platform::target(&plan, None, &options)?;
//! let plan = complete::complete(plan, &target)?;
//! let bytes = bundle::build(&plan, bundle::Hash::Sha256)?;
//! std::fs::write("cells.itb", bytes)?;
//! let qemu = qemu::command(&target.platform, &options, "cellwall.bin".as_ref(), "cells.itb".as_ref())?;
//! # Ok(()) }
//! ```

pub mod board_tree;
pub mod bundle;
pub mod cache;
mod cell_dtb;
pub mod complete;
pub mod depend;
pub mod deploy;
pub mod dom;
pub mod el2;
pub mod explain;
pub mod flatten;
mod hint;
pub mod image;
pub mod inspect;
pub mod kernel;
pub mod lines;
pub mod map;
pub mod mend;
pub mod needs;
pub mod offer;
mod offer_text;
pub mod plan_file;
pub mod platform;
pub mod qemu;
pub mod report;
mod schema;
pub mod second_reader;
pub mod sentence;
pub mod size;
pub mod starter;
pub mod suggest;
pub mod verdict;
