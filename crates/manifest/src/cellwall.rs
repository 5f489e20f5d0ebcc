//! The `/cellwall` node: the plan as the bundle holds it.
//!
//! Owns the node's layout. Every key is read here or refused here, so a plan never means less than it says. Cells are
//! `cell-N` in the order written (U-Boot signs no tree with unit addresses); `memory` has five cells a run: size, address (two each), and [`HAS_ADDRESS`] or
//! [`IDENTITY`].

use crate::error::{INVALID, LACKS, NO_IMAGE, UNKNOWN};
use crate::{Cell, Console, Dma, Fault, Image, ImageEntry, Manifest, Memory, VERSION};
use alloc::vec::Vec;
use tree::{NodeId, Tree};

/// In `memory`: the address is meant.
pub const HAS_ADDRESS: u32 = 1;
/// In `memory`: guest-physical equals physical.
pub const IDENTITY: u32 = 2;

/// Reads the plan of `node`; what cells say of images is looked up in `images`.
pub(crate) fn read<'a>(tree: &Tree<'a>, node: NodeId, images: &[ImageEntry<'a>]) -> Result<Manifest<'a>, Fault<'a>> {
    match tree.u32(node, "version") {
        Some(VERSION) => {}
        Some(version) => return Err(Fault::Version(version)),
        None => return Err(Fault::Said(LACKS, "version", node)),
    }
    let mut plan = Manifest::default();
    for (key, value) in tree.properties(node) {
        let understood = match key {
            "version" => Some(()),
            "board" => text(value).map(|board| plan.board = board),
            "when-idle" => choice(value, ["stay", "poweroff", ""]).map(|choice| plan.poweroff_when_idle = choice == 1),
            "service-cpu" => word(value).map(|cpu| plan.service_cpu = Some(cpu)),
            "board-facts" => numbers(value).map(|facts| plan.facts = facts),
            _ => return Err(Fault::Said(UNKNOWN, key, node)),
        };
        understood.ok_or(Fault::Said(INVALID, key, node))?;
    }
    for child in tree.children(node) {
        let name = tree.name(child);
        if !name.starts_with("cell-") {
            return Err(Fault::Said(UNKNOWN, name, node));
        }
        plan.cells.push(cell(tree, child, images)?);
    }
    Ok(plan)
}

fn cell<'a>(tree: &Tree<'a>, node: NodeId, images: &[ImageEntry<'a>]) -> Result<Cell<'a>, Fault<'a>> {
    let mut cell = Cell::default();
    for (key, value) in tree.properties(node) {
        let understood = match key {
            "name" => text(value).map(|name| cell.name = name),
            "cpus" => value.len().is_multiple_of(4).then(|| cell.cpus.extend(tree::cells(value))),
            "memory" => memory(value, &mut cell.memory),
            "kernel" => text(value).map(|name| cell.kernel.image.name = name),
            "text-offset" => tree::number(value).map(|bytes| cell.kernel.text_offset = bytes),
            "image-size" => tree::number(value).map(|bytes| cell.kernel.image_size = bytes),
            "load" => tree::number(value).map(|at| cell.kernel.load = Some(at)),
            "entry" => tree::number(value).map(|at| cell.kernel.entry = Some(at)),
            "initrd" => text(value).map(|name| cell.initrd = Some(Image { name, size: 0 })),
            "dtb" => text(value).map(|name| cell.dtb = Some(Image { name, size: 0 })),
            "bootargs" => text(value).map(|line| cell.bootargs = line),
            "devices" => texts(value).map(|paths| cell.devices.extend(paths.split('\0'))),
            "dma" => choice(value, ["none", "trusted", ""])
                .map(|choice| cell.dma = if choice == 0 { Dma::None } else { Dma::Trusted }),
            "console" => choice(value, ["virtual", "passthrough", "none"]).map(|choice| {
                cell.console = match choice {
                    0 => Console::Virtual,
                    1 => Console::Passthrough,
                    _ => Console::None,
                }
            }),
            "gic" => choice(value, ["virtual", "passthrough", ""]).map(|choice| cell.passthrough = choice == 1),
            "on-fault" => match value.as_chunks() {
                ([count, within], []) => {
                    (cell.restarts, cell.within_ms) = (u32::from_be_bytes(*count), u32::from_be_bytes(*within));
                    Some(())
                }
                _ => None,
            },
            "on-violation" => choice(value, ["stop", "inject", ""]).map(|choice| cell.forgiving = choice == 1),
            "watchdog" => word(value).map(|time| cell.watchdog_ms = time),
            "start" => choice(value, ["boot", "manual", ""]).map(|choice| cell.manual = choice == 1),
            _ => return Err(Fault::Said(UNKNOWN, key, node)),
        };
        understood.ok_or(Fault::Said(INVALID, key, node))?;
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
        return Err(Fault::Said(LACKS, key, node));
    }
    let others = [cell.initrd.as_mut(), cell.dtb.as_mut()];
    for image in others.into_iter().flatten().chain([&mut cell.kernel.image]) {
        let entry = images.iter().find(|entry| entry.name == image.name);
        image.size = entry.ok_or(Fault::Said(NO_IMAGE, image.name, node))?.payload.len() as u64;
    }
    Ok(cell)
}

fn memory(value: &[u8], list: &mut Vec<Memory>) -> Option<()> {
    let (runs, rest) = value.as_chunks::<20>();
    for run in runs {
        let (size, at) = (tree::number(run.get(..8)?)?, tree::number(run.get(8..16)?)?);
        let flags = word(run.get(16..)?).filter(|flags| flags & !(HAS_ADDRESS | IDENTITY) == 0)?;
        let (at, identity) = ((flags & HAS_ADDRESS != 0).then_some(at), flags & IDENTITY != 0);
        list.push(Memory { size, at, identity });
    }
    rest.is_empty().then_some(())
}

/// Reads exactly one string.
fn text(value: &[u8]) -> Option<&str> {
    texts(value).filter(|text| !text.contains('\0'))
}

/// Reads strings, all but the last with the NUL behind them.
fn texts(value: &[u8]) -> Option<&str> {
    core::str::from_utf8(value).ok()?.strip_suffix('\0')
}

fn numbers(value: &[u8]) -> Option<Vec<u64>> {
    let (numbers, rest) = value.as_chunks();
    rest.is_empty().then(|| numbers.iter().map(|bytes| u64::from_be_bytes(*bytes)).collect())
}

fn word(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

/// Reads one of three words; "" is none.
fn choice(value: &[u8], of: [&str; 3]) -> Option<usize> {
    let chosen = text(value).filter(|text| !text.is_empty())?;
    of.iter().position(|name| *name == chosen)
}
