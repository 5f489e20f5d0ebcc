//! A hole is a hole, a wall is a wall (the design's contract on what a cell sees).
#![allow(
    clippy::pedantic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use crate::common::{MIB, RAM, add, footprint, gicv2, gicv3, identity, place, region, seal, two};
use address::Ipa;
use plan::{Outside, Owner};

fn wall(owner: Owner, what: &str) -> Outside<'_> {
    Outside::Wall { owner, what }
}

#[test]
fn device_pages_of_others_el2_and_nobody_are_walls() {
    let (board, mut plan) = (gicv3(), two());
    plan.cells[1].devices = vec!["/pl031@9010000"];
    let sealed = seal(&board, &plan, &footprint()).unwrap();
    let touched = |ipa| sealed.outside(0, Ipa::at(ipa));
    assert_eq!(touched(0x0901_0ffc), wall(Owner(1), "/pl031@9010000"));
    assert_eq!(touched(0x0900_0000), wall(Owner::EL2, "/pl011@9000000"));
    assert_eq!(touched(0x0903_0000), wall(Owner::NOBODY, "/pl061@9030000"));
    assert_eq!(touched(0x0a00_0e00), wall(Owner::NOBODY, "/virtio_mmio@a000000"), "the page's first");
    assert_eq!(touched(0x0902_0018), wall(Owner::NOBODY, "/fw-cfg@9020000"));
    assert_eq!(touched(0x40_1000_0000), wall(Owner::NOBODY, "/pcie@10000000"));
    assert_eq!(touched(0x1000_0000), wall(Owner::NOBODY, "/pcie@10000000"), "a window");
    assert_eq!(sealed.outside(1, Ipa::at(0x0901_0000)), Outside::Hole, "its own");
}

#[test]
fn frames_of_the_gic_are_walls() {
    let (v3, v2, plan) = (gicv3(), gicv2(), two());
    let sealed = seal(&v3, &plan, &footprint()).unwrap();
    for (ipa, what) in [(0x0800_0000, "GICD"), (0x0808_0000, "ITS"), (0x080c_0000, "GICR"), (0x08ff_ffff, "GICR")] {
        assert_eq!(sealed.outside(0, Ipa::at(ipa)), wall(Owner::EL2, what));
    }
    let sealed = seal(&v2, &plan, &footprint()).unwrap();
    for (ipa, what) in [(0x0800_0000, "GICD"), (0x0801_0000, "GICC"), (0x0803_0000, "GICH"), (0x0804_1000, "GICV")] {
        assert_eq!(sealed.outside(0, Ipa::at(ipa)), wall(Owner::EL2, what));
    }
}

#[test]
fn frames_of_the_gic_are_walls_beyond_the_ipa_space_too() {
    let (mut board, plan) = (gicv3(), two());
    let board::Gic::V3 { its, .. } = &mut board.gic else { panic!("gicv3") };
    // Where Ampere's Altra has its GIC.
    its.push(region(0x1001_0004_0000, 0x2_0000));
    let sealed = seal(&board, &plan, &footprint()).unwrap();
    assert_eq!(sealed.outside(0, Ipa::at(0x1001_0004_0000)), wall(Owner::EL2, "ITS"));
    assert_eq!(sealed.outside(0, Ipa::at(0x1001_0005_ffff)), wall(Owner::EL2, "ITS"));
    assert_eq!(sealed.outside(0, Ipa::at(0x1001_0006_0000)), Outside::Hole);
}

#[test]
fn what_the_board_does_not_have_is_a_hole() {
    let (board, plan) = (gicv3(), two());
    let sealed = seal(&board, &plan, &footprint()).unwrap();
    for ipa in [0x0801_0000, 0x0901_1000, 0x0902_1000, 0x0a00_4000, RAM + 256 * MIB, u64::MAX] {
        assert_eq!(sealed.outside(0, Ipa::at(ipa)), Outside::Hole, "{ipa:#x}");
    }
}

#[test]
fn ram_is_a_wall_for_a_cell_with_identity_memory_only() {
    let (mut board, mut plan) = (gicv3(), two());
    board.reserved.push(board::Reserved { region: region(RAM + 255 * MIB, 0x1000), name: "secmon" });
    plan.cells[1].memory = vec![identity(RAM + 64 * MIB, 16 * MIB)];
    let sealed = seal(&board, &plan, &footprint()).unwrap();
    let others = sealed.cells[0].ram[0].pa.base();
    assert_eq!(others, address::PhysAddr::at(RAM + 4 * MIB));
    let kinds = [
        (RAM + 4 * MIB, Owner(0), "RAM"),
        (RAM + 2 * MIB, Owner::EL2, "EL2's image"),
        (RAM + 128 * MIB, Owner::EL2, "the bundle"),
        (RAM + 132 * MIB, Owner::EL2, "the board's tree"),
        (RAM + 255 * MIB, Owner::NOBODY, "secmon"),
        (RAM + 200 * MIB, Owner::NOBODY, "free RAM"),
    ];
    for (ipa, owner, what) in kinds {
        assert_eq!(sealed.outside(1, Ipa::at(ipa)), wall(owner, what));
        assert_eq!(
            sealed.outside(0, Ipa::at(ipa)),
            Outside::Hole,
            "{what} means nothing to a cell without identity memory"
        );
    }
    assert_eq!(sealed.outside(1, Ipa::at(RAM + 64 * MIB)), Outside::Hole, "its own");
}

#[test]
fn walls_are_disjoint_and_ascending() {
    for board in [gicv2(), gicv3()] {
        let plan = two();
        let sealed = seal(&board, &plan, &footprint()).unwrap();
        assert!(sealed.ram.windows(2).all(|pair| pair[0].region.end() <= pair[1].region.base()));
    }
}

#[test]
fn an_owner_shows_through_a_larger_neighbour() {
    let (mut board, mut plan) = (gicv3(), two());
    let rtc = place(&board, "/pl031@9010000");
    let around = add(&mut board, rtc, "/around@900f000", region(0x0900_f000, 0x4000));
    board.devices[around].disabled = true;
    plan.cells[1].devices = vec!["/pl031@9010000"];
    let sealed = seal(&board, &plan, &footprint()).unwrap();
    let touched = |ipa| sealed.outside(0, Ipa::at(ipa));
    assert_eq!(touched(0x0900_f000), wall(Owner::NOBODY, "/around@900f000"));
    assert_eq!(touched(0x0901_0000), wall(Owner(1), "/pl031@9010000"));
    assert_eq!(touched(0x0901_1000), wall(Owner::NOBODY, "/around@900f000"));
}
