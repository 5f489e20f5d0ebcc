//! From firmware to the first line of Rust, and what the loader told us.
//!
//! `entry.S` does the work before Rust; this file gives it its constants and receives control.

use crate::el2;
use crate::memory::layout;
use crate::memory::map::{self, Use};
use address::{Address, PhysAddr, Region};
use controls::Features;
use core::arch::global_asm;
use stage2::MapError;
use stage2::attributes::{Attributes, el2 as attributes};

/// `SCTLR_EL2.{M, C, I}`: off until the tables stand.
const SCTLR_MMU_AND_CACHES: u64 = 1 << 0 | 1 << 2 | 1 << 12;

/// The level-3 descriptor of a page with these attributes, less its address.
const fn el2_page(attributes: Attributes) -> u64 {
    attributes.bits() | 0b11
}

global_asm!(
    include_str!("entry.S"),
    NOT_EL2 = const Reason::NotEl2 as u64,
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
);

/// Why EL2 stopped before it could find a UART: left in x0 and at offset 0x30 of the image.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub enum Reason {
    /// Entered at another exception level than EL2.
    NotEl2 = 0xce11_0001,
    /// x0 pointed to no device tree.
    NoTree = 0xce11_0002,
    /// The device tree is malformed.
    BadTree = 0xce11_0003,
}

/// Where the loader put things.
#[derive(Clone, Copy, Debug)]
pub struct Loaded {
    /// The device tree.
    pub tree: PhysAddr,
    /// This image.
    pub image: PhysAddr,
}

/// Maps the device tree and returns its bytes.
pub fn tree(loaded: Loaded) -> Result<&'static [u8], Reason> {
    if !loaded.tree.is_aligned(8) || loaded.tree.get() == 0 {
        return Err(Reason::NoTree);
    }
    let header = Region::new(loaded.tree, 40).and_then(|region| bytes(region).ok()).ok_or(Reason::NoTree)?;
    let size = tree::size_of(header).ok_or(Reason::NoTree)?;
    let region = Region::new(loaded.tree, size.into()).ok_or(Reason::NoTree)?;
    bytes(region).map_err(|_| Reason::NoTree)
}

/// Maps `region`, which the loader filled, and returns its bytes for good: no cell ever gets them.
pub fn bytes(region: Region<PhysAddr>) -> Result<&'static [u8], MapError> {
    map::map(region, Use::Read)?;
    let pointer = layout::pointer(region.base().get());
    // SAFETY: mapped readable above, and the plan keeps it from every cell (`Footprint`); nobody writes it again.
    Ok(unsafe { core::slice::from_raw_parts(pointer, layout::bytes(region.size())) })
}

/// Takes over from `entry.S`, on the boot stack, MMU on.
extern "C" fn rust_entry(tree: u64, image: u64) -> ! {
    el2::init_vectors();
    crate::main(Loaded { tree: PhysAddr::at(tree), image: PhysAddr::at(image) })
}

/// Halts where nothing can be said but a code.
pub fn halt(reason: Reason) -> ! {
    unsafe extern "C" {
        fn halt_linked(reason: u64) -> !;
    }
    // SAFETY: vectors.S: stores the code in the image's header through its writable alias and never returns.
    unsafe { halt_linked(reason as u64) }
}
