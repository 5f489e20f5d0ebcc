//! What a board offers to a plan: its tree as a list a person can plan by.
//!
//! Owns the list, as data ([`Offer`], for programs) and as text. Whether a cell can have a device is not decided here:
//! a plan of one cell that names it is judged by the `plan` crate, and its verdict told.

use crate::dom::{Dom, Node};
use crate::needs::{self, Need};
use crate::sentence::{self, Sentence};
use crate::verdict;
use address::{Address as _, PAGE_BYTES, PhysAddr, Region};
use anyhow::{Context as _, Result, anyhow};
use board::{Board, BoardError, Device, Gic, Start};
use manifest::{Cell, Console, Dma, Image, Kernel, Manifest, Memory};
use plan::{Class, Finding, Footprint};
use serde::Serialize;
use std::borrow::Cow;
use tree::{NodeId, Tree};

/// A board's offer.
#[derive(Clone, Debug, Serialize)]
pub struct Offer {
    /// The root's `model`.
    pub model: String,
    /// First string of the root's `compatible`.
    pub compatible: String,
    /// In the order a plan numbers them.
    pub cpus: Vec<Cpu>,
    /// RAM banks; none where firmware is left to fill them in.
    pub ram: Vec<Piece>,
    /// What of RAM is not free.
    pub reserved: Vec<Piece>,
    /// The interrupt controller's version.
    pub gic: u32,
    /// Its frames.
    pub gic_frames: Vec<Piece>,
    /// `psci` calls: `smc`, `hvc` or none.
    pub psci: Option<&'static str>,
    /// The console UART, which EL2 keeps unless a cell has `console = "passthrough"`.
    pub console: Option<String>,
    /// What is wrong with the tree.
    pub notes: Vec<String>,
    /// Every device with registers.
    pub devices: Vec<Item>,
}

/// A CPU.
#[derive(Clone, Debug, Serialize)]
pub struct Cpu {
    /// What a plan calls it.
    pub index: usize,
    /// Affinity, as `MPIDR_EL1` has it.
    pub affinity: u64,
    /// First `compatible`.
    pub compatible: String,
    /// `psci`, `spin-table` or `unknown`.
    pub start: &'static str,
    /// The tree disables it.
    pub disabled: bool,
}

/// A piece of the address space.
#[derive(Clone, Debug, Serialize)]
pub struct Piece {
    /// First byte.
    pub base: u64,
    /// Bytes.
    pub size: u64,
    /// What it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// A device.
#[derive(Clone, Debug, Serialize)]
pub struct Item {
    /// What a plan calls it.
    pub path: String,
    /// Its labels and aliases: they serve as well.
    pub names: Vec<String>,
    /// First `compatible`.
    pub compatible: String,
    /// Registers.
    pub registers: Vec<Piece>,
    /// Windows of a bus bridge.
    pub windows: Vec<Piece>,
    /// Interrupts on the GIC.
    pub interrupts: Vec<Interrupt>,
    /// The tree disables it.
    pub disabled: bool,
    /// Whether it reaches memory by itself: `none`, `iommu` or `possible`.
    pub dma: &'static str,
    /// Devices on the same pages: they go together.
    pub shares_pages_with: Vec<String>,
    /// What it refers to.
    pub needs: Vec<Need>,
    /// Why no cell can have it; nothing where one can.
    pub refused: Option<Refusal>,
}

/// An interrupt.
#[derive(Clone, Debug, Serialize)]
pub struct Interrupt {
    /// Its number as the GIC counts.
    pub intid: u32,
    /// Edge triggered, else level.
    pub edge: bool,
}

/// Why a device cannot be given away.
#[derive(Clone, Debug, Serialize)]
pub struct Refusal {
    /// The finding's.
    pub code: &'static str,
    /// What stands in the way.
    pub why: String,
}

/// How many malformed properties a tree may have before the list is given up.
const MOST_REPAIRS: usize = 64;

/// Mends a tree that is no board for what can be done without, and says what that was.
///
/// # Errors
/// Where it is no tree.
fn mend(blob: &[u8]) -> Result<(Cow<'_, [u8]>, Vec<String>, bool)> {
    let (mut blob, mut notes, mut no_ram) = (Cow::Borrowed(blob), Vec::new(), false);
    for _ in 0..MOST_REPAIRS {
        let dom = match Board::parse(&blob) {
            Err(BoardError::Malformed { path, property }) => {
                let mut dom = Dom::parse(&blob)?;
                let Some(node) = dom.root.find(&path) else { break };
                node.properties.retain(|(name, _)| name != property);
                notes.push(format!("{path} has a malformed `{property}`: EL2 refuses such a tree; shown without it"));
                dom
            }
            Err(BoardError::Missing("RAM")) => {
                let mut dom = Dom::parse(&blob)?;
                no_ram = true;
                add_ram(&mut dom.root);
                dom
            }
            _ => break,
        };
        blob = Cow::Owned(dom.write());
    }
    Ok((blob, notes, no_ram))
}

/// Adds one page of RAM, so that there is some.
fn add_ram(root: &mut Node) {
    let cells = |name| root.property(name).and_then(|value| value.last().copied()).map_or(2, usize::from);
    let (address, size) = (cells("#address-cells"), cells("#size-cells"));
    let mut reg = vec![0; address.saturating_add(size).saturating_mul(4)];
    if let Some(byte) = reg.len().checked_sub(2).and_then(|at| reg.get_mut(at)) {
        *byte = 0x10;
    }
    root.children.retain(|child| !child.name.starts_with("memory"));
    let memory = root.child("memory@0");
    memory.set("device_type", *b"memory\0");
    memory.set("reg", reg);
}

/// Says why a tree is no board, in more words where there are some.
fn no_board(blob: &[u8], error: &BoardError) -> anyhow::Error {
    let controller = Tree::parse(blob).ok().and_then(|tree| {
        let parent = tree.by_phandle(tree.u32(NodeId::ROOT, "interrupt-parent")?)?;
        tree.string(parent, "compatible").map(str::to_owned)
    });
    match (error, controller) {
        (BoardError::Missing(what), Some(controller)) if what.starts_with("GIC") => {
            anyhow!("the board's tree cannot be used: {error}; its interrupt controller is {controller}")
        }
        _ => anyhow!("the board's tree cannot be used: {error}"),
    }
}

/// Lists what the board of the tree `blob` offers.
///
/// # Errors
/// Says why it is no tree of a board.
pub fn list(blob: &[u8]) -> Result<Offer> {
    let (blob, notes, no_ram) = mend(blob)?;
    let board = Board::parse(&blob).map_err(|error| no_board(&blob, &error))?;
    let (Gic::V2 { node: gic, .. } | Gic::V3 { node: gic, .. }) = board.gic;
    let piece = |region: &Region<PhysAddr>, name: &str| Piece {
        base: region.base().get(),
        size: region.size(),
        name: name.to_owned(),
    };
    let unnamed = |regions: &[Region<PhysAddr>]| regions.iter().map(|region| piece(region, "")).collect();
    let interrupt = |line: &board::Interrupt| Interrupt { intid: line.intid, edge: line.edge };
    let frames = frames(&board.gic);
    let mut devices = Vec::new();
    for device in &board.devices {
        let path = board.path(device);
        devices.push(Item {
            path: path.to_owned(),
            names: names(&board.tree, device.node),
            compatible: String::from_utf8_lossy(device.kind()).into_owned(),
            registers: unnamed(&device.regions),
            windows: unnamed(&device.windows),
            interrupts: device.interrupts.iter().map(interrupt).collect(),
            disabled: device.disabled,
            dma: if device.no_dma() {
                "none"
            } else if ["iommus", "iommu-map"].iter().any(|key| board.tree.property(device.node, key).is_some()) {
                "iommu"
            } else {
                "possible"
            },
            shares_pages_with: neighbours(&board, device, &frames),
            needs: needs::of(&board.tree, device.node, gic),
            refused: refusal(&board, path)?,
        });
    }
    Ok(Offer {
        notes,
        model: board.model.to_owned(),
        compatible: board.compatible.to_owned(),
        cpus: cpus(&board),
        ram: if no_ram { Vec::new() } else { unnamed(&board.ram) },
        reserved: board.reserved.iter().map(|reserved| piece(&reserved.region, reserved.name)).collect(),
        gic: if matches!(board.gic, Gic::V2 { .. }) { 2 } else { 3 },
        gic_frames: frames.iter().map(|(region, name)| piece(region, name)).collect(),
        psci: board.psci.map(|conduit| if conduit == board::Conduit::Smc { "smc" } else { "hvc" }),
        console: board.stdout.and_then(|index| board.devices.get(index)).map(|uart| board.path(uart).to_owned()),
        devices,
    })
}

fn cpus(board: &Board<'_>) -> Vec<Cpu> {
    let cpu = |(index, cpu): (usize, &board::Cpu)| Cpu {
        index,
        affinity: cpu.mpidr,
        compatible: board.tree.string(cpu.node, "compatible").unwrap_or_default().to_owned(),
        start: match cpu.start {
            Start::Psci => "psci",
            Start::SpinTable(_) => "spin-table",
            Start::Unknown => "unknown",
        },
        disabled: cpu.disabled,
    };
    board.cpus.iter().enumerate().map(cpu).collect()
}

/// Returns the GIC's frames and what they are called.
#[must_use]
pub fn frames(gic: &Gic) -> Vec<(Region<PhysAddr>, &'static str)> {
    let mut frames = Vec::new();
    let mut add = |regions: &[Region<PhysAddr>], name| frames.extend(regions.iter().map(|region| (*region, name)));
    match gic {
        Gic::V2 { distributor, cpu, hypervisor, virtual_cpu, msi, .. } => {
            add(&[*distributor], "GICD");
            add(&[*cpu], "GICC");
            add(&[*hypervisor], "GICH");
            add(&[*virtual_cpu], "GICV");
            add(msi, "GICv2m");
        }
        Gic::V3 { distributor, redistributors, its, .. } => {
            add(&[*distributor], "GICD");
            add(redistributors, "GICR");
            add(its, "ITS");
        }
    }
    frames
}

/// Returns the labels and aliases of `node`.
fn names(tree: &Tree<'_>, node: NodeId) -> Vec<String> {
    let lists = ["__symbols__", "aliases"].into_iter().filter_map(|list| tree.child(NodeId::ROOT, list));
    let all = lists.flat_map(|list| tree.properties(list).map(|(name, _)| name).collect::<Vec<_>>());
    let mut names: Vec<String> = all.filter(|name| tree.find(name) == Some(node)).map(str::to_owned).collect();
    names.dedup();
    names
}

/// Returns what has registers on a page of `device`.
fn neighbours(board: &Board<'_>, device: &Device<'_>, frames: &[(Region<PhysAddr>, &str)]) -> Vec<String> {
    let pages = |regions: &[Region<PhysAddr>]| -> Vec<Region<PhysAddr>> {
        regions.iter().filter_map(|region| region.widen(PAGE_BYTES)).collect()
    };
    let mine = pages(&device.regions);
    let meets =
        |theirs: &[Region<PhysAddr>]| theirs.iter().any(|theirs| mine.iter().any(|page| page.overlaps(*theirs)));
    let others = board.devices.iter().filter(|other| other.node != device.node && meets(&pages(&other.regions)));
    let frames = frames.iter().filter(|(frame, _)| meets(&pages(&[*frame])));
    others
        .map(|other| board.path(other).to_owned())
        .chain(frames.map(|(_, name)| format!("the GIC ({name})")))
        .collect()
}

/// Asks the plan's judge whether a cell that vouches for its DMA can have the device at `path`.
fn refusal(board: &Board<'_>, path: &str) -> Result<Option<Refusal>> {
    let finding = |finding: &&Finding<'_>| finding.class() != Class::Warning && [3, 4].contains(&(finding.code() >> 8));
    let findings = probe(board, &[path])?;
    Ok(findings.iter().find(finding).map(|finding| {
        let said = sentence::say(finding);
        Refusal { code: said.code, why: why(board, finding, &said, path) }
    }))
}

/// Judges a plan of one cell with these devices, of which it says that they master no DMA.
///
/// # Errors
/// Never: addresses the size of a page exist.
pub fn probe<'a>(board: &'a Board<'a>, devices: &[&'a str]) -> Result<Vec<Finding<'a>>> {
    let page = |at: u64| Region::new(PhysAddr::at(at), PAGE_BYTES).context("no address");
    // Where no RAM is.
    let footprint = Footprint { image: page(1 << 50)?, bundle: page(2 << 50)?, tree: page(3 << 50)? };
    let cell = Cell {
        name: "probe",
        cpus: vec![0],
        memory: vec![Memory { size: 1 << 20, at: None, identity: false }],
        kernel: Kernel { image: Image { name: "probe", size: 1 }, image_size: PAGE_BYTES, ..Kernel::default() },
        devices: devices.to_vec(),
        dma: Dma::None,
        console: Console::None,
        ..Cell::default()
    };
    let manifest = Manifest { board: "probe", cells: vec![cell], ..Manifest::default() };
    Ok(match plan::seal_sound_cells(board, &manifest, &footprint) {
        Ok(plan) => plan.findings,
        Err(findings) => findings,
    })
}

/// Says what stands in the way, in the words of one who looks for a device.
fn why(board: &Board<'_>, finding: &Finding<'_>, said: &Sentence, path: &str) -> String {
    match said.code {
        "E0303" => "disabled".to_owned(),
        "E0304" => "EL2 keeps it".to_owned(),
        "E0307" => format!("only together with {}", verdict::together(board, finding, &[path]).join(", ")),
        "E0313" => "on a page with one that EL2 keeps".to_owned(),
        _ => said.message.replacen(&format!("cell probe names {path}, "), "", 1),
    }
}
