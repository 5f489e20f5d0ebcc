//! Where a sealed plan puts things: frames, default IPAs, kernel, initrd, tree, GIC, UART, device pages, service CPU.
#![allow(
    clippy::pedantic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use crate::common::{MIB, RAM, cell, footprint, gicv2, gicv3, identity, region, run, run_at, seal, two};
use address::{Address, Ipa, PhysAddr, Region};
use manifest::{Console, Dma, Image, Memory};
use plan::{Mapping, SealedPlan, VirtualDevice, VirtualGic};

fn mapping(ipa: u64, pa: u64, size: u64) -> Mapping {
    Mapping { ipa: Ipa::at(ipa), pa: region(pa, size) }
}

fn ipas(base: u64, size: u64) -> Region<Ipa> {
    Region::new(Ipa::at(base), size).unwrap()
}

fn rams(plan: &SealedPlan<'_>) -> Vec<Vec<Mapping>> {
    plan.cells.iter().map(|cell| cell.ram.clone()).collect()
}

#[test]
fn frames_are_the_lowest_free_blocks_in_the_order_written() {
    let (board, plan) = (gicv3(), two());
    let sealed = seal(&board, &plan, &footprint()).unwrap();
    let first = RAM + 4 * MIB;
    assert_eq!(rams(&sealed), [[mapping(RAM, first, 16 * MIB)], [mapping(RAM, first + 16 * MIB, 16 * MIB)]]);
    assert!(sealed.cells.iter().all(|cell| !cell.identity));
}

#[test]
fn identity_memory_keeps_its_place_and_others_go_round_it() {
    let (board, mut plan) = (gicv3(), two());
    plan.cells[1].memory = vec![identity(RAM + 4 * MIB, 16 * MIB)];
    let sealed = seal(&board, &plan, &footprint()).unwrap();
    assert_eq!(sealed.cells[0].ram, [mapping(RAM, RAM + 20 * MIB, 16 * MIB)]);
    assert_eq!(sealed.cells[1].ram, [mapping(RAM + 4 * MIB, RAM + 4 * MIB, 16 * MIB)]);
    assert_eq!(sealed.cells.iter().map(|cell| cell.identity).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn frames_keep_the_blocks_of_an_odd_ipa_and_small_runs_take_pages() {
    let (board, mut plan) = (gicv3(), two());
    plan.cells[0].memory.push(run_at(0x8000_3000, 2 * MIB));
    plan.cells[0].memory.push(run_at(0xa000_0000, 0x3000));
    let sealed = seal(&board, &plan, &footprint()).unwrap();
    let ram = &sealed.cells[0].ram;
    assert_eq!(ram[1].pa.base().get() % (2 * MIB), 0x3000);
    assert_eq!(ram[2], mapping(0xa000_0000, RAM, 0x3000));
}

#[test]
fn memory_without_at_begins_at_the_boards_ram_and_goes_on_behind() {
    let (board, mut plan) = (gicv3(), two());
    plan.cells[0].memory = vec![run(16 * MIB), run(4 * MIB)];
    plan.cells[1].memory = vec![Memory { size: 16 * MIB, at: None, identity: true }, run(4096)];
    let sealed = seal(&board, &plan, &footprint()).unwrap();
    let ipa = |cell: usize, run: usize| sealed.cells[cell].ram[run].ipa.get();
    assert_eq!([ipa(0, 0), ipa(0, 1)], [RAM, RAM + 16 * MIB]);
    let own = sealed.cells[1].ram[0];
    assert_eq!(own.ipa.get(), own.pa.base().get());
    assert_eq!(ipa(1, 1), own.ipa.get() + 16 * MIB);
}

#[test]
fn banks_that_touch_are_one_and_ragged_ends_are_left() {
    let (mut board, mut plan) = (gicv3(), two());
    board.ram = vec![region(RAM + 8 * MIB, 192 * MIB + 0x10), region(RAM + 0x7ff, 8 * MIB - 0x7ff)];
    plan.cells[0].memory = vec![run(100 * MIB)];
    let sealed = seal(&board, &plan, &footprint()).unwrap();
    assert_eq!(sealed.cells[0].ram[0].ipa.get(), RAM + 0x1000, "the board's RAM base, in whole pages");
    plan.cells[1].memory = vec![identity(RAM + 6 * MIB, 4 * MIB)];
    assert!(seal(&board, &plan, &footprint()).is_ok(), "across the seam");
    plan.cells[1].memory = vec![identity(RAM + 196 * MIB, 4 * MIB + 4096)];
    assert!(seal(&board, &plan, &footprint()).is_err(), "into the ragged end");
}

#[test]
fn a_verdict_and_a_layout_follow_from_the_inputs_alone() {
    let (board, again, plan) = (gicv3(), gicv3(), two());
    let [first, second] = [&board, &again].map(|board| seal(board, &plan, &footprint()).unwrap());
    assert_eq!(first.cells, second.cells);
    assert_eq!((first.ram, first.uart), (second.ram, second.uart));
}

#[test]
fn kernel_initrd_and_tree_lie_apart_in_the_first_run() {
    let (board, mut plan) = (gicv3(), two());
    plan.cells[0].kernel.text_offset = 0x8_0000;
    plan.cells[0].initrd = Some(Image { name: "initrd", size: 5 * MIB + 1 });
    let sealed = seal(&board, &plan, &footprint()).unwrap();
    let laid = &sealed.cells[0];
    assert_eq!(laid.kernel.get(), RAM + 0x8_0000);
    assert_eq!(laid.initrd, Some(ipas(RAM + 4 * MIB, 5 * MIB + 1)), "2 MiB aligned behind the bss");
    assert_eq!(laid.tree, ipas(RAM + 16 * MIB - 0x1_0000, 0x1_0000));
    plan.cells[0].initrd = Some(Image { name: "initrd", size: 13 * MIB });
    let sealed = seal(&board, &plan, &footprint()).unwrap();
    assert_eq!(
        sealed.cells[0].initrd,
        Some(ipas(RAM + 2 * MIB + 0x8_0000, 13 * MIB)),
        "page aligned where it is tight"
    );
}

#[test]
fn a_kernel_goes_and_is_entered_where_it_says() {
    let (board, mut plan) = (gicv3(), two());
    plan.cells[0].kernel.load = Some(RAM + 0x1000);
    plan.cells[0].kernel.entry = Some(RAM + 0x1ffc);
    let sealed = seal(&board, &plan, &footprint()).unwrap();
    assert_eq!([sealed.cells[0].kernel.get(), sealed.cells[0].entry.get()], [RAM + 0x1000, RAM + 0x1ffc]);
    assert_eq!(sealed.cells[1].entry, sealed.cells[1].kernel, "else at its first byte");
}

#[test]
fn a_tree_that_is_brought_along_gets_the_room_it_needs() {
    let (board, mut plan) = (gicv3(), two());
    for (size, room) in [(100, 0x1_0000), (0x1_0001, 0x1_1000)] {
        plan.cells[0].dtb = Some(Image { name: "tree", size });
        assert_eq!(seal(&board, &plan, &footprint()).unwrap().cells[0].tree.size(), room);
    }
    plan.cells[0].dtb = Some(Image { name: "tree", size: 15 * MIB });
    assert_eq!(seal(&board, &plan, &footprint()).unwrap_err()[0].code(), 0x0704);
}

#[test]
fn a_cell_may_be_as_small_as_1_mib() {
    let (board, mut plan) = (gicv3(), two());
    plan.cells[0].memory = vec![run(MIB)];
    plan.cells[0].kernel.image.size = 4096;
    plan.cells[0].kernel.image_size = 0;
    let sealed = seal(&board, &plan, &footprint()).unwrap();
    let laid = &sealed.cells[0];
    assert_eq!(laid.ram, [mapping(RAM, RAM, MIB)], "below EL2's image");
    assert_eq!((laid.kernel.get(), laid.tree), (RAM, ipas(RAM + MIB - 0x4000, 0x4000)));
}

#[test]
fn the_virtual_gic_and_uart_stand_where_the_boards_do() {
    let (v3, v2, mut plan) = (gicv3(), gicv2(), two());
    plan.cells[0].cpus = vec![0, 2];
    plan.cells[1].console = Console::None;
    let sealed = seal(&v3, &plan, &footprint()).unwrap();
    let frames =
        VirtualGic::V3 { distributor: ipas(0x0800_0000, 0x1_0000), redistributors: ipas(0x080a_0000, 0x4_0000) };
    assert_eq!(sealed.cells[0].gic, frames);
    assert_eq!(sealed.cells[0].uart, Some(VirtualDevice { page: ipas(0x0900_0000, 0x1000), intid: 33 }));
    assert_eq!(sealed.cells[1].uart, None);
    let sealed = seal(&v2, &plan, &footprint()).unwrap();
    let cpu = mapping(0x0801_0000, 0x0804_0000, 0x1_0000);
    assert_eq!(sealed.cells[0].gic, VirtualGic::V2 { distributor: ipas(0x0800_0000, 0x1_0000), cpu });
}

#[test]
fn device_pages_are_exact_merged_and_identity() {
    let (board, mut plan) = (gicv3(), two());
    let slots = board.devices.iter().filter(|device| board.path(device).starts_with("/virtio_mmio@a00"));
    plan.cells[0].devices = slots.map(|device| board.path(device)).collect();
    plan.cells[0].devices.push("/pl031@9010000");
    plan.cells[0].dma = Dma::None;
    let sealed = seal(&board, &plan, &footprint()).unwrap();
    let laid = &sealed.cells[0];
    assert_eq!(laid.mmio, [region(0x0901_0000, 0x1000), region(0x0a00_0000, 0x4000)]);
    assert_eq!(laid.devices.len(), 33);
    assert!(laid.devices.is_sorted());
    let intids: Vec<u32> = laid.interrupts.iter().map(|line| line.intid).collect();
    assert_eq!(intids, [34].into_iter().chain(48..80).collect::<Vec<_>>());
}

#[test]
fn a_device_goes_by_path_or_alias() {
    let (board, mut plan) = (gicv3(), two());
    plan.cells[0].devices = vec!["/pl031"];
    let sealed = seal(&board, &plan, &footprint()).unwrap();
    assert_eq!(board.path(&board.devices[sealed.cells[0].devices[0]]), "/pl031@9010000");
}

#[test]
fn the_service_cpu_is_named_or_spare_or_the_first_cells() {
    let (mut board, mut plan) = (gicv3(), two());
    let serves = |board: &board::Board<'static>, plan: &manifest::Manifest<'static>| {
        seal(board, plan, &footprint()).unwrap().service_cpu
    };
    assert_eq!(serves(&board, &plan), 2);
    board.cpus[2].disabled = true;
    assert_eq!(serves(&board, &plan), 3);
    plan.cells[1].cpus = vec![3, 0];
    plan.cells[0].cpus = vec![1];
    assert_eq!(serves(&board, &plan), 1);
    plan.service_cpu = Some(3);
    assert_eq!(serves(&board, &plan), 3);
}

#[test]
fn cells_keep_their_cpus_in_order() {
    let (board, mut plan) = (gicv3(), two());
    plan.cells = vec![cell("a", &[3, 1])];
    let sealed = seal(&board, &plan, &footprint()).unwrap();
    assert_eq!(sealed.cells[0].cpus, [3, 1]);
    assert_eq!(PhysAddr::at(RAM), board.ram[0].base());
}
