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

use address::{Dec, PAGE_BYTES, PhysAddr, Region, Text};
use alloc::boxed::Box;
use board::{Board, FACTS};
use boot::{Loaded, Reason};
use console::note;
use core::fmt;
use log::Level;
use manifest::Bundle;
use memory::{layout, pool};
use panic::{Said, said};
use plan::{Footprint, SealedPlan};

/// Divides the board and runs the cells.
fn main(loaded: Loaded) -> ! {
    layout::set_image(loaded.image);
    pool::open();
    let (tree, blob) = boot::tree(loaded).unwrap_or_else(|reason| boot::halt(reason));
    let board: &'static Board = match Board::parse(blob) {
        Ok(board) => Box::leak(Box::new(board)),
        Err(error) => boot::no_board(loaded, blob, &error),
    };
    console::init(board.uart(board.stdout));
    match loaded.at_el2().and_then(|()| divide(board, tree)) {
        Ok(()) => smp::run(board),
        Err(Said) => boot::halt(Reason::Said),
    }
}

/// From the board to cells ready to run.
fn divide(board: &'static Board<'static>, tree: Region<PhysAddr>) -> Result<(), Said> {
    let (cpus, model) = (board.cpus.len(), board.model);
    let (model, count, s) = (Text(model), Dec(cpus as u64), Text(plural(cpus)));
    let hello = concat!("Cellwall ", env!("CARGO_PKG_VERSION"), ": ");
    note(Level::Info, format_args!("{}{model}, {count} CPU{s}", Text(hello)));
    let (bundle, plan) = choose(board, tree)?;
    for finding in &plan.findings {
        note(Level::Warn, format_args!("{finding}; `cargo cellwall check` says it in full"));
    }
    let gic = gic::init(board)?;
    let cells = cell::build_all(board, bundle, plan, gic)?;
    console::wire(board, gic, plan.uart, bundle.manifest.poweroff_when_idle);
    smp::prepare(board, cells, plan.service_cpu, gic).ok_or("EL2's pool is too small for its CPUs' stacks")?;
    let (count, s, cpu) = (Dec(cells.len() as u64), Text(plural(cells.len())), Dec(plan.service_cpu as u64));
    let (used, all) = (Dec(layout::size().wrapping_sub(pool::free()) / 1024), Dec(layout::size() / 1024));
    note(
        Level::Info,
        format_args!("{count} cell{s} sealed, CPU {cpu} serves the console, EL2 uses {used} of {all} KiB"),
    );
    pool::close();
    cell::commit(cells);
    Ok(())
}

/// What stands behind the name of so many things.
fn plural(number: usize) -> &'static str {
    if number == 1 { "" } else { "s" }
}

/// A bundle and its plan, for good.
type Chosen = (&'static Bundle<'static>, &'static SealedPlan<'static>);

/// Takes the first bundle whose plan holds of those the loader left where a Linux initrd would be: each begins a page.
fn choose(board: &'static Board<'static>, tree: Region<PhysAddr>) -> Result<Chosen, Said> {
    let region = board.initrd.ok_or("no bundle: load the file that `cargo cellwall build` made as the initrd")?;
    let bytes = boot::bytes(region).ok_or("the bundle cannot be mapped")?;
    // All of its 2 MiB, as the desk reserves them.
    let image =
        layout::image().and_then(|image| image.widen(2 << 20)).ok_or("the image lies past the end of memory")?;
    let (footprint, mut tried, mut behind) = (Footprint { image, bundle: region, tree }, false, 0);
    for at in (0..bytes.len()).step_by(layout::bytes(PAGE_BYTES)) {
        let rest = bytes.get(at..).unwrap_or_default();
        if at < behind || tried && Bundle::total_size(rest).is_none() {
            continue;
        }
        if tried {
            note(Level::Warn, format_args!("the next bundle is tried"));
        }
        tried = true;
        let mark = pool::mark();
        match Bundle::read(rest, &el2::hash::Cpu).map(|bundle| prove(board, bundle, &footprint)) {
            Ok(Ok(chosen)) => return Ok(chosen),
            Ok(Err(size)) => behind = at.saturating_add(size),
            Err(error) => {
                let help = Text("load all of the file that `cargo cellwall build` made, or build it again");
                said(format_args!("{error} (at {region}): {help}"));
            }
        }
        // SAFETY: what was refused left nothing behind but what was said.
        unsafe { pool::rewind(mark) }
    }
    Err(Said)
}

/// Proves a bundle's plan; else says why it does not hold, and tells where the bundle ends.
fn prove(board: &'static Board<'static>, bundle: Bundle<'static>, footprint: &Footprint) -> Result<Chosen, usize> {
    let bundle: &'static Bundle = Box::leak(Box::new(bundle));
    let (plan, here) = (&bundle.manifest, board.facts());
    let facts = || FACTS.iter().zip(here).zip(&plan.facts).filter(|((_, here), there)| here != *there);
    if facts().next().is_some() {
        let what = fmt::from_fn(|f| facts().try_for_each(|((fact, _), _)| write!(f, " in {},", Text(fact))));
        let help = format_args!("build it for this one: `cargo cellwall build PLAN --board ITS-TREE.dtb`");
        let there = Text(plan.board);
        note(
            Level::Warn,
            format_args!("plan for another board: this one differs from {there}, where it was proved,{what} so {help}"),
        );
    }
    match plan::seal_sound_cells(board, plan, footprint) {
        Ok(plan) => Ok((bundle, Box::leak(Box::new(plan)))),
        Err(findings) => {
            for finding in &findings {
                note(Level::Error, format_args!("{finding}"));
            }
            said(format_args!("the plan does not hold on this board; `cargo cellwall check` shows where and why"));
            Err(layout::bytes(bundle.size))
        }
    }
}
