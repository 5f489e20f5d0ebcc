//! What a bundle holds, for people and for programs.
//!
//! Owns the list ([`Contents`]) and its text. The plan is shown as EL2 will read it, key by key; images are hashed and
//! compared.

use crate::bundle::PAGE;
use crate::map::address;
use crate::size;
use anyhow::{Context as _, Result, anyhow};
use manifest::digest::Software;
use manifest::{Bundle, Cell, Console, Digest, Dma, Manifest, Memory};
use serde::Serialize;
use std::fmt;
use std::fmt::Write as _;
use tree::{NodeId, Tree};

/// A bundle's contents.
#[derive(Clone, Debug, Serialize)]
pub struct Contents {
    /// Bytes to the end of the last image.
    pub size: u64,
    /// What the plan says outside its cells.
    pub plan: Vec<Property>,
    /// What it says of each cell.
    pub cells: Vec<Vec<Property>>,
    /// The images.
    pub images: Vec<Image>,
    /// Every image is what it should be.
    pub sound: bool,
}

/// A property of the plan.
#[derive(Clone, Debug, Serialize)]
pub struct Property {
    /// Its name.
    pub name: String,
    /// Its value, in words.
    pub value: String,
}

/// An image.
#[derive(Clone, Debug, Serialize)]
pub struct Image {
    /// Its name, by which cells name it.
    pub name: String,
    /// What it was made of.
    pub description: String,
    /// `kernel`, `ramdisk`, `flat_dt`.
    pub kind: String,
    /// Where it lies in the bundle.
    pub position: u64,
    /// Bytes.
    pub size: u64,
    /// `sha256` or `crc32`.
    pub algorithm: &'static str,
    /// What it must hash to, in hexadecimal.
    pub hash: String,
    /// It does.
    pub good: bool,
    /// Which cells take it, as what, and where to.
    pub used: Vec<String>,
}

/// Reads the bundle `bytes`.
///
/// # Errors
/// Where they are no bundle.
pub fn contents(bytes: &[u8]) -> Result<Contents> {
    let bundle = Bundle::read(bytes, &Software).map_err(|error| anyhow!("{error}"))?;
    let tree = Tree::parse(bytes)?;
    let folder = tree.child(NodeId::ROOT, "images").context("the bundle lacks images")?;
    let images = bundle.images.iter().zip(tree.children(folder)).map(|(image, node)| {
        let (algorithm, hash) = match image.digest {
            Digest::Crc32(value) => ("crc32", format!("{value:08x}")),
            Digest::Sha256(value) => ("sha256", hexadecimal(value)),
        };
        let text = |name| tree.string(node, name).unwrap_or_default().to_owned();
        Image {
            name: image.name.to_owned(),
            description: text("description"),
            kind: text("type"),
            position: tree.u64(node, "data-position").unwrap_or(0),
            size: image.payload.len() as u64,
            algorithm,
            hash,
            good: image.verify(&Software),
            used: used(&bundle, image.name),
        }
    });
    let images: Vec<Image> = images.collect();
    Ok(Contents {
        size: bundle.size,
        plan: plan(&bundle.manifest),
        cells: bundle.manifest.cells.iter().map(cell).collect(),
        sound: images.iter().all(|image| image.good),
        images,
    })
}

/// Reads all bundles of a file, one behind the other.
///
/// # Errors
/// Where one is none.
pub fn bundles(bytes: &[u8]) -> Result<Vec<Contents>> {
    let (mut all, mut at) = (Vec::new(), 0_usize);
    loop {
        let told = contents(bytes.get(at..).unwrap_or_default())?;
        let end = at.saturating_add(usize::try_from(told.size)?);
        all.push(told);
        let mut pages = (end.next_multiple_of(PAGE)..bytes.len()).step_by(PAGE);
        match pages.find(|at| bytes.get(*at..).is_some_and(|rest| Bundle::total_size(rest).is_some())) {
            Some(next) => at = next,
            None => return Ok(all),
        }
    }
}

/// Says keys and values, less those that say nothing.
fn properties<const N: usize>(said: [(&str, String); N]) -> Vec<Property> {
    let said = said.into_iter().filter(|(_, value)| !value.is_empty());
    said.map(|(name, value)| Property { name: name.to_owned(), value }).collect()
}

/// Says all of a list.
fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn plan(plan: &Manifest<'_>) -> Vec<Property> {
    properties([
        ("version", manifest::VERSION.to_string()),
        ("board", plan.board.to_owned()),
        ("when-idle", if plan.poweroff_when_idle { "poweroff" } else { "stay" }.to_owned()),
        ("service-cpu", plan.service_cpu.map_or_else(String::new, |cpu| cpu.to_string())),
        ("board-facts", list(&plan.facts)),
    ])
}

fn cell(cell: &Cell<'_>) -> Vec<Property> {
    let image = |image: Option<manifest::Image<'_>>| image.map_or_else(String::new, |image| image.name.to_owned());
    let place = |at: Option<u64>| at.map_or_else(String::new, address);
    let kernel = &cell.kernel;
    let console = match cell.console {
        Console::Virtual => "virtual",
        Console::Passthrough => "passthrough",
        Console::None => "none",
    };
    let dma = match cell.dma {
        Dma::Unsaid => "",
        Dma::None => "none",
        Dma::Trusted => "trusted",
    };
    properties([
        ("name", cell.name.to_owned()),
        ("cpus", list(&cell.cpus)),
        ("memory", cell.memory.iter().map(run).collect::<Vec<_>>().join("; ")),
        ("kernel", image(Some(kernel.image))),
        ("text-offset", address(kernel.text_offset)),
        ("image-size", address(kernel.image_size)),
        ("load", place(kernel.load)),
        ("entry", place(kernel.entry)),
        ("initrd", image(cell.initrd)),
        ("dtb", image(cell.dtb)),
        ("bootargs", cell.bootargs.to_owned()),
        ("devices", list(&cell.devices)),
        ("dma", dma.to_owned()),
        ("console", console.to_owned()),
        ("gic", if cell.passthrough { "passthrough" } else { "virtual" }.to_owned()),
        ("on-fault", list(&[cell.restarts, cell.within_ms])),
        ("on-violation", if cell.forgiving { "inject" } else { "stop" }.to_owned()),
        ("watchdog", if cell.watchdog_ms > 0 { cell.watchdog_ms.to_string() } else { String::new() }),
        ("start", if cell.manual { "manual" } else { "boot" }.to_owned()),
    ])
}

/// Says one run of RAM.
fn run(run: &Memory) -> String {
    let at = run.at.map_or_else(String::new, |at| format!(" at {}", address(at)));
    size::show(run.size) + &at + if run.identity { ", identity" } else { "" }
}

/// Says who takes an image and where it goes, as far as a bundle can tell without its board.
fn used(bundle: &Bundle<'_>, image: &str) -> Vec<String> {
    let mut used = Vec::new();
    for cell in &bundle.manifest.cells {
        let is = |named: Option<manifest::Image<'_>>| named.is_some_and(|named| named.name == image);
        let as_what = [
            (is(Some(cell.kernel.image)), "kernel", format!(", to {}", kernel_address(cell))),
            (is(cell.initrd), "initrd", ", behind the kernel".to_owned()),
            (is(cell.dtb), "dtb", String::new()),
        ];
        used.extend(
            as_what.iter().filter(|(is, ..)| *is).map(|(_, key, to)| format!("{key} of cell {}{to}", cell.name)),
        );
    }
    used
}

fn kernel_address(cell: &Cell<'_>) -> String {
    if let Some(load) = cell.kernel.load {
        return address(load);
    }
    let offset = cell.kernel.text_offset;
    let first = cell.memory.first().and_then(|run| run.at).and_then(|at| at.checked_next_multiple_of(2 << 20));
    match first.and_then(|base| base.checked_add(offset)) {
        Some(at) => address(at),
        None => format!("{offset:#x} past the board's RAM base"),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "bundle of {}", size::show(self.size))?;
        let list = |f: &mut fmt::Formatter<'_>, properties: &[Property]| {
            properties.iter().try_for_each(|it| writeln!(f, "  {:<13} {}", it.name, it.value))
        };
        list(f, &self.plan)?;
        for (index, cell) in self.cells.iter().enumerate() {
            writeln!(f, "\ncell {index}")?;
            list(f, cell)?;
        }
        for image in &self.images {
            let verdict = if image.good { "good" } else { "DAMAGED" };
            writeln!(f, "\nimage {} ({}): {verdict}", image.name, image.kind)?;
            writeln!(f, "  {}", image.description)?;
            writeln!(f, "  {} at {} of the file", size::show(image.size), address(image.position))?;
            writeln!(f, "  {} {}", image.algorithm, image.hash)?;
            image.used.iter().try_for_each(|used| writeln!(f, "  {used}"))?;
        }
        Ok(())
    }
}
