//! Everything the proof promises, in one program: one link for all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;
mod consoles;
mod edges;
mod placement;
mod proof;
mod refusals;
mod walls;
