//! The `/cellwall` node: the plan as the bundle holds it.
//!
//! Owns the node's layout. Every key is read here or refused here, so a plan never means less than it says. Cells are
//! `cell-N` in the order written (U-Boot signs no tree with unit addresses); `memory` has five cells a run: size, address (two each), and [`HAS_ADDRESS`] or
//! [`IDENTITY`].

use crate::{BundleError, Cell, Console, Dma, Image, ImageEntry, Manifest, Memory, VERSION};
use alloc::vec::Vec;
use tree::{NodeId, Tree};

/// In `memory`: the address is meant.
pub const HAS_ADDRESS: u32 = 1;
/// In `memory`: guest-physical equals physical.
pub const IDENTITY: u32 = 2;

/// Reads the plan; what cells say of images is looked up in `images`.
pub(crate) fn read<'a>(tree: &Tree<'a>, images: &[ImageEntry<'a>]) -> Result<Manifest<'a>, BundleError> {
    let node =
        tree.child(tree.root(), "cellwall").ok_or_else(|| BundleError::missing(tree, tree.root(), "cellwall"))?;
    let version = tree.u32(node, "version").ok_or_else(|| BundleError::missing(tree, node, "version"))?;
    if version != VERSION {
        return Err(BundleError::Version(version));
    }
    let mut plan = Manifest::default();
    for (key, value) in tree.properties(node) {
        let understood = match key {
            "version" => Some(()),
            "board" => text(value).map(|board| plan.board = board),
            "when-idle" => {
                choice(value, &[("stay", false), ("poweroff", true)]).map(|off| plan.poweroff_when_idle = off)
            }
            "service-cpu" => word(value).map(|cpu| plan.service_cpu = Some(cpu)),
            _ => return Err(BundleError::unknown(tree, node, key)),
        };
        understood.ok_or_else(|| BundleError::value(tree, node, key))?;
    }
    for child in tree.children(node) {
        if !tree.name(child).starts_with("cell-") {
            return Err(BundleError::unknown(tree, node, tree.name(child)));
        }
        plan.cells.push(cell(tree, child, images)?);
    }
    Ok(plan)
}

fn cell<'a>(tree: &Tree<'a>, node: NodeId, images: &[ImageEntry<'a>]) -> Result<Cell<'a>, BundleError> {
    let mut cell = Cell::default();
    for (key, value) in tree.properties(node) {
        let understood = match key {
            "name" => text(value).map(|name| cell.name = name),
            "cpus" => words(value).map(|cpus| cell.cpus = cpus),
            "memory" => memory(value).map(|memory| cell.memory = memory),
            "kernel" => text(value).map(|name| cell.kernel.image.name = name),
            "text-offset" => tree::number(value).map(|bytes| cell.kernel.text_offset = bytes),
            "image-size" => tree::number(value).map(|bytes| cell.kernel.image_size = bytes),
            "initrd" => text(value).map(|name| cell.initrd = Some(Image { name, size: 0 })),
            "bootargs" => text(value).map(|line| cell.bootargs = line),
            "devices" => texts(value).map(|paths| cell.devices = paths),
            "dma" => choice(value, &[("none", Dma::None), ("trusted", Dma::Trusted)]).map(|dma| cell.dma = dma),
            "console" => {
                let boards = ("passthrough", Console::Passthrough);
                choice(value, &[("virtual", Console::Virtual), boards, ("none", Console::None)])
                    .map(|kind| cell.console = kind)
            }
            "gic" => choice(value, &[("virtual", false), ("passthrough", true)]).map(|kind| cell.passthrough = kind),
            "on-fault" => words(value).and_then(|words| {
                (cell.restarts, cell.within_ms) =
                    words.try_into().ok().map(|[count, within]: [u32; 2]| (count, within))?;
                Some(())
            }),
            "on-violation" => choice(value, &[("stop", false), ("inject", true)]).map(|kind| cell.forgiving = kind),
            "start" => choice(value, &[("boot", false), ("manual", true)]).map(|kind| cell.manual = kind),
            _ => return Err(BundleError::unknown(tree, node, key)),
        };
        understood.ok_or_else(|| BundleError::value(tree, node, key))?;
    }
    let (kernel, size) = (cell.kernel.image.name, cell.kernel.image_size);
    let needed = [
        ("name", cell.name.is_empty()),
        ("cpus", cell.cpus.is_empty()),
        ("memory", cell.memory.is_empty()),
        ("kernel", kernel.is_empty()),
        ("image-size", size == 0),
    ];
    if let Some((key, _)) = needed.iter().find(|(_, lacking)| *lacking) {
        return Err(BundleError::missing(tree, node, key));
    }
    let (name, initrd) = (cell.name, cell.initrd.as_mut());
    for image in initrd.into_iter().chain([&mut cell.kernel.image]) {
        let entry = images.iter().find(|entry| entry.name == image.name);
        let lacking = || BundleError::NoImage { cell: name.into(), image: image.name.into() };
        image.size = entry.ok_or_else(lacking)?.payload.len() as u64;
    }
    Ok(cell)
}

fn memory(value: &[u8]) -> Option<Vec<Memory>> {
    let (runs, rest) = value.as_chunks::<20>();
    let run = |bytes: &[u8; 20]| {
        let (size, at) = (tree::number(bytes.get(..8)?)?, tree::number(bytes.get(8..16)?)?);
        let flags = word(bytes.get(16..)?).filter(|flags| flags & !(HAS_ADDRESS | IDENTITY) == 0)?;
        Some(Memory { size, at: (flags & HAS_ADDRESS != 0).then_some(at), identity: flags & IDENTITY != 0 })
    };
    if rest.is_empty() { runs.iter().map(run).collect() } else { None }
}

/// Reads exactly one string.
fn text(value: &[u8]) -> Option<&str> {
    core::str::from_utf8(value).ok()?.strip_suffix('\0').filter(|text| !text.contains('\0'))
}

fn texts(value: &[u8]) -> Option<Vec<&str>> {
    Some(core::str::from_utf8(value).ok()?.strip_suffix('\0')?.split('\0').collect())
}

fn words(value: &[u8]) -> Option<Vec<u32>> {
    value.len().is_multiple_of(4).then(|| tree::cells(value).collect())
}

fn word(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

fn choice<T: Copy>(value: &[u8], of: &[(&str, T)]) -> Option<T> {
    let chosen = text(value)?;
    of.iter().find(|(name, _)| *name == chosen).map(|(_, meaning)| *meaning)
}
