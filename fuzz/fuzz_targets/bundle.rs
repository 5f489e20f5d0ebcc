//! Any bytes as a bundle and, as no hash keeps them, as a plan on a good board: refused or proved, never a panic.
#![no_main]

use address::{PhysAddr, Region};
use board::Board;
use libfuzzer_sys::fuzz_target;
use manifest::digest::Software;
use manifest::{Bundle, Digest, ImageEntry, PLAN};
use plan::Footprint;
use tree::{NodeId, Tree};

const TREE: &[u8] = include_bytes!("../../crates/board/tests/data/qemu-virt-gicv3.dtb");

/// The plan in a bundle, whatever its hash says.
fn plan_of(bytes: &[u8]) -> Option<&[u8]> {
    let tree = Tree::parse(bytes).ok()?;
    let node = tree.child(tree.child(NodeId::ROOT, "images")?, PLAN)?;
    let end = |key| usize::try_from(tree.u64(node, key)?).ok();
    bytes.get(end("data-position")?..)?.get(..end("data-size")?)
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(bundle) = Bundle::read(bytes, &Software) {
        bundle.images.iter().for_each(|image| _ = image.verify(&Software));
    }
    let image = ImageEntry { name: "Image", payload: bytes, digest: Digest::Crc32(0) };
    let Ok(plan) = manifest::words::read(plan_of(bytes).unwrap_or(bytes), &[image]) else { return };
    let board = Board::parse(TREE).expect("QEMU's own");
    let at = |base| Region::new(PhysAddr::at(base), 2 << 20).expect("in memory");
    let footprint = Footprint { image: at(0x4020_0000), bundle: at(0x4800_0000), tree: at(0x4840_0000) };
    let _ = plan::seal_sound_cells(&board, &plan, &footprint);
});
