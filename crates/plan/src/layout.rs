//! Where a cell's things stand in its IPA space: RAM, devices, GIC, UART, kernel, initrd, tree.
//!
//! Promises that nothing of a sealed cell stands on anything else of it, and that kernel with bss, initrd and tree lie
//! apart inside the first RAM run (Linux `Documentation/arch/arm64/booting.rst`, "Call the kernel image"). The rule of
//! placement stands in the crate's root.

use address::{Address, Ipa, PAGE_BYTES, PhysAddr, Region};
use alloc::{format, string::String, vec::Vec};
use board::{Board, Gic};
use manifest::{Cell, Console, Manifest};

use crate::device::Devices;
use crate::memory::{BLOCK_BYTES, Bytes};
use crate::sort::{ends, sort};
use crate::{Class, Finding, Key, Mapping, Owner, SealedCell, VirtualGic, VirtualUart, cpu, interrupt};

/// The room for a cell's tree.
const TREE_BYTES: u64 = 64 << 10;
/// The room for its tree in a run of up to 2 MiB.
const SMALL_TREE_BYTES: u64 = 16 << 10;
/// The two 64 KiB frames of one redistributor (IHI 0069 12.10).
const REDISTRIBUTOR_BYTES: u64 = 128 << 10;

/// Lays out every cell and returns those that nothing refuses.
pub(crate) fn lay_out<'a>(
    board: &Board<'a>,
    manifest: &Manifest<'a>,
    devices: &Devices,
    ram: &[Vec<Mapping>],
    out: &mut Vec<Finding>,
) -> Vec<SealedCell<'a>> {
    let mut cells = Vec::with_capacity(manifest.cells.len());
    for ((index, cell), ram) in manifest.cells.iter().enumerate().zip(ram) {
        let laid = lay(board, (index, cell), devices, ram, out);
        let refused = out.iter().any(|finding| finding.cell == Some(index) && finding.class != Class::Warning);
        cells.extend(laid.filter(|_| !refused));
    }
    cells
}

/// Lays out one cell; nothing where something does not fit.
fn lay<'a>(
    board: &Board<'a>,
    (index, cell): (usize, &Cell<'a>),
    devices: &Devices,
    ram: &[Mapping],
    out: &mut Vec<Finding>,
) -> Option<SealedCell<'a>> {
    let uart = uart(board, devices, (index, cell), out);
    let owned: Vec<usize> = devices.of(index).collect();
    let mmio = mmio(devices, index);
    let mut interrupts: Vec<_> = owned
        .iter()
        .filter_map(|&device| board.devices.get(device))
        .flat_map(|device| interrupt::spis(&device.interrupts))
        .collect();
    sort(&mut interrupts, |line| (line.intid.into(), line.edge.into()));
    interrupts.dedup_by_key(|line| line.intid);
    let gic = gic(&board.gic, cell.cpus.len())?;
    apart((index, cell), ram, &mmio, &gic, uart, out);
    if cell.memory.is_empty() {
        let message = format!("cell {} has no memory", cell.name);
        out.push(
            Finding::new("E0201", Some(index), Key::Name, message, "give it memory, 1 MiB or more".into()).of_cell(),
        );
    }
    let first = ram.first().filter(|_| ram.len() == cell.memory.len())?;
    let (kernel, initrd, tree) = images((index, cell), Region::new(first.ipa, first.pa.size())?, out)?;
    Some(SealedCell {
        name: cell.name,
        index,
        cpus: cell.cpus.iter().map(|&cpu| cpu::index_of(cpu)).collect(),
        ram: ram.to_vec(),
        mmio,
        devices: owned,
        interrupts,
        kernel,
        initrd,
        tree,
        uart,
        gic,
        identity: ram.iter().any(|run| run.ipa.get() == run.pa.base().get()),
    })
}

/// Takes physical for guest-physical: devices stand where the board has them.
fn same(region: Region<PhysAddr>) -> Option<Region<Ipa>> {
    Region::new(Ipa::at(region.base().get()), region.size())?.widen(PAGE_BYTES)
}

/// Places the virtual UART at the board's.
fn uart(
    board: &Board<'_>,
    devices: &Devices,
    (index, cell): (usize, &Cell<'_>),
    out: &mut Vec<Finding>,
) -> Option<VirtualUart> {
    let mut refuse = |code, what: &str, help: &str| {
        let message = format!("cell {} has {what}", cell.name);
        out.push(Finding::new(code, Some(index), Key::Console, message, help.into()).of_cell());
    };
    match cell.console {
        Console::Passthrough if devices.console.is_none() => {
            refuse("E0501", "the board's UART, but the board has none", "set stdout-path in the tree");
            return None;
        }
        Console::Passthrough | Console::None => return None,
        Console::Virtual if devices.uart.is_none() && devices.console.is_some() => {
            let help = "say console = \"none\" here, or console = \"virtual\" in the cell that has the board's UART";
            refuse("E0507", "a virtual console, but no UART is left for EL2 to show it on", help);
            return None;
        }
        Console::Virtual => {}
    }
    let found = board.stdout.and_then(|device| board.devices.get(device)).and_then(|device| {
        let base = Ipa::at(device.regions.first()?.base().get()).align_down(PAGE_BYTES);
        let intid = interrupt::spis(&device.interrupts).next()?.intid;
        Some(VirtualUart { page: Region::new(base, PAGE_BYTES)?, intid })
    });
    if found.is_none() {
        let what = "a virtual console, but the board has no UART with an interrupt to stand in for";
        refuse("E0501", what, "say console = \"none\", or set stdout-path in the tree");
    }
    found
}

/// Returns a cell's device pages, adjacent ones merged.
fn mmio(devices: &Devices, index: usize) -> Vec<Mapping> {
    let mut pages: Vec<Region<PhysAddr>> = Vec::new();
    for span in devices.spans.iter().filter(|span| devices.owner(span.device) == Owner::Cell(index)) {
        let joined = pages.last().filter(|last| span.region.base() <= last.end());
        match joined.and_then(|last| Region::from_ends(last.base(), last.end().max(span.region.end()))) {
            Some(joined) => pages.last_mut().into_iter().for_each(|last| *last = joined),
            None => pages.push(span.region),
        }
    }
    pages.into_iter().map(|pa| Mapping { ipa: Ipa::at(pa.base().get()), pa }).collect()
}

/// Places the GIC of a cell with so many vCPUs.
fn gic(gic: &Gic, vcpus: usize) -> Option<VirtualGic> {
    match gic {
        Gic::V2 { distributor, cpu, virtual_cpu, .. } => {
            let interface = same(*cpu)?;
            let size = interface.size().min(virtual_cpu.widen(PAGE_BYTES)?.size());
            let pa = Region::new(virtual_cpu.base().align_down(PAGE_BYTES), size)?;
            Some(VirtualGic::V2 { distributor: same(*distributor)?, cpu: Mapping { ipa: interface.base(), pa } })
        }
        Gic::V3 { distributor, redistributors, .. } => {
            let base = Ipa::at(redistributors.first()?.base().get());
            let size = u64::try_from(vcpus.max(1)).ok()?.checked_mul(REDISTRIBUTOR_BYTES)?;
            Some(VirtualGic::V3 { distributor: same(*distributor)?, redistributors: Region::new(base, size)? })
        }
    }
}

/// What stands somewhere in a cell's IPA space, in the order in which it is blamed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    Ram(usize),
    Device,
    Uart,
    Gic,
}

/// Checks that nothing in the cell's IPA space stands on anything else.
fn apart(
    (index, cell): (usize, &Cell<'_>),
    ram: &[Mapping],
    mmio: &[Mapping],
    gic: &VirtualGic,
    uart: Option<VirtualUart>,
    out: &mut Vec<Finding>,
) {
    let at = |mapping: &Mapping| Region::new(mapping.ipa, mapping.pa.size());
    let frames = match *gic {
        VirtualGic::V2 { distributor, cpu } => [Some(distributor), at(&cpu)],
        VirtualGic::V3 { distributor, redistributors } => [Some(distributor), Some(redistributors)],
    };
    let runs = ram.iter().enumerate().map(|(run, mapping)| (at(mapping), Thing::Ram(run)));
    let pages = mmio.iter().map(|mapping| (at(mapping), Thing::Device));
    let emulated =
        frames.into_iter().map(|frame| (frame, Thing::Gic)).chain([(uart.map(|uart| uart.page), Thing::Uart)]);
    let all = runs.chain(pages).chain(emulated);
    let mut things: Vec<(Region<Ipa>, Thing)> = all.filter_map(|(region, thing)| Some((region?, thing))).collect();
    sort(&mut things, |(region, _)| ends(*region));
    // A device on a page EL2 keeps has its finding already.
    let known = out.iter().any(|finding| finding.cell == Some(index) && finding.code == "E0313");
    let mut furthest: Option<(Region<Ipa>, Thing)> = None;
    for &(region, thing) in &things {
        let said = |another: Thing| known && thing.min(another) == Thing::Device;
        if let Some((other, another)) = furthest.filter(|(other, it)| other.overlaps(region) && !said(*it)) {
            let ((mine, blamed), (theirs, with)) =
                if thing < another { ((region, thing), (other, another)) } else { ((other, another), (region, thing)) };
            let (code, what) = match (blamed, with) {
                (Thing::Ram(_), Thing::Ram(_)) => ("E0205", "its memory"),
                (Thing::Ram(_), Thing::Gic) => ("E0211", "its virtual GIC"),
                (Thing::Ram(_), Thing::Uart) => ("E0212", "its virtual UART"),
                (Thing::Ram(_), Thing::Device) => ("E0213", "its device pages"),
                _ => ("E0314", "what EL2 emulates for it"),
            };
            let (thing, key) = match blamed {
                Thing::Ram(run) => (format!("memory {run}"), Key::Memory(run)),
                Thing::Device | Thing::Uart | Thing::Gic => (String::from("device pages"), Key::Devices(0)),
            };
            let message = format!("cell {}'s {thing} at {mine} overlaps {what} at {theirs}", cell.name);
            let help = match blamed {
                Thing::Ram(_) => {
                    format!("let it end by {} or choose an at of {} or above", theirs.base(), theirs.end())
                }
                _ => "take the device away".into(),
            };
            out.push(Finding::new(code, Some(index), key, message, help).of_cell());
        }
        if furthest.is_none_or(|(other, _)| other.end() < region.end()) {
            furthest = Some((region, thing));
        }
    }
}

/// Places kernel, initrd and tree in the first run.
fn images(
    (index, cell): (usize, &Cell<'_>),
    run: Region<Ipa>,
    out: &mut Vec<Finding>,
) -> Option<(Ipa, Option<Region<Ipa>>, Region<Ipa>)> {
    let mut say = |code, key, what: String, help: String| {
        let message = format!("cell {}'s {what}", cell.name);
        out.push(Finding::new(code, Some(index), key, message, help).of_cell());
    };
    let kernel = &cell.kernel;
    if kernel.image.size == 0 {
        say("E0701", Key::Kernel, format!("kernel {} is empty", kernel.image.name), "name a kernel image".into());
        return None;
    }
    let bytes = kernel.image_size.max(kernel.image.size);
    let base = run.base().align_up(BLOCK_BYTES).and_then(|base| base.checked_add(kernel.text_offset));
    let Some(code) = base.and_then(|base| Region::new(base, bytes)).filter(|code| run.encloses(*code)) else {
        let at = base.unwrap_or(run.base());
        let what = format!("kernel needs {bytes:#x} bytes at {at}, its first memory run is {run}");
        let help = format!("make that run {bytes:#x} bytes larger, or let at be a multiple of 2 MiB");
        say("E0702", Key::Kernel, what, help);
        return None;
    };
    let room = if run.size() <= BLOCK_BYTES { SMALL_TREE_BYTES } else { TREE_BYTES };
    let end = code.end().align_up(PAGE_BYTES)?;
    let base = run.end().get().checked_sub(room).map(Ipa::at).filter(|base| *base >= end);
    let Some(tree) = base.and_then(|base| Region::new(base, room)) else {
        let what = format!(
            "tree needs {} behind the kernel's end at {end}, its first memory run ends at {}",
            Bytes(room),
            run.end()
        );
        say("E0704", Key::Memory(0), what, format!("make that run {} larger", Bytes(room)));
        return None;
    };
    let Some(image) = cell.initrd.filter(|image| image.size > 0) else { return Some((code.base(), None, tree)) };
    let space = |base: Ipa| Region::new(base, image.size).filter(|initrd| initrd.end() <= tree.base());
    let Some(initrd) = end.align_up(BLOCK_BYTES).and_then(space).or_else(|| space(end)) else {
        let left = tree.base().get().saturating_sub(end.get());
        let what = format!("initrd needs {:#x} bytes, between kernel and tree there are {left:#x}", image.size);
        say(
            "E0703",
            Key::Initrd,
            what,
            format!("make its first memory run {:#x} bytes larger", image.size.saturating_sub(left)),
        );
        return None;
    };
    Some((code.base(), Some(initrd), tree))
}
