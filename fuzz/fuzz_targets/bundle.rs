//! Any bytes as a bundle, and its plan on a good board: refused or proved, never a panic.
#![no_main]

use address::{PhysAddr, Region};
use board::Board;
use libfuzzer_sys::fuzz_target;
use manifest::Bundle;
use manifest::digest::Software;
use plan::Footprint;

const TREE: &[u8] = include_bytes!("../../crates/board/tests/data/qemu-virt-gicv3.dtb");

fuzz_target!(|bytes: &[u8]| {
    let Ok(bundle) = Bundle::read(bytes) else { return };
    bundle.images.iter().for_each(|image| _ = image.verify(&Software));
    let board = Board::parse(TREE).expect("QEMU's own");
    let at = |base| Region::new(PhysAddr::at(base), 2 << 20).expect("in memory");
    let footprint = Footprint { image: at(0x4020_0000), bundle: at(0x4800_0000), tree: at(0x4840_0000) };
    let _ = plan::seal_sound_cells(&board, &bundle.manifest, &footprint);
});
