//! A cell's RAM before its first instruction: hashes checked, scrubbed, images copied, cleaned, unmapped from EL2.
//!
//! Runs on the cell's own first CPU, so cells load side by side and one cell's bad image refuses that cell alone.

use super::Cell;
use crate::el2::cache::{self, Hardware};
use crate::el2::hash;
use crate::memory::map;
use address::{Address, Ipa, Region};
use alloc::vec::Vec;
use manifest::ImageEntry;
use vpsci::Entry;

/// What goes into a cell's RAM.
pub struct Images {
    /// Of the bundle: kernel, initrd, tree.
    pub packed: [Option<&'static ImageEntry<'static>>; 3],
    /// The tree made for the cell; empty where the bundle has one.
    pub tree: Vec<u8>,
}

/// Why a cell cannot be loaded: what is at fault, and what is wrong with it.
pub type Fault = [&'static str; 2];

/// What `Images::packed` holds.
static NAMES: [&str; 3] = ["the kernel", "the initrd", "the device tree"];

/// Fills the cell's RAM and returns where its first vCPU starts, or why the cell is refused.
pub fn load(cell: &'static Cell) -> Result<Entry, Fault> {
    let (Images { packed, tree }, sealed) = (&cell.images, cell.sealed);
    for (image, name) in packed.iter().zip(&NAMES) {
        if !image.is_none_or(|image| image.verify(&hash::Cpu)) {
            return Err([name, "'s hash does not match the bundle's: build the bundle again"]);
        }
    }
    for run in &sealed.ram {
        map::switch(run.pa, true).map_err(|_| ["EL2's map", " lost its RAM"])?;
        // SAFETY: mapped by the line above, from the sealed plan, and the cell does not run.
        unsafe { cache::scrub(run.pa) }
    }
    let mut placed = tree.is_empty() || place(cell, sealed.tree.base(), tree);
    let targets = [Some(sealed.kernel), sealed.initrd.map(Region::base), Some(sealed.tree.base())];
    for (image, at) in packed.iter().zip(targets) {
        if let (Some(image), Some(at)) = (image, at) {
            placed &= place(cell, at, image.payload);
        }
    }
    for run in &sealed.ram {
        stage2::publish_image(&mut Hardware, run.pa);
        map::switch(run.pa, false).map_err(|_| ["EL2's map", " lost its RAM"])?;
    }
    if !placed {
        return Err(["an image", " does not fit where the plan put it"]);
    }
    Ok(Entry { pc: sealed.entry, context: sealed.tree.base().get() })
}

/// Copies `bytes` to `at`; false where the cell's RAM does not hold it in one run.
fn place(cell: &Cell, at: Ipa, bytes: &[u8]) -> bool {
    let target = cell.ram(at).and_then(|start| Region::new(start, bytes.len() as u64));
    let target = target.filter(|target| cell.sealed.ram.iter().any(|run| run.pa.encloses(*target)));
    if let Some(target) = target {
        // SAFETY: `load` mapped every run before.
        unsafe { cache::copy(target.base(), bytes) }
    }
    target.is_some()
}
