//! The machine as its device tree tells it: CPUs, RAM, interrupt controller, timers, devices, firmware's conduit.
//!
//! Owns the index of the tree and what is lifted out of it; borrows the blob. Promises that a [`Board`] has at least a
//! CPU, a RAM bank, a GIC and the generic timer, that every region is an address of the CPU (translated through every
//! `ranges` on the way), and that a malformed tree ends in a [`BoardError`], never in a panic. EL2 at boot and the host
//! tool on the desk read the same tree through this crate, so that they judge a plan alike.
//!
//! Data comes from firmware by way of crate `tree` and goes to `plan` and `cell-tree`. Sources: Devicetree
//! Specification v0.4; the bindings named in each file.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod bus;
mod cpu;
mod device;
mod error;
mod facts;
mod gic;
mod interrupt;
mod memory;
mod no_dma;
mod node;

use address::{PhysAddr, Region};
use alloc::vec::Vec;
use core::ops::Range;
use tree::{NodeId, Tree, which};

pub use error::BoardError;
use error::{Read, malformed, missing};
pub use facts::FACTS;

/// The board.
#[derive(Debug)]
pub struct Board<'a> {
    /// The whole tree, for whoever needs a property not lifted out here.
    pub tree: Tree<'a>,
    /// First string of the root's `compatible`.
    pub compatible: &'a str,
    /// The root's `model`.
    pub model: &'a str,
    /// CPUs in tree order: a plan names them by this index.
    pub cpus: Vec<Cpu>,
    /// RAM banks as the memory nodes tell them.
    pub ram: Vec<Region<PhysAddr>>,
    /// What the tree takes out of RAM: /reserved-memory and the memreserve block.
    pub reserved: Vec<Reserved<'a>>,
    /// The interrupt controller.
    pub gic: Gic,
    /// Interrupt ids of the generic timer.
    pub timers: Timers,
    /// The device `stdout-path` names (index into `devices`), else the first known UART.
    pub stdout: Option<usize>,
    /// How firmware is called, where the tree has a psci node.
    pub psci: Option<Conduit>,
    /// Every MMIO device but the GIC and its frames, ITS and timers.
    pub devices: Vec<Device<'a>>,
    /// Their full paths, one behind another: [`Board::path`].
    pub paths: Vec<u8>,
    /// Where the loader put the bundle (/chosen/linux,initrd-start and -end).
    pub initrd: Option<Region<PhysAddr>>,
}

/// A physical CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// `reg`: the affinity fields of `MPIDR_EL1`.
    pub mpidr: u64,
    /// How it is started.
    pub start: Start,
    /// `status` is neither absent nor okay.
    pub disabled: bool,
    /// Its node.
    pub node: NodeId,
}

/// How a secondary CPU is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// PSCI `CPU_ON`.
    Psci,
    /// A word in memory that the CPU polls: `cpu-release-addr`.
    SpinTable(PhysAddr),
    /// The tree does not say.
    Unknown,
}

/// The instruction that calls firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduit {
    /// SMC.
    Smc,
    /// HVC: something else owns EL2.
    Hvc,
}

/// A piece of RAM that is not free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserved<'a> {
    /// Which.
    pub region: Region<PhysAddr>,
    /// The node's name, or "memreserve".
    pub name: &'a str,
}

/// The interrupt controller's regions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gic {
    /// `GICv2`: four frames.
    V2 {
        /// Distributor.
        distributor: Region<PhysAddr>,
        /// CPU interface.
        cpu: Region<PhysAddr>,
        /// Virtual interface control.
        hypervisor: Region<PhysAddr>,
        /// Virtual CPU interface.
        virtual_cpu: Region<PhysAddr>,
        /// Message frames (`GICv2m`), whose writes raise SPIs: nobody's to own.
        msi: Vec<Region<PhysAddr>>,
        /// The node.
        node: NodeId,
        /// Maintenance interrupt.
        maintenance: u32,
    },
    /// `GICv3` or `GICv4`: distributor and redistributor regions.
    V3 {
        /// Distributor.
        distributor: Region<PhysAddr>,
        /// Redistributor regions, in order.
        redistributors: Vec<Region<PhysAddr>>,
        /// Interrupt translation services.
        its: Vec<Region<PhysAddr>>,
        /// The node.
        node: NodeId,
        /// Maintenance interrupt.
        maintenance: u32,
    },
}

/// The generic timer's PPIs (INTIDs).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// EL3's or secure EL1's physical timer.
    pub secure: u32,
    /// EL1 physical timer.
    pub physical: u32,
    /// EL1 virtual timer.
    pub virtual_: u32,
    /// EL2 physical timer.
    pub hypervisor: u32,
    /// The node.
    pub node: NodeId,
    /// The performance monitors' node and their interrupt, where that is a PPI too: every CPU's own.
    pub monitors: Option<(NodeId, u32)>,
}

/// One interrupt of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interrupt {
    /// INTID: 16..32 PPI, 32.. SPI.
    pub intid: u32,
    /// Edge triggered, else level.
    pub edge: bool,
}

/// The UARTs EL2 can drive, by first `compatible`.
pub const UARTS: [&[u8]; 4] = [b"arm,pl011", b"brcm,bcm2835-aux-uart", b"xlnx,zynqmp-uart", b"cdns,uart-r1p12"];

/// A UART EL2 can drive: which of [`UARTS`], and its registers.
pub type Uart = (usize, Region<PhysAddr>);

/// An MMIO device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device<'a> {
    /// Its node.
    pub node: NodeId,
    /// As the tree has it.
    pub compatible: &'a [u8],
    /// `status` is neither absent nor okay.
    pub disabled: bool,
    /// It programs where DMA goes: it has `#iommu-cells`, or is part of what has.
    pub is_iommu: bool,
    /// Where in [`Board::paths`] its full path is.
    pub path: Range<usize>,
    /// CPU-physical (translated through `ranges`), not page-rounded.
    pub regions: Vec<Region<PhysAddr>>,
    /// The windows a PCI host bridge opens for the CPU, those onto PCI's I/O ports too: device pages as well.
    pub windows: Vec<Region<PhysAddr>>,
    /// On the GIC.
    pub interrupts: Vec<Interrupt>,
}

impl Device<'_> {
    /// Walks its regions and windows.
    pub fn pages(&self) -> impl Iterator<Item = &Region<PhysAddr>> {
        self.regions.iter().chain(&self.windows)
    }

    /// Returns the first `compatible`, or nothing.
    #[must_use]
    pub fn kind(&self) -> &[u8] {
        self.compatible.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// Tells whether its first `compatible` is in the reviewed list of devices that master no DMA.
    #[must_use]
    pub fn no_dma(&self) -> bool {
        which(no_dma::REVIEWED, self.kind()).is_some()
    }

    /// Returns which of [`UARTS`] it is, and its registers.
    fn uart(&self) -> Option<Uart> {
        let kind = UARTS.iter().position(|name| *name == self.kind())?;
        Some((kind, *self.regions.first()?))
    }
}

/// Finds the device at `id`.
fn at(devices: &[Device<'_>], id: NodeId) -> Option<usize> {
    devices.iter().position(|device| device.node == id)
}

/// Finds the device `stdout-path` names, else the first UART that EL2 drives and that is not disabled.
fn stdout_of(devices: &[Device<'_>], tree: &Tree<'_>, chosen: Option<NodeId>) -> Option<usize> {
    let path = chosen.and_then(|id| tree.string(id, "stdout-path").or(tree.string(id, "linux,stdout-path")));
    // What follows a colon is the UART's mode.
    let path = path.and_then(|path| path.get(..path.bytes().position(|byte| byte == b':').unwrap_or(path.len())));
    let named = path.and_then(|path| at(devices, tree.find(path)?));
    named.or_else(|| devices.iter().position(|device| !device.disabled && device.uart().is_some()))
}

impl<'a> Board<'a> {
    /// Reads the device tree at the start of `blob`.
    ///
    /// # Errors
    /// The first thing that is missing or malformed.
    pub fn parse(blob: &'a [u8]) -> Result<Self, BoardError> {
        Self::read(Tree::parse(blob)?).map_err(|error| *error)
    }

    fn read(tree: Tree<'a>) -> Read<Self> {
        let (cpus, reserved, found) = (cpu::cpus(&tree)?, memory::reserved(&tree)?, device::survey(&tree)?);
        let gic = found.gic.unwrap_or_else(|| Err(missing("GICv2 or GICv3")))?;
        let timers = found.timers.unwrap_or_else(|| Err(missing("generic timer")))?;
        let (ram, psci, devices) = (found.ram, found.psci, found.devices);
        let chosen = tree.child(NodeId::ROOT, "chosen");
        if ram.is_empty() {
            return Err(missing("RAM"));
        }
        Ok(Self {
            compatible: tree.string(NodeId::ROOT, "compatible").unwrap_or_default(),
            model: tree.string(NodeId::ROOT, "model").unwrap_or_default(),
            stdout: stdout_of(&devices, &tree, chosen),
            initrd: initrd(&tree, chosen)?,
            devices,
            paths: found.paths,
            psci,
            ram,
            tree,
            cpus,
            reserved,
            gic,
            timers,
        })
    }

    /// Finds a device by path, alias or label; its index in [`Board::devices`].
    #[must_use]
    pub fn device(&self, path: &str) -> Option<usize> {
        at(&self.devices, self.tree.find(path)?)
    }

    /// Returns the full path of a device.
    #[must_use]
    pub fn path(&self, device: &Device<'_>) -> &str {
        str::from_utf8(self.paths.get(device.path.clone()).unwrap_or_default()).unwrap_or_default()
    }

    /// Returns which UART that EL2 can drive the device at `index` is.
    #[must_use]
    pub fn uart(&self, index: Option<usize>) -> Option<Uart> {
        self.devices.get(index?)?.uart()
    }
}

/// Finds the UART of a tree that is well-formed but no board, for whoever must say so.
#[must_use]
pub fn stdout(blob: &[u8]) -> Option<Uart> {
    let tree = Tree::parse(blob).ok()?;
    let devices = device::survey(&tree).ok()?.devices;
    devices.get(stdout_of(&devices, &tree, tree.child(NodeId::ROOT, "chosen"))?)?.uart()
}

/// Reads where the loader put the initrd.
fn initrd(tree: &Tree<'_>, chosen: Option<NodeId>) -> Read<Option<Region<PhysAddr>>> {
    let (start, end) = ("linux,initrd-start", "linux,initrd-end");
    let Some(chosen) = chosen.filter(|chosen| tree.property(*chosen, start).is_some()) else { return Ok(None) };
    let read = |name| tree.u64(chosen, name).map(PhysAddr::at).ok_or_else(|| malformed(tree, chosen, name));
    Ok(Region::from_ends(read(start)?, read(end)?))
}
