//! What sums up a board changes with the board, and with nothing else.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may fail by panicking")]

use address::{PhysAddr, Region};
use board::{Board, FACTS, Start};

const GICV3: &[u8] = include_bytes!("data/qemu-virt-gicv3.dtb");
const GICV2: &[u8] = include_bytes!("data/qemu-virt-gicv2.dtb");
const SMMU: &[u8] = include_bytes!("data/qemu-virt-smmuv3.dtb");

/// Which facts differ.
fn unlike(a: &Board<'_>, b: &Board<'_>) -> Vec<&'static str> {
    let pairs = a.facts().into_iter().zip(b.facts()).zip(FACTS);
    pairs.filter(|((a, b), _)| a != b).map(|(_, name)| name).collect()
}

fn changed(change: impl FnOnce(&mut Board<'_>)) -> Vec<&'static str> {
    let mut board = Board::parse(GICV3).unwrap();
    change(&mut board);
    unlike(&Board::parse(GICV3).unwrap(), &board)
}

fn changed_to(change: impl FnOnce(&mut Board<'_>)) -> [u64; FACTS.len()] {
    let mut board = Board::parse(GICV3).unwrap();
    change(&mut board);
    board.facts()
}

#[test]
fn boards_differ_in_what_they_differ_in() {
    let [v3, v2, smmu] = [GICV3, GICV2, SMMU].map(|tree| Board::parse(tree).unwrap());
    assert!(unlike(&v3, &v3).is_empty());
    assert_eq!(unlike(&v3, &v2), ["GIC and timers"]);
    assert_eq!(unlike(&v3, &smmu), ["CPUs", "RAM", "devices"], "which was made with fewer of the first two");
}

#[test]
fn each_fact_is_summed_up() {
    let page = Region::new(PhysAddr::at(0x1000), 4096).unwrap();
    assert_eq!(changed(|board| board.cpus[1].mpidr = 9), ["CPUs"]);
    assert_eq!(changed(|board| board.cpus[1].disabled = true), ["CPUs"]);
    assert_eq!(changed(|board| board.cpus[1].start = Start::Unknown), ["CPUs"]);
    assert_eq!(changed(|board| _ = board.cpus.pop()), ["CPUs"]);
    assert_eq!(changed(|board| board.cpus.swap(0, 1)), ["CPUs"]);
    assert_eq!(changed(|board| board.ram[0] = page), ["RAM"]);
    assert_eq!(changed(|board| board.ram.push(page)), ["RAM"]);
    assert_eq!(changed(|board| board.reserved.push(board::Reserved { region: page, name: "x" })), ["reservations"]);
    assert_eq!(changed(|board| board.timers.virtual_ = 28), ["GIC and timers"]);
    assert_eq!(changed(|board| board.devices[3].regions[0] = page), ["devices"]);
    assert_eq!(changed(|board| board.devices[3].disabled = true), ["devices"]);
    assert_eq!(changed(|board| board.devices[1].interrupts[0].intid = 99), ["devices"]);
    assert_eq!(changed(|board| _ = board.devices.pop()), ["devices"]);
}

#[test]
fn each_bit_is_summed_up() {
    for bit in 12..40 {
        let base = PhysAddr::at(1 << 40 | 1 << bit);
        let [near, far] = [PhysAddr::at(1 << 40), base].map(|base| Region::new(base, 1 << 41).unwrap());
        let longer = Region::new(near.base(), 1 << 41 | 1 << bit).unwrap();
        // Behind another bank, so that what came before may hide nothing.
        let sums = [near, far, longer].map(|bank| changed_to(|board| board.ram.push(bank)));
        assert!(sums[0] != sums[1] && sums[0] != sums[2], "bit {bit}");
    }
}

#[test]
fn what_the_loader_says_is_no_fact() {
    let moved = changed(|board| board.initrd = Region::new(PhysAddr::at(0x5000_0000), 1 << 20));
    assert!(moved.is_empty());
}
