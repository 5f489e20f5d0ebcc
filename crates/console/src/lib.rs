//! The shared console: rings between CPUs, whole lines with prefixes, and the monitor's command line.
//!
//! Owns no hardware. A cell's bytes come through its [`Ring`] (one producer, one consumer); [`Mux`] makes of several
//! sources one stream for the UART in which no two sources share a line; [`Input`] sends what is typed to the focused
//! cell or, after `Ctrl-]`, to the monitor, and parses it into a [`Command`]. Promises bounded work per call, no
//! allocation, no lock, no panic.
#![no_std]
#![forbid(unsafe_code)]

mod command;
mod input;
mod mux;
mod ring;

pub use command::{Command, Verb};
pub use input::{Event, Input, PROMPT};
pub use mux::{LINE_BYTES, Mux, Sources};
pub use ring::{Bytes, Ring};
