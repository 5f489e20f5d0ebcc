//! Who owns what: the partition plan, sealed once proved against the board.
//!
//! Owns the proof. [`seal_sound_cells`] takes the board, the plan as written and what EL2 itself takes, and gives a
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
//! * The kernel goes where `load` says, else to the first run's base rounded up to 2 MiB plus `text_offset`; the cell's tree to the top of that
//!   run (64 KiB, 16 KiB in runs up to 2 MiB); the initrd between them, right behind the kernel's bss, 2 MiB aligned
//!   where there is room, else page aligned.
//! * IPAs have 39 bits: the input size stage 2 uses.
//! * The emulated GIC stands at the board's: the distributor's pages; on `GICv3` one 128 KiB redistributor frame pair a
//!   vCPU, contiguous from the board's first; on `GICv2` the CPU interface's pages lead to the board's virtual one.
//! * Devices on one 4 KiB page go to one cell together; disabled ones do not count.
//!
//! # Sources
//! DDI 0487 D8.2 (granule and input size), IHI 0069 12.9 and IHI 0048 4.3 (frames), Linux
//! `Documentation/arch/arm64/booting.rst` (where an `Image` and its tree may lie).
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod cpu;
mod device;
mod finding;
mod interrupt;
mod layout;
mod line;
mod memory;
mod name;
mod own;
mod sealed;
mod wall;
mod watchdog;

use address::{PhysAddr, Region};
use alloc::vec::Vec;
use board::Board;
use manifest::{Cell, Manifest};

pub use finding::{Class, Finding};
pub use sealed::{Mapping, SealedCell, SealedPlan, VirtualDevice, VirtualGic};
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
) -> Result<SealedPlan<'a>, Vec<Finding<'a>>> {
    let mut proof = Proof { board, cells: &manifest.cells, banks: memory::banks(board), out: Vec::new() };
    name::check(&mut proof);
    let service_cpu = cpu::assign(&mut proof, manifest.service_cpu);
    let devices = device::assign(&mut proof);
    let mut ram = memory::taken(&mut proof, footprint);
    let mut cells = Vec::with_capacity(manifest.cells.len());
    layout::lay_out(&mut proof, &devices, &mut ram, &mut cells);
    let findings = proof.out;
    if cells.is_empty() || findings.iter().any(|finding| finding.class() == Class::Plan) {
        return Err(findings);
    }
    for bank in &proof.banks {
        wall::take(&mut ram, *bank, Owner::NOBODY, "free RAM");
    }
    Ok(SealedPlan { cells, service_cpu, uart: devices.uart, ram, devices, findings })
}

/// No cell, or no device.
const NONE: usize = usize::MAX;

/// A proof under way: what is judged, and what was found so far.
struct Proof<'a, 'm> {
    board: &'a Board<'a>,
    cells: &'m [Cell<'a>],
    /// The banks in whole pages, ascending, adjacent ones joined.
    banks: Vec<Region<PhysAddr>>,
    out: Vec<Finding<'a>>,
}

impl<'a> Proof<'a, '_> {
    /// Notes what is wrong with a cell, or with the plan where it is [`NONE`]; beside it another cell, if `other` is one.
    #[cold]
    fn say(&mut self, number: u16, cell: usize, other: usize, entry: usize) -> &mut Finding<'a> {
        let named = |cell| self.cells.get(cell).map_or((None, ""), |found: &Cell<'a>| (Some(cell), found.name));
        let ((cell, name), (other, other_name)) = (named(cell), named(other));
        let entry = Some(entry).filter(|entry| *entry != NONE);
        self.out.push_mut(Finding { number, cell, other, entry, numbers: [0; 4], names: [name, other_name, "", ""] })
    }

    /// Tells whether such a finding about the cell was noted.
    #[inline(never)]
    fn said(&self, cell: usize, such: &dyn Fn(&Finding<'a>) -> bool) -> bool {
        self.out.iter().any(|finding| finding.cell == Some(cell) && such(finding))
    }

    /// Notes what is wrong with a device of a cell, at the entry of `devices` that names it; the console's at none.
    #[cold]
    fn say_device(&mut self, code: u16, cell: usize, other: usize, device: usize) -> &mut Finding<'a> {
        let (board, named) = (self.board, self.cells.get(cell).map_or(&[][..], |cell| &cell.devices));
        let entry = named.iter().position(|wanted| device::resolve(board, wanted) == Ok(device));
        let finding = self.say(code, cell, other, entry.unwrap_or(NONE));
        finding.names[2] = board.devices.get(device).map_or("", |device| board.path(device));
        finding
    }
}
