//! What a bundle holds, for people and for programs.
//!
//! Owns the list ([`Contents`]) and its text. The plan is shown as the bundle has it, property by property, so that no
//! key is left out that a later version adds; images are hashed and compared.

use crate::bundle::PAGE;
use crate::map::address;
use crate::size;
use anyhow::{Context as _, Result};
use manifest::digest::Software;
use manifest::{Bundle, Digest, cellwall};
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
    let bundle = Bundle::read(bytes)?;
    let tree = Tree::parse(bytes)?;
    let child = |name| tree.child(NodeId::ROOT, name).with_context(|| format!("the bundle lacks {name}"));
    let (plan, folder) = (child("cellwall")?, child("images")?);
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
            used: used(&bundle, &tree, plan, image.name),
        }
    });
    let images: Vec<Image> = images.collect();
    Ok(Contents {
        size: bundle.size,
        plan: properties(&tree, plan),
        cells: tree.children(plan).map(|cell| properties(&tree, cell)).collect(),
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

fn properties(tree: &Tree<'_>, node: NodeId) -> Vec<Property> {
    let said = |(name, value): (&str, &[u8])| Property { name: name.to_owned(), value: said(name, value) };
    tree.properties(node).map(said).collect()
}

/// Says a value in words: text as it is, memory as runs, numbers as numbers.
fn said(name: &str, value: &[u8]) -> String {
    if name == "memory" {
        return runs(value);
    }
    let text = value.strip_suffix(&[0]).and_then(|text| std::str::from_utf8(text).ok());
    if let Some(text) = text.filter(|text| !text.is_empty() && !text.contains(|c: char| c.is_control() && c != '\0')) {
        return text.replace('\0', ", ");
    }
    match (name, value.len()) {
        ("text-offset" | "image-size" | "load" | "entry", 8) => address(tree::number(value).unwrap_or(0)),
        (_, length) if length.is_multiple_of(4) => {
            let words: Vec<String> = tree::cells(value).map(|word| word.to_string()).collect();
            words.join(", ")
        }
        _ => hexadecimal(value),
    }
}

/// Says `memory`: five words a run, as `manifest::cellwall` has them.
fn runs(value: &[u8]) -> String {
    let run = |bytes: &[u8; 20]| {
        let words: Vec<u32> = tree::cells(bytes).collect();
        let pair = |at: usize| {
            words
                .get(at..)
                .and_then(|words| words.first_chunk())
                .map_or(0, |[high, low]| u64::from(*high) << 32 | u64::from(*low))
        };
        let flags = words.last().copied().unwrap_or(0);
        let mut text = size::show(pair(0));
        if flags & cellwall::HAS_ADDRESS != 0 {
            let _ = write!(text, " at {}", address(pair(2)));
        }
        text + if flags & cellwall::IDENTITY != 0 { ", identity" } else { "" }
    };
    let runs: Vec<String> = value.as_chunks().0.iter().map(run).collect();
    runs.join("; ")
}

/// Says who takes an image and where it goes, as far as a bundle can tell without its board.
fn used(bundle: &Bundle<'_>, tree: &Tree<'_>, plan: NodeId, image: &str) -> Vec<String> {
    let mut used = Vec::new();
    for (cell, node) in bundle.manifest.cells.iter().zip(tree.children(plan)) {
        let keys = tree.properties(node).filter(|(_, value)| value.strip_suffix(&[0]) == Some(image.as_bytes()));
        for (key, _) in keys.filter(|(key, _)| *key != "name" && *key != "bootargs") {
            let to = match key {
                "kernel" => format!(", to {}", kernel_address(tree, node, cell)),
                "initrd" => ", behind the kernel".to_owned(),
                _ => String::new(),
            };
            used.push(format!("{key} of cell {}{to}", cell.name));
        }
    }
    used
}

fn kernel_address(tree: &Tree<'_>, node: NodeId, cell: &manifest::Cell<'_>) -> String {
    if let Some(load) = tree.u64(node, "load") {
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
