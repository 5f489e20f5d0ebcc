//! From firmware to the first line of Rust, and what the loader told us.
//!
//! `entry.S` does the work before Rust; this file gives it its constants and receives control. Where boot ends early, a
//! sentence on the UART says why; a [`Reason`] is left behind in any case. DDI 0487 D1.2 (exception levels).

use crate::memory::layout;
use crate::memory::map;
use crate::panic::{self, Said};
use crate::{console, el2};
use aarch64_cpu::registers as arch;
use address::{Address, Dec, PhysAddr, Region};
use board::BoardError;
use controls::Features;
use core::arch::global_asm;
use core::mem::offset_of;
use stage2::attributes::{Attributes, el2 as attributes};
use tock_registers::interfaces::Readable;

/// `SCTLR_EL2.{M, C, I}`: off until the tables stand.
const SCTLR_MMU_AND_CACHES: u64 = 1 << 0 | 1 << 2 | 1 << 12;

/// The most bytes of a device tree. Linux allows 2 MiB, but QEMU doubles its own of 1 MiB once it comes by `-dtb`.
const MAX_TREE: u64 = 16 << 20;

/// The level-3 descriptor of a page with these attributes, less its address.
const fn el2_page(attributes: Attributes) -> u64 {
    attributes.0 | 0b11
}

global_asm!(
    include_str!("entry.S"),
    EXECUTE = const el2_page(attributes::TEXT),
    READ = const el2_page(attributes::RODATA),
    WRITE = const el2_page(attributes::DATA),
    SCTLR_OFF = const controls::SCTLR_EL2.value(Features::NONE) & !SCTLR_MMU_AND_CACHES,
    SCTLR_ON = const controls::SCTLR_EL2.value(Features::NONE),
    MAIR = const controls::MAIR_EL2.value(Features::NONE),
    TCR = const controls::tcr_el2(0),
    RUST_ENTRY = sym rust_entry,
    RUST_SECONDARY = sym crate::smp::rust_entry_secondary,
    SECONDARY = sym crate::smp::STARTING,
    MPIDR = const offset_of!(crate::smp::PerCpu, mpidr),
);

/// Why boot ended: left in x0 and at offset 0x30 of the image.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub enum Reason {
    /// Not entered at EL2, and no device tree that names a UART to say so.
    NotEl2 = 0xce11_0001,
    /// x0 pointed to no device tree.
    NoTree = 0xce11_0002,
    /// The device tree is malformed, or lacks what no board can be without.
    BadTree = 0xce11_0003,
    /// The UART has said it; if it was silent, the tree names none that EL2 has a driver for.
    Said = 0xce11_0004,
    /// EL2 faulted; if the UART was silent, most likely x0 pointed to where there is no memory.
    Fault = 0xce11_0005,
}

/// Where the loader put things.
#[derive(Clone, Copy, Debug)]
pub struct Loaded {
    /// The device tree.
    pub tree: PhysAddr,
    /// This image.
    pub image: PhysAddr,
    /// The exception level it was entered at.
    pub level: u64,
}

impl Loaded {
    /// Checks that we were entered where we can work.
    pub fn at_el2(self) -> Result<(), Said> {
        match self.level {
            2 => Ok(()),
            level => Err(panic::said(format_args!(
                "entered at EL{}, but Cellwall needs EL2: let the firmware enter it there, on QEMU's virt with \
                 `-M virt,virtualization=on` and without `secure=on`",
                Dec(level)
            ))),
        }
    }
}

/// Maps the device tree; returns where it is, and its bytes.
pub fn tree(loaded: Loaded) -> Result<(Region<PhysAddr>, &'static [u8]), Reason> {
    let none = if loaded.level == 2 { Reason::NoTree } else { Reason::NotEl2 };
    if !loaded.tree.is_aligned(8) || loaded.tree.get() == 0 {
        return Err(none);
    }
    let header = Region::new(loaded.tree, 40).and_then(bytes).ok_or(none)?;
    let size = tree::size_of(header).ok_or(none)?;
    let region = Region::new(loaded.tree, size.into()).filter(|tree| tree.size() <= MAX_TREE).ok_or(Reason::BadTree)?;
    Ok((region, bytes(region).ok_or(Reason::BadTree)?))
}

/// Maps `region`, which the loader filled, and returns its bytes for good: no cell ever gets them.
pub fn bytes(region: Region<PhysAddr>) -> Option<&'static [u8]> {
    map::map(region, attributes::RODATA).ok()?;
    let pointer = layout::pointer(region.base().get());
    // SAFETY: mapped readable above, and the plan keeps it from every cell (`Footprint`); nobody writes it again.
    Some(unsafe { core::slice::from_raw_parts(pointer, layout::bytes(region.size())) })
}

/// Ends boot where the tree describes no board: in a sentence if it tells at least of a UART.
pub fn no_board(loaded: Loaded, blob: &[u8], error: &BoardError) -> ! {
    let Some(stdout) = board::stdout(blob) else { halt(Reason::BadTree) };
    console::init(Some(stdout));
    if loaded.at_el2().is_ok() {
        panic::said(format_args!(
            "{error}: Cellwall cannot run on this board, or the loader gave another board's device tree"
        ));
    }
    halt(Reason::Said)
}

/// Takes over from `entry.S`, on the boot stack, MMU on; `level` is `CurrentEL` as it was at entry.
extern "C" fn rust_entry(tree: u64, image: u64, level: u64) -> ! {
    // Where there is no EL2, entry.S set what EL1 needs.
    if arch::CurrentEL.matches_all(arch::CurrentEL::EL::EL2) {
        el2::init_vectors();
    }
    crate::main(Loaded { tree: PhysAddr::at(tree), image: PhysAddr::at(image), level: level >> 2 })
}

/// Halts for good and leaves `reason` behind.
pub fn halt(reason: Reason) -> ! {
    unsafe extern "C" {
        fn halt_linked(reason: u64, image: u64) -> !;
    }
    let image = layout::image().map_or(0, |image| image.base().get());
    // SAFETY: entry.S: turns this CPU's MMU off, stores the code in the image's header and never returns.
    unsafe { halt_linked(reason as u64, image) }
}
