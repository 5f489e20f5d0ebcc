//! The picture of a partition: who owns which CPU, address, interrupt, and who may write what.
//!
//! Owns the picture as data ([`Map`]), made of a sealed plan and its board, so that what is drawn is what was proved.
//! [`svg`] draws it; [`html`] puts tables beside the drawing, for those who do not see it. Everything has the line of
//! `cells.toml` it comes from.

pub mod html;
mod interrupts;
mod lanes;
mod pattern;
pub mod svg;

use crate::plan_file::PlanFile;
use crate::size;
use address::PhysAddr;
use board::Board;
use manifest::{Dma, Manifest};
use plan::{Owner, SealedPlan};

/// Everything there is to draw.
#[derive(Clone, Debug, Default)]
pub struct Map {
    /// The plan's file and its board.
    pub title: String,
    /// One sentence.
    pub summary: String,
    /// The cells' names, in the plan's order.
    pub cells: Vec<String>,
    /// The CPUs.
    pub cpus: Vec<Cpu>,
    /// The board's address space, then each cell's.
    pub lanes: Vec<Lane>,
    /// What a reader must know and a picture does not show.
    pub notes: Vec<String>,
}

/// Whose something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A cell, by its place in [`Map::cells`].
    Cell(usize),
    /// EL2's.
    El2,
    /// Nobody's.
    Nobody,
}

/// A CPU.
#[derive(Clone, Debug)]
pub struct Cpu {
    /// By the tree.
    pub index: usize,
    /// Whose.
    pub who: Who,
    /// `vCPU 0`, `serves UART and monitor`, ...
    pub role: String,
    /// Where the plan says so.
    pub line: Option<usize>,
}

/// An address space.
#[derive(Clone, Debug)]
pub struct Lane {
    /// `Board`, or the cell's name.
    pub title: String,
    /// What kind of addresses these are.
    pub subtitle: String,
    /// Whose.
    pub who: Who,
    /// Ascending.
    pub segments: Vec<Segment>,
    /// Ascending.
    pub interrupts: Vec<Interrupt>,
}

/// A piece of an address space.
#[derive(Clone, Debug)]
pub struct Segment {
    /// First byte.
    pub base: u64,
    /// First byte behind it.
    pub end: u64,
    /// What it is, shortly.
    pub what: String,
    /// What it is in full.
    pub details: Vec<String>,
    /// Whose.
    pub who: Who,
    /// What its owner may do: `read, write, execute`.
    pub rights: &'static str,
    /// Who may write there.
    pub writers: String,
    /// Where on the board it lies, for a cell's RAM.
    pub board: Option<u64>,
    /// The line of the plan.
    pub line: Option<usize>,
    /// EL2 stands there for hardware.
    pub emulated: bool,
}

/// Interrupts of one thing.
#[derive(Clone, Debug)]
pub struct Interrupt {
    /// The first.
    pub first: u32,
    /// The last.
    pub last: u32,
    /// Whose in the lane: devices' paths.
    pub what: String,
    /// The line of the plan.
    pub line: Option<usize>,
}

impl Map {
    /// Makes the picture of a proved plan.
    #[must_use]
    pub fn new<'b>(plan: &PlanFile, board: &Board<'b>, manifest: &Manifest<'b>, sealed: &SealedPlan<'b>) -> Self {
        let source = Source { plan, board, manifest, sealed };
        let mut lanes = vec![lanes::board(&source)];
        lanes.extend(sealed.cells.iter().map(|cell| lanes::cell(&source, cell)));
        let masters = manifest.cells.iter().filter(|cell| cell.dma == Dma::Trusted).map(|cell| {
            format!(
                "Devices of cell {} may write all of RAM by DMA, EL2's and every cell's: dma = \"trusted\".",
                cell.name
            )
        });
        let words = manifest.cells.iter().filter(|cell| cell.dma == Dma::None).map(|cell| {
            format!("That the devices of cell {} master no DMA is the plan's word: dma = \"none\".", cell.name)
        });
        let ram = board.ram.iter().fold(0_u64, |sum, bank| sum.saturating_add(bank.size()));
        Self {
            title: format!("{} on {}", plan.path.display(), plan.board),
            summary: format!("{} cells, {} CPUs, {} of RAM", manifest.cells.len(), board.cpus.len(), size::show(ram)),
            cells: manifest.cells.iter().map(|cell| cell.name.to_owned()).collect(),
            cpus: cpus(&source),
            lanes,
            notes: masters.chain(words).collect(),
        }
    }

    /// Names an owner.
    #[must_use]
    pub fn name(&self, who: Who) -> &str {
        match who {
            Who::Cell(index) => self.cells.get(index).map_or("", String::as_str),
            Who::El2 => "EL2",
            Who::Nobody => "nobody",
        }
    }
}

/// What a picture is made of.
struct Source<'s, 'b> {
    plan: &'s PlanFile,
    board: &'s Board<'b>,
    manifest: &'s Manifest<'b>,
    sealed: &'s SealedPlan<'b>,
}

impl Source<'_, '_> {
    /// The line of `key` of a cell, from 1.
    fn line(&self, cell: Option<usize>, key: &str) -> Option<usize> {
        let at = self.plan.span(cell, key)?.start;
        Some(self.plan.text.get(..at)?.matches('\n').count().saturating_add(1))
    }

    /// The line of the entry of `devices` that means `device`.
    fn device_line(&self, cell: usize, device: usize) -> Option<usize> {
        let entries = &self.plan.cells.get(cell)?.devices;
        let entry = entries.iter().position(|entry| self.board.device(entry) == Some(device));
        let key = entry.map_or_else(|| "devices".to_owned(), |entry| format!("devices[{entry}]"));
        self.line(Some(cell), &key)
    }

    fn device_path(&self, device: usize) -> String {
        self.board.devices.get(device).map_or_else(String::new, |device| self.board.path(device).to_owned())
    }
}

fn who(owner: Owner) -> Who {
    match owner {
        Owner::EL2 => Who::El2,
        Owner::NOBODY => Who::Nobody,
        Owner(index) => Who::Cell(index),
    }
}

fn cpus(source: &Source<'_, '_>) -> Vec<Cpu> {
    let cpu = |index: usize| {
        let owner = source.sealed.cells.iter().find_map(|cell| {
            let vcpu = cell.cpus.iter().position(|cpu| *cpu == index)?;
            Some((cell.index, vcpu))
        });
        let mut roles: Vec<String> = owner.map(|(_, vcpu)| format!("vCPU {vcpu}")).into_iter().collect();
        if source.sealed.service_cpu == index {
            roles.push("console".to_owned());
        }
        if source.board.cpus.get(index).is_some_and(|cpu| cpu.disabled) {
            roles.push("disabled".to_owned());
        }
        let served = source.sealed.service_cpu == index;
        Cpu {
            index,
            who: owner.map_or(if served { Who::El2 } else { Who::Nobody }, |(cell, _)| Who::Cell(cell)),
            role: roles.join(", "),
            line: match owner {
                Some((cell, vcpu)) => source.line(Some(cell), &format!("cpus[{vcpu}]")),
                None if served => source.line(None, "service_cpu").filter(|_| source.plan.service_cpu.is_some()),
                None => None,
            },
        }
    };
    (0..source.board.cpus.len()).map(cpu).collect()
}

/// Writes an address as plans do.
#[must_use]
pub fn address(number: u64) -> String {
    PhysAddr::at(number).to_string()
}

/// Writes `text` so that markup holds it.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
