//! A cell's RAM before its first instruction: hashes checked, scrubbed, images copied, cleaned, unmapped from EL2.
//!
//! Runs on the cell's own first CPU, so cells load side by side and one cell's bad image refuses that cell alone.

use super::Cell;
use crate::el2::cache::{Hardware, Loading};
use crate::el2::hash;
use crate::memory::map;
use address::{Address, Ipa};
use alloc::vec::Vec;
use manifest::ImageEntry;
use vpsci::Entry;

/// What goes into a cell's RAM.
pub struct Images {
    /// The kernel, entered at its first byte.
    pub kernel: &'static ImageEntry<'static>,
    /// Initial RAM disk.
    pub initrd: Option<&'static ImageEntry<'static>>,
    /// The cell's tree.
    pub tree: Vec<u8>,
}

/// Fills the cell's RAM and returns where its first vCPU starts, or why the cell is refused.
pub fn load(cell: &'static Cell) -> Result<Entry, &'static str> {
    let Images { kernel, initrd, tree } = &cell.images;
    if !kernel.verify(&hash::Cpu) {
        return Err("the kernel's hash does not match the bundle's: build the bundle again");
    }
    if !initrd.is_none_or(|initrd| initrd.verify(&hash::Cpu)) {
        return Err("the initrd's hash does not match the bundle's: build the bundle again");
    }
    for run in &cell.sealed.ram {
        map::fill(run.pa).map_err(|_| "EL2's map has no room for its RAM")?;
        // SAFETY: mapped by the line above, from the sealed plan, and the cell does not run.
        let ram = unsafe { Loading::new(run.pa) };
        ram.scrub();
    }
    let mut placed = place(cell, cell.sealed.kernel, kernel.payload) && place(cell, cell.sealed.tree.base(), tree);
    if let (Some(initrd), Some(at)) = (initrd, cell.sealed.initrd) {
        placed &= place(cell, at.base(), initrd.payload);
    }
    for run in &cell.sealed.ram {
        stage2::publish_image(&mut Hardware, run.pa);
        map::unmap(run.pa).map_err(|_| "EL2's map lost its RAM")?;
    }
    if !placed {
        return Err("an image does not fit where the plan put it");
    }
    Ok(Entry { pc: cell.sealed.kernel, context: cell.sealed.tree.base().get() })
}

/// Copies `bytes` to `at`; false where the cell's RAM does not hold it in one run.
fn place(cell: &Cell, at: Ipa, bytes: &[u8]) -> bool {
    let Some(target) = cell.ram(at) else { return false };
    cell.sealed.ram.iter().any(|run| {
        run.pa.contains(target) && {
            // SAFETY: `load` mapped every run before.
            let ram = unsafe { Loading::new(run.pa) };
            ram.copy(target, bytes)
        }
    })
}
