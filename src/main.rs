//! Cellwall: divides a board into isolated cells by stage-2 translation. This file is the architecture.
//!
//! `boot` → `board` → `plan` → `cell` ⇄ `trap`: data flows one way. Everything above `commit` may fail with one sentence;
//! nothing below it fails or allocates.
#![no_std]
#![no_main]

extern crate alloc;

mod boot;
mod cell;
mod console;
mod el2;
mod gic;
mod memory;
mod panic;
mod smp;
mod trap;
mod uart;

use address::{PhysAddr, Region};
use alloc::boxed::Box;
use board::Board;
use boot::{Loaded, Reason};
use manifest::Bundle;
use memory::{layout, pool};
use panic::{Said, said};
use plan::{Footprint, SealedPlan};

/// Divides the board and runs the cells.
fn main(loaded: Loaded) -> ! {
    layout::set_image(loaded.image);
    pool::open();
    let blob = boot::tree(loaded).unwrap_or_else(|reason| boot::halt(reason));
    let board: &'static Board = match Board::parse(blob) {
        Ok(board) => Box::leak(Box::new(board)),
        Err(error) => boot::no_board(loaded, blob, &error),
    };
    console::init(board.stdout.and_then(|index| board.devices.get(index)));
    match loaded.at_el2().and_then(|()| divide(board, Region::new(loaded.tree, blob.len() as u64))) {
        Ok(()) => smp::run(board),
        Err(Said { .. }) => boot::halt(Reason::Said),
    }
}

/// From the board to cells ready to run.
fn divide(board: &'static Board<'static>, tree: Option<Region<PhysAddr>>) -> Result<(), Said> {
    let (cpus, model) = (board.cpus.len(), board.model);
    log::info!(concat!("Cellwall ", env!("CARGO_PKG_VERSION"), ": {}, {} CPU{}"), model, cpus, plural(cpus));
    let (bundle, footprint) = find_bundle(board, tree)?;
    let plan: &'static SealedPlan = match plan::seal_sound_cells(board, &bundle.manifest, &footprint) {
        Ok(plan) => Box::leak(Box::new(plan)),
        Err(findings) => {
            for finding in &findings {
                log::error!("{finding}");
            }
            return Err("the plan does not hold on this board; `cargo cellwall check` shows where and why".into());
        }
    };
    plan.findings().iter().for_each(|finding| log::warn!("{finding}; `cargo cellwall check` says it in full"));
    let gic = gic::init(board)?;
    let cells = cell::build_all(board, bundle, plan, gic)?;
    console::wire(board, plan.uart(), bundle.manifest.poweroff_when_idle);
    smp::prepare(board, cells, plan.service_cpu(), gic).ok_or("EL2's pool is too small for its CPUs' stacks")?;
    log::info!(
        "{} cell{} sealed, CPU {} serves the console, {} KiB of EL2's pool in use",
        cells.len(),
        plural(cells.len()),
        plan.service_cpu(),
        pool::used() / 1024
    );
    pool::close();
    cell::commit(cells);
    Ok(())
}

/// What stands behind the name of so many things.
fn plural(number: usize) -> &'static str {
    if number == 1 { "" } else { "s" }
}

/// Reads the bundle the loader left where a Linux initrd would be.
fn find_bundle(
    board: &'static Board<'static>,
    tree: Option<Region<PhysAddr>>,
) -> Result<(&'static Bundle<'static>, Footprint), Said> {
    let region = board.initrd.ok_or("no bundle: load the file that `cargo cellwall build` made as the initrd")?;
    let bytes = boot::bytes(region).map_err(|_| said(format_args!("the bundle at {region} cannot be mapped")))?;
    let bundle = Bundle::read(bytes).map_err(|error| {
        said(format_args!(
            "{error} (at {region}): load all of the file that `cargo cellwall build` made, or build it again"
        ))
    })?;
    let image = layout::image().ok_or("the image lies past the end of memory")?;
    let tree = tree.ok_or("the device tree lies past the end of memory")?;
    Ok((Box::leak(Box::new(bundle)), Footprint { image, bundle: region, tree }))
}
