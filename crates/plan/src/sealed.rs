//! The proved plan: what each cell owns and where it stands.
//!
//! Owns the nouns the rest of EL2 builds from; only [`crate::seal`] makes them. Cells are numbered everywhere by their
//! index in the manifest, so a cell left out shifts nobody.

use address::{Ipa, PhysAddr, Region};
use alloc::vec::Vec;

use crate::{Finding, Outside, Owner, Wall, wall};

/// A proved plan. Only [`crate::seal`] and [`crate::seal_sound_cells`] make one.
#[derive(Clone, Debug)]
pub struct SealedPlan<'a> {
    pub(crate) cells: Vec<SealedCell<'a>>,
    pub(crate) service_cpu: usize,
    pub(crate) uart: Option<usize>,
    pub(crate) walls: Vec<Wall<'a>>,
    pub(crate) findings: Vec<Finding<'a>>,
}

impl<'a> SealedPlan<'a> {
    /// Returns the proved cells in the order written.
    #[must_use]
    pub fn cells(&self) -> &[SealedCell<'a>] {
        &self.cells
    }

    /// Returns the proved cell with this index in the manifest.
    #[must_use]
    pub fn cell(&self, index: usize) -> Option<&SealedCell<'a>> {
        self.cells.iter().find(|cell| cell.index == index)
    }

    /// Returns the board CPU that serves UART and monitor.
    #[must_use]
    pub fn service_cpu(&self) -> usize {
        self.service_cpu
    }

    /// Returns the device that is EL2's UART, if one is left for it.
    #[must_use]
    pub fn uart(&self) -> Option<usize> {
        self.uart
    }

    /// Returns warnings, and after [`crate::seal_sound_cells`] also what refused the cells left out.
    #[must_use]
    pub fn findings(&self) -> &[Finding<'a>] {
        &self.findings
    }

    /// Returns every piece of the board that has an owner or could have one, disjoint and ascending.
    #[must_use]
    pub fn walls(&self) -> &[Wall<'a>] {
        &self.walls
    }

    /// Judges `ipa`, which is neither mapped nor emulated for `cell`, as the board address of the same number.
    ///
    /// Bounded and without allocation: one binary search.
    #[must_use]
    pub fn outside(&self, cell: usize, ipa: Ipa) -> Outside<'a> {
        wall::judge(&self.walls, Owner(cell), self.cell(cell).is_some_and(|cell| cell.identity), ipa)
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
    /// Device pages, page-exact, identity, ascending, adjacent ones merged.
    pub mmio: Vec<Mapping>,
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
