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

use address::{PAGE_BYTES, PhysAddr, Region};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use board::{Board, FACTS};
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
    let (bundle, plan) = choose(board, tree)?;
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

/// Takes the first bundle whose plan holds of those the loader left where a Linux initrd would be: each begins a page.
fn choose(board: &'static Board<'static>, tree: Option<Region<PhysAddr>>) -> Result<Chosen, String> {
    let region = board.initrd.ok_or("no bundle: load the file that `cargo cellwall build` made as the initrd")?;
    let bytes = boot::bytes(region).map_err(|error| format!("the bundle at {region} cannot be mapped: {error:?}"))?;
    let image = layout::image().ok_or("the image lies past the end of memory")?;
    let tree = tree.ok_or("the device tree lies past the end of memory")?;
    let (footprint, mut at) = (Footprint { image, bundle: region, tree }, 0);
    loop {
        let mark = pool::mark();
        let rest = bytes.get(at..).unwrap_or_default();
        let (sentence, size) = match Bundle::read(rest) {
            Ok(bundle) => match prove(board, bundle, &footprint) {
                Ok(chosen) => return Ok(chosen),
                Err(refused) => refused,
            },
            Err(error) => (
                format!(
                    "{error} (at {region}): load all of the file that `cargo cellwall build` made, or build it again"
                ),
                1,
            ),
        };
        let pages = layout::bytes(PAGE_BYTES);
        let mut later = (at.saturating_add(size).next_multiple_of(pages)..bytes.len()).step_by(pages);
        let Some(next) = later.find(|at| Bundle::total_size(bytes.get(*at..).unwrap_or_default()).is_some()) else {
            return Err(sentence);
        };
        log::error!("{sentence}; the next bundle is tried");
        drop(sentence);
        at = next;
        // SAFETY: what was refused left nothing behind but what is said, and that was the line above.
        unsafe { pool::rewind(mark) }
    }
}

/// A bundle and its plan, for good.
type Chosen = (&'static Bundle<'static>, &'static SealedPlan<'static>);

/// Proves a bundle's plan; else says why it does not hold, and where the bundle ends.
fn prove(
    board: &'static Board<'static>,
    bundle: Bundle<'static>,
    footprint: &Footprint,
) -> Result<Chosen, (String, usize)> {
    let bundle: &'static Bundle = Box::leak(Box::new(bundle));
    let (plan, made_for) = (&bundle.manifest, bundle.manifest.board);
    let unlike = FACTS.iter().zip(board.facts()).zip(&plan.facts).filter(|((_, here), there)| here != *there);
    let unlike: Vec<&str> = unlike.map(|((fact, _), _)| *fact).collect();
    let another = (!unlike.is_empty()).then(|| {
        let unlike = unlike.join(", ");
        format!(
            "plan for another board: {made_for}, where it was proved, has other {unlike} than this one; build it for \
             this one, with `cargo cellwall build PLAN --board ITS-TREE.dtb`"
        )
    });
    match plan::seal_sound_cells(board, plan, footprint) {
        Ok(plan) => {
            if let Some(sentence) = another {
                log::warn!("{sentence}");
            }
            Ok((bundle, Box::leak(Box::new(plan))))
        }
        Err(findings) => {
            for finding in &findings {
                log::error!("{finding}");
            }
            let sentence = "the plan does not hold on this board; `cargo cellwall check` shows where and why";
            Err((another.unwrap_or_else(|| sentence.into()), layout::bytes(bundle.size)))
        }
    }
}
