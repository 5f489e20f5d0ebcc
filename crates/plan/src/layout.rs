//! Where a cell's things stand in its IPA space: RAM, devices, GIC, UART, kernel, initrd, tree.
//!
//! Promises that nothing of a sealed cell stands on anything else of it, and that kernel with bss, initrd and tree lie
//! apart inside the first RAM run (Linux `Documentation/arch/arm64/booting.rst`, "Call the kernel image"). The rule of
//! placement stands in the crate's root.

use address::{Address, Ipa, PAGE_BYTES, PhysAddr, Region};
use alloc::vec::Vec;
use board::{Gic, Interrupt};
use manifest::{Cell, Console};

use crate::device::Devices;
use crate::interrupt::{self, FIRST_SPI};
use crate::line::{ends, round_up};
use crate::memory::{self, BLOCK_BYTES};
use crate::{Class, Mapping, NONE, Proof, SealedCell, VirtualDevice, VirtualGic, Wall, own, watchdog};

/// The room for a cell's tree.
const TREE_BYTES: u64 = 64 << 10;
/// The room for its tree in a run of up to 2 MiB.
const SMALL_TREE_BYTES: u64 = 16 << 10;
/// The two 64 KiB frames of one redistributor (IHI 0069 12.10).
const REDISTRIBUTOR_BYTES: u64 = 128 << 10;

/// Lays out the cells; those that nothing refuses go to `cells`.
pub(crate) fn lay_out<'a>(
    proof: &mut Proof<'a, '_>,
    devices: &Devices<'a>,
    walls: &mut Vec<Wall<'a>>,
    cells: &mut Vec<SealedCell<'a>>,
) {
    for index in 0..proof.cells.len() {
        // What refuses a cell was said.
        let _ = lay(proof, index, devices, walls, cells);
    }
}

/// Lays out one cell; nothing where a finding refuses it.
fn lay<'a>(
    proof: &mut Proof<'a, '_>,
    index: usize,
    devices: &Devices<'a>,
    walls: &mut Vec<Wall<'a>>,
    cells: &mut Vec<SealedCell<'a>>,
) -> Option<()> {
    let (board, cell) = (proof.board, proof.cells.get(index)?);
    let mut owned = own::judge(proof, devices, index, cell);
    let runs = memory::place(proof, walls, index, &cell.memory);
    let uart = uart(proof, devices, (index, cell));
    let gic = gic(&board.gic, cell)?;
    let (distributor, frames) = match gic {
        VirtualGic::V2 { distributor, cpu } => (distributor, Region::new(cpu.ipa, cpu.pa.size())?),
        VirtualGic::V3 { distributor, redistributors } => (distributor, redistributors),
    };
    // A device on a page EL2 keeps has its finding already.
    let known = proof.said(index, &|finding| finding.code() == 0x0313);
    let mut things: Vec<Region<PhysAddr>> = Vec::with_capacity(8);
    let mut stand = |thing: Region<PhysAddr>, code| {
        for (run, other) in things.iter().enumerate().filter(|(_, other)| other.overlaps(thing)) {
            let (code, run) = if run < runs.len() { (code, run) } else { (0xC314, 0) };
            if code != 0xC314 || !known {
                proof.say(code, index, NONE, run).numbers = ends(*other, thing);
            }
        }
        things.push(thing);
    };
    for run in &runs {
        stand(Region::new(run.ipa, run.pa.size())?.same(), 0xC205);
    }
    owned.pages.iter().for_each(|pages| stand(*pages, 0xC213));
    stand(distributor.same(), 0xC211);
    stand(frames.same(), 0xC211);
    if let Some(uart) = uart {
        stand(uart.page.same(), 0xC212);
    }
    let page = if cell.watchdog_ms > 0 { watchdog::place(proof, devices, &things, distributor) } else { None };
    let line = || interrupt::unused(board, proof.cells.len().saturating_add(index));
    let watchdog = page.and_then(|page| Some(VirtualDevice { page, intid: line()? }));
    let mut own = |device: Option<VirtualDevice>| {
        if let Some(VirtualDevice { intid, .. }) = device.filter(|_| cell.passthrough) {
            interrupt::add(&mut owned.interrupts, Interrupt { intid, edge: true });
        }
    };
    own(uart);
    own(watchdog);
    if cell.memory.is_empty() {
        proof.say(0xC201, index, NONE, 0);
    }
    let first = runs.first().filter(|_| runs.len() == cell.memory.len())?;
    let placed = images(cell, Region::new(first.ipa, first.pa.size())?);
    let placed = placed.map_err(|(code, numbers)| proof.say(code, index, NONE, 0).numbers = numbers);
    let (kernel, entry, initrd, tree) = placed.ok()?;
    if proof.said(index, &|finding| finding.class() != Class::Warning) {
        return None;
    }
    cells.push(SealedCell {
        name: cell.name,
        index,
        cpus: cell.cpus.iter().map(|&cpu| cpu as usize).collect(),
        identity: runs.iter().any(|run| run.ipa.get() == run.pa.base().get()),
        ram: runs,
        mmio: owned.pages,
        devices: owned.devices,
        interrupts: owned.interrupts,
        kernel,
        entry,
        initrd,
        tree,
        uart,
        watchdog,
        gic,
        passthrough: cell.passthrough,
    });
    Some(())
}

/// Takes physical for guest-physical: devices stand where the board has them.
fn same(region: Region<PhysAddr>) -> Option<Region<Ipa>> {
    region.same().widen(PAGE_BYTES)
}

/// Places the virtual UART at the board's.
fn uart(proof: &mut Proof<'_, '_>, devices: &Devices, (index, cell): (usize, &Cell<'_>)) -> Option<VirtualDevice> {
    let board = proof.board;
    let found = board.stdout.and_then(|device| board.devices.get(device)).and_then(|device| {
        let base = Ipa::at(device.regions.first()?.base().get()).align_down(PAGE_BYTES);
        let intid = device.interrupts.iter().map(|line| line.intid).find(|intid| *intid >= FIRST_SPI)?;
        // The board's line is EL2's: passed through, the cell gets one in hardware that no device has.
        let intid = if cell.passthrough { interrupt::unused(board, index)? } else { intid };
        Some(VirtualDevice { page: Region::new(base, PAGE_BYTES)?, intid })
    });
    let code = match cell.console {
        Console::Passthrough if devices.console.is_none() => 0xC501,
        Console::Virtual if devices.uart.is_none() && devices.console.is_some() => 0xC507,
        Console::Virtual if found.is_none() => 0xC501,
        Console::Virtual => return found,
        Console::Passthrough | Console::None => return None,
    };
    proof.say(code, index, NONE, 0);
    None
}

/// Places a cell's GIC.
fn gic(gic: &Gic, cell: &Cell<'_>) -> Option<VirtualGic> {
    match gic {
        Gic::V2 { distributor, cpu, virtual_cpu, .. } => {
            let interface = same(*cpu)?;
            let (region, most) = if cell.passthrough { (*cpu, PAGE_BYTES) } else { (*virtual_cpu, interface.size()) };
            let size = most.min(region.widen(PAGE_BYTES)?.size());
            let pa = Region::new(region.base().align_down(PAGE_BYTES), size)?;
            Some(VirtualGic::V2 { distributor: same(*distributor)?, cpu: Mapping { ipa: interface.base(), pa } })
        }
        Gic::V3 { distributor, redistributors, .. } => {
            let base = Ipa::at(redistributors.first()?.base().get());
            let size = (cell.cpus.len().max(1) as u64).checked_mul(REDISTRIBUTOR_BYTES)?;
            Some(VirtualGic::V3 { distributor: same(*distributor)?, redistributors: Region::new(base, size)? })
        }
    }
}

/// Where the kernel's first byte and its entry are, the initrd, the tree.
type Placed = (Ipa, Ipa, Option<Region<Ipa>>, Region<Ipa>);

/// Places kernel, initrd and tree in the first run, or says what is wrong with the numbers there are.
fn images(cell: &Cell<'_>, run: Region<Ipa>) -> Result<Placed, (u16, [u64; 4])> {
    let (kernel, bottom, top) = (&cell.kernel, run.base().get(), run.end().get());
    if kernel.image.size == 0 {
        return Err((0xC701, [0; 4]));
    }
    let bytes = kernel.image_size.max(kernel.image.size);
    let header = || round_up(bottom, BLOCK_BYTES).saturating_add(kernel.text_offset);
    let base = kernel.load.unwrap_or_else(header);
    let end = base.saturating_add(bytes);
    if base < bottom || end > top {
        return Err((0xC702, [bytes, base, bottom, top]));
    }
    let entry = kernel.entry.unwrap_or(base);
    if !(base..end).contains(&entry) || !entry.is_multiple_of(4) {
        return Err((0xC705, [entry, base, end, 0]));
    }
    let least = if run.size() <= BLOCK_BYTES { SMALL_TREE_BYTES } else { TREE_BYTES };
    let room = cell.dtb.map_or(0, |dtb| round_up(dtb.size, PAGE_BYTES)).max(least);
    let free = round_up(end, PAGE_BYTES);
    let no_tree = (0xC704, [room, free, top, 0]);
    let tree = top.checked_sub(room).filter(|tree| *tree >= free).map(Ipa::at).ok_or(no_tree)?;
    let tree = Region::new(tree, room).ok_or(no_tree)?;
    let size = cell.initrd.map_or(0, |image| image.size);
    let blocks = round_up(end, BLOCK_BYTES);
    let fits = blocks.saturating_add(size) <= tree.base().get();
    let initrd = if fits { blocks } else { free };
    let left = tree.base().get().saturating_sub(initrd);
    if size > left {
        return Err((0xC703, [size, left, size.saturating_sub(left), 0]));
    }
    Ok((Ipa::at(base), Ipa::at(entry), Region::new(Ipa::at(initrd), size), tree))
}
