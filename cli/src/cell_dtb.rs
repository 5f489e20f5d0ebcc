//! A cell's device tree where the plan brings it, or a part of it: `dtb` and `overlay`.
//!
//! Owns how such a tree is finished (`/chosen` says what the plan says) and what it is held against: a tree that tells
//! the guest of what the cell has not would lead it straight into a wall. EL2 copies it as it is; what the guest then
//! reaches is decided by the plan alone.

use crate::dom::{Dom, Node};
use crate::plan_file::{CellFile, PlanFile};
use crate::{board_tree, platform};
use address::{Address as _, Ipa, PhysAddr, Region};
use anyhow::{Context as _, Result, anyhow, ensure};
use board::{Board, Gic};
use manifest::Cell;
use plan::{SealedCell, VirtualGic};
use tree::NodeId;

/// Makes the tree of `cell`; nothing where EL2 generates it.
pub(crate) fn make(
    plan: &PlanFile,
    file: &CellFile,
    board: &Board<'_>,
    spec: &Cell<'_>,
    cell: &SealedCell<'_>,
) -> Result<Option<Vec<u8>>> {
    let mut made = match &file.dtb {
        Some(name) => finish(&platform::read_tree(&plan.resolve(name))?, spec, cell).with_context(|| name.clone())?,
        None if file.overlay.is_some() => cell_tree::build(board, cell, spec),
        None => return Ok(None),
    };
    if let Some(name) = &file.overlay {
        let overlay = platform::read_tree(&plan.resolve(name))?;
        made = merge(&made, &overlay, board, cell).with_context(|| name.clone())?;
    }
    check(&made, board, cell)?;
    Ok(Some(made))
}

/// Says in `/chosen` of a person's tree what the plan says.
fn finish(blob: &[u8], spec: &Cell<'_>, cell: &SealedCell<'_>) -> Result<Vec<u8>> {
    let mut dom = Dom::parse(blob)?;
    let chosen = dom.root.child("chosen");
    if !spec.bootargs.is_empty() {
        chosen.set("bootargs", [spec.bootargs.as_bytes(), b"\0"].concat());
    }
    chosen.properties.retain(|(name, _)| !name.starts_with("linux,initrd-"));
    if let Some(initrd) = cell.initrd {
        chosen.set("linux,initrd-start", initrd.base().get().to_be_bytes());
        chosen.set("linux,initrd-end", initrd.end().get().to_be_bytes());
    }
    Ok(dom.write())
}

/// Merges an overlay into a cell's tree; the board's labels serve for what the cell has of them.
fn merge(base: &[u8], overlay: &[u8], board: &Board<'_>, cell: &SealedCell<'_>) -> Result<Vec<u8>> {
    let mut dom = Dom::parse(base)?;
    let mut phandle = highest(&dom.root);
    for (label, path) in labels(&dom.root, board, cell) {
        // What a label stands for is found by its phandle.
        if let Some(node) = dom.root.find(&path).filter(|node| node.property("phandle").is_none()) {
            phandle = phandle.saturating_add(1);
            node.set("phandle", phandle.to_be_bytes());
        }
        dom.root.child("__symbols__").set(&label, [path.as_bytes(), b"\0"].concat());
    }
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("base.dtb"), dom.write())?;
    std::fs::write(file("overlay.dtbo"), overlay)?;
    board_tree::merge(&file("base.dtb"), &[file("overlay.dtbo")], &file("merged.dtb")).map_err(|error| {
        // Where it was done is nobody's business, and another place each time.
        let said = format!("{error:#}").replace(&format!("{}/", folder.path().display()), "");
        let hint = if said.contains("NOTFOUND") { ": the cell's tree has no such node" } else { "" };
        anyhow!("{said}{hint}")
    })?;
    let mut dom = Dom::parse(&std::fs::read(file("merged.dtb"))?)?;
    dom.root.children.retain(|child| child.name != "__symbols__");
    Ok(dom.write())
}

/// Returns the highest phandle at or below `node`.
fn highest(node: &Node) -> u32 {
    let own = node.property("phandle").and_then(|value| value.try_into().ok()).map_or(0, u32::from_be_bytes);
    node.children.iter().map(highest).fold(own, u32::max)
}

/// Returns the board's labels that mean something in the cell, and the path of that there.
fn labels(root: &Node, board: &Board<'_>, cell: &SealedCell<'_>) -> Vec<(String, String)> {
    let (Gic::V2 { node: gic, .. } | Gic::V3 { node: gic, .. }) = board.gic;
    let gic_base = match cell.gic {
        VirtualGic::V2 { distributor, .. } | VirtualGic::V3 { distributor, .. } => distributor.base(),
    };
    let at = |base: u64| root.children.iter().find(|child| child.name.ends_with(&format!("@{base:x}")));
    let device = |index: usize| Some(board.devices.get(index)?.regions.first()?.base().get());
    let Some(list) = board.tree.child(NodeId::ROOT, "__symbols__") else { return Vec::new() };
    let found = board.tree.properties(list).filter_map(|(label, _)| {
        let node = board.tree.find(label)?;
        let index = board.devices.iter().position(|device| device.node == node);
        let base = match index {
            _ if node == gic => gic_base.get(),
            Some(index) if board.stdout == Some(index) && cell.uart.is_some() => cell.uart?.page.base().get(),
            Some(index) if cell.devices.contains(&index) => device(index)?,
            _ => return None,
        };
        Some((label.to_owned(), format!("/{}", at(base)?.name)))
    });
    found.collect()
}

/// Holds a tree against what the cell has.
fn check(blob: &[u8], board: &Board<'_>, cell: &SealedCell<'_>) -> Result<()> {
    let mut dom = Dom::parse(blob)?;
    complete_gic(&mut dom.root, 16);
    let blob = dom.write();
    let told = Board::parse(&blob)?;
    let ram = |region: &Region<PhysAddr>| cell.ram.iter().any(|run| encloses(run.ipa, run.pa.size(), region));
    for bank in &told.ram {
        ensure!(ram(bank), "its tree tells of RAM at {bank}, which memory does not give the cell");
    }
    let vcpus = cell.cpus.len();
    for cpu in told.cpus.iter().filter(|cpu| !cpu.disabled) {
        let number = usize::try_from(cpu.mpidr).unwrap_or(usize::MAX);
        ensure!(
            number < vcpus,
            "its tree tells of a CPU whose reg is {:#x}; the cell's {vcpus} are numbered from 0",
            cpu.mpidr
        );
    }
    ensure!(told.cpus.len() == 1 || told.psci.is_some(), "its tree has several CPUs and no psci node to start them by");
    let (gic, frames) = frames(cell);
    let same = match (&told.gic, cell.gic) {
        (Gic::V2 { distributor, cpu, .. }, VirtualGic::V2 { .. }) => [distributor.base(), cpu.base()] == gic,
        (Gic::V3 { distributor, redistributors, its, .. }, VirtualGic::V3 { .. }) => {
            ensure!(its.is_empty(), "its tree tells of an interrupt translation service; cells have none");
            let first = redistributors.first().map_or(PhysAddr::at(0), |region| region.base());
            [distributor.base(), first] == gic
        }
        _ => false,
    };
    ensure!(same, "its tree tells of another GIC than the cell's at {} and {}", gic[0], gic[1]);
    let timers = [told.timers.physical, told.timers.virtual_] == [board.timers.physical, board.timers.virtual_];
    ensure!(timers, "its tree tells of other timer interrupts than the board's");
    let mapped = |region: &Region<PhysAddr>| {
        let pages = cell.mmio.iter().any(|pages| pages.encloses(*region));
        let emulated = [cell.uart, cell.watchdog].into_iter().flatten();
        let emulated = emulated.map(|device| device.page).any(|page| encloses(page.base(), page.size(), region));
        pages || emulated || ram(region) || frames.iter().any(|frame| frame.encloses(*region))
    };
    let owned = |intid: u32| {
        let line = cell.interrupts.iter().any(|line| line.intid == intid);
        intid < 32 || line || [cell.uart, cell.watchdog].into_iter().flatten().any(|device| device.intid == intid)
    };
    for device in told.devices.iter().filter(|device| !device.disabled) {
        let path = told.path(device);
        let strange = device.pages().find(|region| !mapped(region));
        ensure!(
            strange.is_none(),
            "its tree tells of {path} at {}, which is not the cell's; name the device in devices, or say status = \
             \"disabled\"",
            strange.map_or_else(String::new, ToString::to_string)
        );
        let strange = device.interrupts.iter().find(|line| !owned(line.intid)).map(|line| line.intid);
        ensure!(
            strange.is_none(),
            "its tree gives {path} interrupt {}, which is not the cell's",
            strange.unwrap_or_default()
        );
    }
    Ok(())
}

/// Gives a `GICv2` as guests know it the two frames that a board's has beside: the tree is read as a board's.
fn complete_gic(node: &mut Node, entry_bytes: usize) {
    let cells = |name| node.property(name).and_then(|value| value.last().copied()).map_or(2, usize::from);
    let below = cells("#address-cells").saturating_add(cells("#size-cells")).saturating_mul(4);
    let compatible = node.property("compatible").unwrap_or_default();
    let named = |name: &str| compatible.windows(name.len()).any(|part| part == name.as_bytes());
    if node.property("interrupt-controller").is_some() && named("gic") && !named("gic-v3") {
        let mut reg = node.property("reg").unwrap_or_default().to_vec();
        if reg.len() == entry_bytes.saturating_mul(2) {
            reg.extend_from_within(..);
            node.set("reg", reg);
        }
    }
    node.children.iter_mut().for_each(|child| complete_gic(child, below));
}

fn encloses(ipa: Ipa, size: u64, region: &Region<PhysAddr>) -> bool {
    Region::new(PhysAddr::at(ipa.get()), size).is_some_and(|run| run.encloses(*region))
}

/// Returns where the two frames of the cell's GIC begin, and both of them, as addresses of its tree.
fn frames(cell: &SealedCell<'_>) -> ([PhysAddr; 2], Vec<Region<PhysAddr>>) {
    let physical = |region: Region<Ipa>| Region::new(PhysAddr::at(region.base().get()), region.size());
    let (first, second) = match cell.gic {
        VirtualGic::V2 { distributor, cpu } => (distributor, Region::new(cpu.ipa, cpu.pa.size())),
        VirtualGic::V3 { distributor, redistributors } => (distributor, Some(redistributors)),
    };
    let frames: Vec<_> = [Some(first), second].into_iter().flatten().filter_map(physical).collect();
    let base = |region: Option<Region<Ipa>>| PhysAddr::at(region.map_or(0, |region| region.base().get()));
    ([base(Some(first)), base(second)], frames)
}
