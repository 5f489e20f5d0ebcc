//! Who owns what: the partition plan, sealed once proved against the board.
//!
//! Owns the proof. [`seal`] takes the board, the plan as written and what EL2 itself takes, and gives a
//! [`SealedPlan`] only when no page, device page, interrupt or CPU has two owners; else every [`Finding`] in one go.
//! The verdict follows from those three inputs alone, so the desk's verdict is the board's. What comes out is what
//! stage 2, the virtual GIC and the cells' trees are built from without a second look.
//!
//! # Where things go
//! * Free RAM is the banks less reservations (`/reserved-memory`, memreserve, spin-table words), less the
//!   [`Footprint`], less every identity run with `at`, in whole pages.
//! * The other runs get frames in the order written (cells, then runs): the lowest free place congruent to the run's
//!   IPA modulo 2 MiB, so that stage 2 can use blocks; where none is left or the run is smaller, the lowest free pages.
//!   A run is never split.
//! * Without `at` an identity run stands where its frames are; another run stands at the board's RAM base if it is the
//!   cell's first, else right behind the run before it.
//! * The kernel goes to the first run's base rounded up to 2 MiB plus `text_offset`; the cell's tree to the top of that
//!   run (64 KiB, 16 KiB in runs up to 2 MiB); the initrd between them, right behind the kernel's bss, 2 MiB aligned
//!   where there is room, else page aligned.
//! * IPAs have 39 bits: the input size stage 2 uses.
//! * The emulated GIC stands at the board's: the distributor's pages; on `GICv3` one 128 KiB redistributor frame pair a
//!   vCPU, contiguous from the board's first; on `GICv2` the CPU interface's pages lead to the board's virtual one.
//! * Devices on one 4 KiB page go to one cell together; disabled ones do not count.
//!
//! # Codes
//! `P` refuses the plan, `C` its cell, `W` nothing.
//!
//! | code | | meaning |
//! |---|---|---|
//! | E0101 | P | the board has no such CPU |
//! | E0102 | P | the tree disables the CPU |
//! | E0103 | P | another cell owns the CPU |
//! | E0104 | P | the cell names the CPU twice |
//! | E0105 | P | the cell has no CPU |
//! | E0106 | P | the cell has more than [`MAX_VCPUS`] CPUs |
//! | E0107 | P | the tree does not say how the CPU is started |
//! | E0201 | C | the cell has no memory |
//! | E0202 | C | the size is 0 or no multiple of 4 KiB |
//! | E0203 | C | `at` is no multiple of 4 KiB |
//! | E0204 | C | the run leaves the IPA space |
//! | E0205 | C | two runs of the cell overlap |
//! | E0206 | P | an identity run is not all RAM |
//! | E0207 | P | an identity run covers a reservation |
//! | E0208 | P | an identity run covers EL2's image, the bundle or the board's tree |
//! | E0209 | P | an identity run overlaps another cell's |
//! | E0210 | P | no piece of free RAM is large enough |
//! | E0211 | C | the run covers the virtual GIC |
//! | E0212 | C | the run covers the virtual UART |
//! | E0213 | C | the run covers the cell's own device pages |
//! | E0301 | C | the tree has no such node |
//! | E0302 | C | the node has no registers |
//! | E0303 | C | the tree disables the device |
//! | E0304 | P | EL2 keeps the device |
//! | E0305 | P | another cell owns the device |
//! | E0306 | C | the cell names the device twice |
//! | E0307 | C | the device shares a page with devices the cell does not name |
//! | E0308 | P | the device shares a page with another cell's |
//! | E0309 | P | the device may master DMA and `dma` is not said |
//! | E0310 | P | `dma = "trusted"`, but a run is not identity |
//! | E0311 | C | the registers leave the IPA space |
//! | E0312 | P | the registers lie in RAM |
//! | E0313 | P | the device shares a page with one EL2 keeps |
//! | E0314 | C | the device lies under what EL2 emulates |
//! | E0315 | W | `dma = "none"`: the plan's word is on record |
//! | E0316 | W | the part of a window beyond the IPA space is left out |
//! | E0317 | W | `dma = "trusted"`: the device can reach everything |
//! | E0401 | P | two cells' devices share an interrupt |
//! | E0402 | P | the device shares an interrupt with one EL2 keeps |
//! | E0501 | C | a virtual console, but the board has no UART with an interrupt |
//! | E0503 | P | `service_cpu`: the board has no such CPU |
//! | E0504 | P | `service_cpu`: the tree disables it |
//! | E0505 | P | `service_cpu`: the tree does not say how it is started |
//! | E0506 | P | `console = "passthrough"` in two cells |
//! | E0507 | C | a virtual console, but no UART is left for EL2 |
//! | E0508 | W | the console UART is a cell's and no other is free: EL2's lines are shown nowhere |
//! | E0601 | P | there is no cell |
//! | E0602 | P | the name is empty, too long or has other characters |
//! | E0603 | P | the name is EL2's own |
//! | E0604 | P | two cells have the name |
//! | E0701 | C | the kernel is empty |
//! | E0702 | C | the kernel does not fit the first run |
//! | E0703 | C | the initrd does not fit between kernel and tree |
//! | E0704 | C | the tree does not fit behind the kernel |
//!
//! # Sources
//! DDI 0487 D8.2 (granule and input size), IHI 0069 12.9 and IHI 0048 4.3 (frames), Linux
//! `Documentation/arch/arm64/booting.rst` (where an `Image` and its tree may lie).
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod cpu;
mod device;
mod dma;
mod finding;
mod interrupt;
mod layout;
mod memory;
mod name;
mod page;
mod sealed;
mod sort;
mod suggest;
mod wall;

use address::{PhysAddr, Region};
use alloc::vec::Vec;
use board::Board;
use manifest::Manifest;

pub use finding::{Class, Finding, Key};
pub use sealed::{Mapping, SealedCell, SealedPlan, VirtualGic, VirtualUart};
pub use wall::{Outside, Owner, Wall};

/// The bits of an intermediate physical address: the stage-2 input size (`VTCR_EL2.T0SZ` = 25).
pub const IPA_BITS: u32 = 39;
/// The first address past the IPA space.
pub const IPA_END: u64 = 1 << IPA_BITS;
/// The most vCPUs a cell may have: the virtual GIC's limit, as `GICv2`'s.
pub const MAX_VCPUS: usize = 8;
/// The most bytes of a cell's name.
pub const MAX_NAME: usize = 31;

/// What is not free before any cell: EL2's image, the bundle, the board's tree.
#[derive(Clone, Copy, Debug)]
pub struct Footprint {
    /// EL2's image with its bss and pool.
    pub image: Region<PhysAddr>,
    /// The bundle.
    pub bundle: Region<PhysAddr>,
    /// The board's device tree.
    pub tree: Region<PhysAddr>,
}

/// Proves `manifest` against `board`, or says everything that is wrong.
///
/// # Errors
/// All findings in one go, warnings included, where at least one refuses the plan or a cell.
pub fn seal<'a>(
    board: &'a Board<'a>,
    manifest: &Manifest<'a>,
    footprint: &Footprint,
) -> Result<SealedPlan<'a>, Vec<Finding>> {
    let plan = seal_sound_cells(board, manifest, footprint)?;
    if plan.findings().iter().any(|finding| finding.class == Class::Cell) {
        Err(plan.into_findings())
    } else {
        Ok(plan)
    }
}

/// Proves `manifest` against `board` and leaves out the cells whose own findings refuse them and no other.
///
/// What a left-out cell owns stays its own: no other cell gets it, and it is a wall to all.
///
/// # Errors
/// All findings in one go where one refuses the plan, or where no cell is left.
pub fn seal_sound_cells<'a>(
    board: &'a Board<'a>,
    manifest: &Manifest<'a>,
    footprint: &Footprint,
) -> Result<SealedPlan<'a>, Vec<Finding>> {
    let mut out = Vec::new();
    name::check(manifest, &mut out);
    let taken = cpu::check(board, manifest, &mut out);
    let service_cpu = cpu::service(board, manifest, &taken, &mut out);
    let devices = device::assign(board, manifest, &mut out);
    interrupt::check(board, manifest, &devices, &mut out);
    let ram = memory::place(board, manifest, footprint, &mut out);
    let cells = layout::lay_out(board, manifest, &devices, &ram, &mut out);
    if cells.is_empty() || out.iter().any(|finding| finding.class == Class::Plan) {
        return Err(out);
    }
    let walls = wall::build(board, footprint, &devices, &ram);
    Ok(SealedPlan { cells, service_cpu, uart: devices.uart, walls, findings: out })
}
