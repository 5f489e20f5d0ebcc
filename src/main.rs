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
use alloc::format;
use alloc::string::String;
use board::Board;
use boot::Loaded;
use manifest::Bundle;
use memory::{layout, pool};
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
        Err(sentence) => panic::halt(sentence),
    }
}

/// From the board to cells ready to run.
fn divide(board: &'static Board<'static>, tree: Option<Region<PhysAddr>>) -> Result<(), String> {
    let (cpus, model) = (board.cpus.len(), board.model);
    log::info!("Cellwall {}: {model}, {}", env!("CARGO_PKG_VERSION"), count(cpus, "CPU"));
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
        "{} sealed, CPU {} serves the console, {} KiB of EL2's pool in use",
        count(cells.len(), "cell"),
        plan.service_cpu(),
        pool::used() / 1024
    );
    pool::close();
    cell::commit(cells);
    Ok(())
}

/// A number of things, for people.
fn count(number: usize, thing: &'static str) -> impl core::fmt::Display {
    core::fmt::from_fn(move |f| write!(f, "{number} {thing}{}", if number == 1 { "" } else { "s" }))
}

/// Reads the bundle the loader left where a Linux initrd would be.
fn find_bundle(
    board: &'static Board<'static>,
    tree: Option<Region<PhysAddr>>,
) -> Result<(&'static Bundle<'static>, Footprint), String> {
    let region = board.initrd.ok_or("no bundle: load the file that `cargo cellwall build` made as the initrd")?;
    let bytes = boot::bytes(region).map_err(|error| format!("the bundle at {region} cannot be mapped: {error}"))?;
    let bundle = Bundle::read(bytes).map_err(|error| {
        format!("{error} (at {region}): load all of the file that `cargo cellwall build` made, or build it again")
    })?;
    let image = layout::image().ok_or("the image lies past the end of memory")?;
    let tree = tree.ok_or("the device tree lies past the end of memory")?;
    Ok((Box::leak(Box::new(bundle)), Footprint { image, bundle: region, tree }))
}
