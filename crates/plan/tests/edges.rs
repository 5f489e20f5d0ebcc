//! Where a byte more or less decides, or which of two equals is told.
#![allow(
    clippy::pedantic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use crate::common::{
    MIB, RAM, codes, footprint, gicv2, gicv3, identity, place, refusals, region, run, run_at, seal, spreads, two,
};
use address::{Address, Ipa, PhysAddr, Region};
use manifest::Image;
use plan::{IPA_END, Owner};

#[test]
fn a_watchdog_stands_behind_the_distributor_where_nothing_is() {
    let mut plan = two();
    plan.cells[0].watchdog_ms = 1;
    let stands = |board: &board::Board<'_>| {
        let sealed = seal(board, &plan, &footprint()).unwrap();
        assert_eq!(sealed.cells[1].watchdog, None, "that did not ask for one");
        let dog = sealed.cells[0].watchdog?;
        assert!(
            dog.intid >= 32
                && board.devices.iter().flat_map(|device| &device.interrupts).all(|line| line.intid != dog.intid)
        );
        Some(dog.page)
    };
    let at = |base| Region::new(Ipa::at(base), 0x2000);
    let mut board = gicv3();
    assert_eq!(stands(&board), at(0x0801_0000));
    assert_eq!(stands(&gicv2()), at(0x0802_1000), "past the CPU interface and the MSI frame");
    // Two pages are free, then one, then none.
    let gpio = place(&board, "/pl061@9030000");
    spreads(&mut board, gpio, &[region(0x0801_2000, 0x1000)]);
    assert_eq!(stands(&board), at(0x0801_0000), "right before a device");
    spreads(&mut board, gpio, &[region(0x0801_1000, 0x801)]);
    assert_eq!(stands(&board), at(0x0801_2000), "right behind its last page");
    spreads(&mut board, gpio, &[region(0x0801_1000, 0x1000), region(0x0801_3000, 0x1000)]);
    assert_eq!(stands(&board), at(0x0801_4000));
    for (below, fits) in [(0x2000, true), (0x1000, false)] {
        if let board::Gic::V3 { distributor, .. } = &mut board.gic {
            *distributor = region(IPA_END - below - 0x1_0000, 0x1_0000);
        }
        assert_eq!(stands(&board), at(IPA_END - below).filter(|_| fits), "at the end of all addresses");
    }
}

#[test]
fn frames_of_the_gic_that_meet_are_told_in_their_order() {
    let (mut board, plan) = (gicv3(), two());
    if let board::Gic::V3 { redistributors, .. } = &mut board.gic {
        *redistributors = vec![region(0x0800_8000, 0x10_0000)];
    }
    let found = refusals(&board, &plan);
    assert_eq!(found[0].code(), 0x0314);
    assert_eq!(found[0].numbers, [0x0800_0000, 0x0801_0000, 0x0800_8000, 0x0802_8000]);
}

#[test]
fn a_kernel_up_to_the_end_leaves_no_room_for_the_tree() {
    let (board, mut plan) = (gicv3(), two());
    plan.cells[0].kernel.image_size = 16 * MIB;
    assert_eq!(codes(&board, &plan), ["E0704"]);
    plan.cells[0].kernel.image_size = 16 * MIB + 1;
    assert_eq!(codes(&board, &plan), ["E0702"]);
    plan.cells[0].kernel.image_size = 16 * MIB - 0x1_0000;
    assert_eq!(codes(&board, &plan), [""; 0]);
}

#[test]
fn an_initrd_may_fill_all_between_kernel_and_tree() {
    let (board, mut plan) = (gicv3(), two());
    for (size, codes_of) in [(14 * MIB - 0x1_0000, vec![]), (14 * MIB - 0x1_0000 + 1, vec!["E0703"])] {
        plan.cells[0].initrd = Some(Image { name: "initrd", size });
        assert_eq!(codes(&board, &plan), codes_of);
    }
    // Two MiB aligned where there is just room for it so, else behind the kernel's last page.
    plan.cells[0].kernel.image_size = MIB;
    for (size, base) in [(14 * MIB - 0x1_0000, 2 * MIB), (14 * MIB - 0x1_0000 + 1, MIB)] {
        plan.cells[0].initrd = Some(Image { name: "initrd", size });
        let sealed = seal(&board, &plan, &footprint()).unwrap();
        assert_eq!(sealed.cells[0].initrd.unwrap().base().get(), RAM + base);
    }
}

#[test]
fn of_each_pair_of_runs_that_meet_the_first_is_blamed() {
    let (board, mut plan) = (gicv3(), two());
    let at = 0x8000_0000;
    plan.cells[0].memory =
        vec![run(16 * MIB), run_at(at, 4 * MIB), run_at(at + 2 * MIB, 2 * MIB), run_at(at + 3 * MIB, 4096)];
    let found = refusals(&board, &plan);
    let said: Vec<_> = found.iter().map(|found| (found.code(), found.entry, found.numbers[2])).collect();
    let pairs = [(1, at + 2 * MIB), (1, at + 3 * MIB), (2, at + 3 * MIB)];
    assert_eq!(said, pairs.map(|(first, second)| (0x0205, Some(first), second)));
}

#[test]
fn identity_runs_of_one_cell_that_overlap_are_no_other_cells() {
    let (board, mut plan) = (gicv3(), two());
    plan.cells[0].memory = vec![identity(RAM + 16 * MIB, 16 * MIB), identity(RAM + 24 * MIB, 16 * MIB)];
    assert_eq!(codes(&board, &plan), ["E0205"]);
}

#[test]
fn small_runs_take_the_lowest_pages_and_large_ones_whole_blocks() {
    let (board, mut plan) = (gicv3(), two());
    plan.cells[0].memory.push(run_at(0x8000_0000, 0x3000));
    plan.cells[1].memory.push(run_at(0x8000_0000, MIB));
    plan.cells[1].memory.push(run_at(0xa000_0000, 2 * MIB));
    let sealed = seal(&board, &plan, &footprint()).unwrap();
    let frames = |cell: usize, run: usize| sealed.cells[cell].ram[run].pa.base().get();
    assert_eq!([frames(0, 1), frames(1, 1)], [RAM, RAM + 0x3000], "one behind the other");
    assert_eq!(frames(1, 2) % (2 * MIB), 0);
}

#[test]
fn a_run_may_fill_all_in_front_of_what_is_taken() {
    let (board, mut plan) = (gicv3(), two());
    plan.cells[0].memory = vec![run(16 * MIB), run_at(0x8000_0000, 2 * MIB)];
    let sealed = seal(&board, &plan, &footprint()).unwrap();
    assert_eq!(sealed.cells[0].ram[1].pa, region(RAM, 2 * MIB), "up to EL2's image");
}

#[test]
fn registers_may_end_where_the_ipa_space_does() {
    let (mut board, mut plan) = (gicv3(), two());
    let gpio = place(&board, "/pl061@9030000");
    plan.cells[0].devices = vec!["/pl061@9030000"];
    for (size, codes_of) in [(0x1000, vec![]), (0x1001, vec!["E0311"])] {
        spreads(&mut board, gpio, &[region(IPA_END - 0x1000, size)]);
        assert_eq!(codes(&board, &plan), codes_of);
    }
}

#[test]
fn a_bridges_windows_may_lie_beyond_the_ipa_space_its_registers_not() {
    let (mut board, mut plan) = (gicv3(), two());
    let gpio = place(&board, "/pl061@9030000");
    plan.cells[0].devices = vec!["/pl061@9030000"];
    let near = region(0x0903_0000, 0x1000);
    spreads(&mut board, gpio, &[near]);
    for windows in [vec![region(IPA_END, 0x1000)], vec![near, region(IPA_END, 0x1000)]] {
        board.devices[gpio].windows = windows;
        assert_eq!(codes(&board, &plan), Vec::<String>::new(), "said, not refused");
    }
}

#[test]
fn of_several_on_a_page_el2_is_told_before_cells_and_cells_before_nobody() {
    let (mut board, mut plan) = (gicv3(), two());
    let [gpio, rtc, fw] = ["/pl061@9030000", "/pl031@9010000", "/fw-cfg@9020000"].map(|path| place(&board, path));
    plan.cells[0].devices = vec!["/pl061@9030000"];
    plan.cells[1].devices = vec!["/pl031@9010000"];
    // Before it and behind it on its page, EL2's UART between.
    spreads(&mut board, fw, &[region(0x0900_0800, 8), region(0x0900_0a00, 8)]);
    spreads(&mut board, gpio, &[region(0x0900_0900, 8)]);
    spreads(&mut board, rtc, &[region(0x0900_0820, 8), region(0x0900_0b00, 8)]);
    let said = |board: &board::Board<'_>| {
        let found = refusals(board, &plan);
        let first = found.iter().find(|found| found.cell == Some(0)).unwrap();
        (first.code(), first.names[3].to_owned())
    };
    assert_eq!(said(&board), (0x0313, "/pl011@9000000".to_owned()));
    let uart = board.stdout.unwrap();
    spreads(&mut board, uart, &[region(0x0908_0000, 0x1000)]);
    assert_eq!(said(&board), (0x0308, "/pl031@9010000".to_owned()));
    spreads(&mut board, rtc, &[region(0x0909_0000, 0x1000)]);
    assert_eq!(said(&board), (0x0307, "/fw-cfg@9020000".to_owned()));
}

#[test]
fn walls_are_all_there_is_in_order_and_apart() {
    let (board, plan) = (gicv3(), two());
    let sealed = seal(&board, &plan, &footprint()).unwrap();
    assert!(sealed.ram.is_sorted_by(|one, next| one.region.end() <= next.region.base()));
    let ram: u64 = sealed.ram.iter().map(|wall| wall.region.size()).sum();
    assert_eq!(ram, 256 * MIB);
    assert_eq!(sealed.device(PhysAddr::at(0x0901_0000)), Some((Owner::NOBODY, "/pl031@9010000")));
    assert_eq!(sealed.device(PhysAddr::at(0x0901_1000)), None);
}
