//! The proved plan: what each cell owns and where it stands.
//!
//! Owns the nouns the rest of EL2 builds from; only [`crate::seal_sound_cells`] makes them. Cells are numbered everywhere by their
//! index in the manifest, so a cell left out shifts nobody.

use address::{Address, Ipa, PhysAddr, Region};
use alloc::vec::Vec;

use crate::device::Devices;
use crate::{Finding, Outside, Owner, Wall, line, wall};

/// A proved plan. Only [`crate::seal_sound_cells`] makes one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SealedPlan<'a> {
    /// The proved cells in the order written.
    pub cells: Vec<SealedCell<'a>>,
    /// The board CPU that serves UART and monitor.
    pub service_cpu: usize,
    /// The device that is EL2's UART, if one is left for it.
    pub uart: Option<usize>,
    /// All RAM of the board and what the tree and the plan call RAM, in disjoint ascending pieces.
    pub ram: Vec<Wall<'a>>,
    /// All its devices.
    pub(crate) devices: Devices<'a>,
    /// Warnings, and what refused the cells left out.
    pub findings: Vec<Finding<'a>>,
}

impl<'a> SealedPlan<'a> {
    /// Returns the proved cell with this index in the manifest.
    #[must_use]
    pub fn cell(&self, index: usize) -> Option<&SealedCell<'a>> {
        self.cells.iter().find(|cell| cell.index == index)
    }

    /// Judges `ipa`, which is neither mapped nor emulated for `cell`, as the board address of the same number.
    ///
    /// Bounded and without allocation.
    #[must_use]
    pub fn outside(&self, cell: usize, ipa: Ipa) -> Outside<'a> {
        let pa = PhysAddr::at(ipa.get());
        let identity = self.cell(cell).is_some_and(|cell| cell.identity);
        let wall = if identity { wall::at(&self.ram, pa).filter(|wall| wall.region.contains(pa)) } else { None };
        match wall.map(|wall| (wall.owner, wall.what)).or_else(|| self.device(pa)) {
            Some((owner, what)) if owner.0 != cell => Outside::Wall { owner, what },
            _ => Outside::Hole,
        }
    }

    /// Returns whose device space is at `pa`, and what it is called: EL2's before cells', cells' before nobody's.
    #[must_use]
    pub fn device(&self, pa: PhysAddr) -> Option<(Owner, &'a str)> {
        line::covers(&self.devices.space, pa).then(|| self.devices.on(Region::new(pa, 1)?, None)).flatten()
    }
}

/// One proved cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedCell<'a> {
    /// Its name.
    pub name: &'a str,
    /// Index into the manifest's cells.
    pub index: usize,
    /// Board CPU indices; position = vCPU number.
    pub cpus: Vec<usize>,
    /// RAM runs in the order written, each in one piece.
    pub ram: Vec<Mapping>,
    /// Device pages, page-exact, mapped one to one, ascending, adjacent ones merged.
    pub mmio: Vec<Region<PhysAddr>>,
    /// Owned devices, indices into `Board::devices`, ascending.
    pub devices: Vec<usize>,
    /// Owned SPIs, ascending.
    pub interrupts: Vec<board::Interrupt>,
    /// Where the kernel's first byte goes.
    pub kernel: Ipa,
    /// Where it is entered.
    pub entry: Ipa,
    /// Where the initrd goes.
    pub initrd: Option<Region<Ipa>>,
    /// Where the tree goes, and the most it may take.
    pub tree: Region<Ipa>,
    /// Emulated UART: page and interrupt.
    pub uart: Option<VirtualDevice>,
    /// Emulated watchdog: the pages of its control and refresh frames, and the interrupt of its first signal.
    pub watchdog: Option<VirtualDevice>,
    /// Where the emulated GIC stands.
    pub gic: VirtualGic,
    /// Its interrupts reach it without an exit.
    pub passthrough: bool,
    /// Some RAM is mapped at its physical addresses, so that other RAM is a wall.
    pub identity: bool,
}

/// One stage-2 mapping to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Guest-physical base.
    pub ipa: Ipa,
    /// What lies there.
    pub pa: Region<PhysAddr>,
}

/// An emulated device of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VirtualDevice {
    /// Its pages.
    pub page: Region<Ipa>,
    /// Its interrupt.
    pub intid: u32,
}

/// Where a cell's GIC stands: at the board's own addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VirtualGic {
    /// `GICv2`.
    V2 {
        /// The emulated distributor.
        distributor: Region<Ipa>,
        /// The board's virtual CPU interface, mapped where the board has its CPU interface; passed through, that one's first
        /// page: in the second `GICC_DIR` would end others' interrupts.
        cpu: Mapping,
    },
    /// `GICv3`.
    V3 {
        /// The emulated distributor.
        distributor: Region<Ipa>,
        /// The emulated redistributors, 128 KiB a vCPU.
        redistributors: Region<Ipa>,
    },
}
