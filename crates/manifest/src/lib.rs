//! The bundle: a FIT with the partition plan and the guest images.
//!
//! Owns the words of a plan ([`Manifest`], [`Cell`], ...), the bundle's reader ([`Bundle::read`]), its hashes
//! ([`digest`]). Promises that no bytes whatever make it panic: a bundle is
//! read whole, or refused with one sentence. Bytes come from the loader (the initrd of `/chosen`) or from `cellwall
//! build`; what comes out goes to `plan::seal`. It judges form only; whether a plan is good is the plan crate's.
//!
//! U-Boot, `doc/usage/fit/source_file_format.rst` (external data).
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod bundle;
pub mod digest;
mod error;
pub mod words;

pub use bundle::{Bundle, ImageEntry, PLAN};
pub use digest::Digest;
pub use error::BundleError;

use alloc::vec::Vec;

/// The version of the plan that this crate reads and `cellwall build` writes.
pub const VERSION: u64 = 2;

/// The partition plan as a person wrote it (desk) or as the bundle holds it (board).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest<'a> {
    /// The board's folder name or tree, for messages.
    pub board: &'a str,
    /// Power the board off when no cell runs any more (`when_idle = "poweroff"`).
    pub poweroff_when_idle: bool,
    /// CPU index that serves UART and monitor.
    pub service_cpu: Option<u32>,
    /// The cells in the order written.
    pub cells: Vec<Cell<'a>>,
    /// What the board was like that the plan was proved on: `board::Board::facts`; empty where nobody proved it.
    pub facts: Vec<u64>,
}

/// One partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell<'a> {
    /// Its name.
    pub name: &'a str,
    /// Board CPU indices, the boot CPU first.
    pub cpus: Vec<u32>,
    /// Its RAM.
    pub memory: Vec<Memory>,
    /// The guest.
    pub kernel: Kernel<'a>,
    /// Initial RAM disk, an image name in the bundle.
    pub initrd: Option<Image<'a>>,
    /// Its device tree, where it is not generated; an image name in the bundle.
    pub dtb: Option<Image<'a>>,
    /// Kernel command line.
    pub bootargs: &'a str,
    /// Device-tree paths, aliases or labels.
    pub devices: Vec<&'a str>,
    /// What the user says of those devices' DMA.
    pub dma: Dma,
    /// Where its UART leads.
    pub console: Console,
    /// Its interrupts reach it without an exit.
    pub passthrough: bool,
    /// How often a fault restarts it; 0 stops it, `u32::MAX` sets no limit.
    pub restarts: u32,
    /// Within so many milliseconds.
    pub within_ms: u32,
    /// Touching another's property gives the guest an abort and does not stop the cell.
    pub forgiving: bool,
    /// It ends where its guest does not refresh its watchdog for so many milliseconds; 0: it has none.
    pub watchdog_ms: u32,
    /// It waits for a person to start it.
    pub manual: bool,
}

/// One run of a cell's RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Bytes.
    pub size: u64,
    /// IPA; by default the board's RAM base.
    pub at: Option<u64>,
    /// IPA equals PA.
    pub identity: bool,
}

/// An image of the bundle as the plan sees it: its name and how many bytes it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Image<'a> {
    /// Node name under `/images`.
    pub name: &'a str,
    /// Payload bytes.
    pub size: u64,
}

/// The guest's kernel: a flat payload and how it wants to lie in RAM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kernel<'a> {
    /// The payload.
    pub image: Image<'a>,
    /// From the arm64 `Image` header: offset from a 2 MiB boundary.
    pub text_offset: u64,
    /// From the header: bytes of RAM it needs from its first byte, bss included.
    pub image_size: u64,
    /// Where its first byte goes, if not where the header says.
    pub load: Option<u64>,
    /// Where it is entered, if not at its first byte.
    pub entry: Option<u64>,
}

/// What the user says of DMA by a cell's devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dma {
    /// Nothing: devices not in the reviewed list are refused.
    #[default]
    Unsaid,
    /// The user's word that they master none.
    None,
    /// They may, and the user trusts the cell; needs identity memory.
    Trusted,
}

/// Where a cell's UART leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Console {
    /// An emulated PL011 on the shared console.
    #[default]
    Virtual,
    /// The board's own UART.
    Passthrough,
    /// None.
    None,
}
