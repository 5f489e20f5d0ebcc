//! Damaged trees of real boards end in an error or in a board that holds what a board promises; never in a panic.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::pedantic,
    clippy::unwrap_used,
    reason = "a test may fail by panicking"
)]

use address::Address;
use board::{Board, BoardError, Gic};
use proptest::prelude::*;

const TREES: [&[u8]; 4] = [
    include_bytes!("data/qemu-virt-gicv2.dtb"),
    include_bytes!("data/qemu-virt-gicv3.dtb"),
    include_bytes!("data/qemu-virt-smmuv3.dtb"),
    include_bytes!("data/qemu-virt-secure.dtb"),
];

/// What every board promises, however its tree came about.
fn holds(blob: &[u8]) {
    let board = match Board::parse(blob) {
        Ok(board) => board,
        Err(error) => {
            let said = error.to_string();
            assert!(said.starts_with("the device tree") && !said.contains('\n'), "{said}");
            return;
        }
    };
    assert!(!board.cpus.is_empty() && !board.ram.is_empty());
    for (index, cpu) in board.cpus.iter().enumerate() {
        assert!(board.cpus[..index].iter().all(|other| other.mpidr != cpu.mpidr));
    }
    let timers = board.timers;
    assert!(
        [timers.secure, timers.physical, timers.virtual_, timers.hypervisor].iter().all(|ppi| (16..32).contains(ppi))
    );
    if let Gic::V3 { redistributors, .. } = &board.gic {
        assert!(!redistributors.is_empty());
    }
    for device in &board.devices {
        assert!(!device.regions.is_empty());
        assert!(device.pages().all(|region| region.base() < region.end()));
        assert!(device.interrupts.iter().all(|line| (16..1020).contains(&line.intid)));
    }
    assert!(board.stdout.is_none_or(|index| index < board.devices.len()));
    assert!(board.initrd.is_none_or(|region| region.base().get() < region.end().get()));
}

/// The places of `name` in `blob`.
fn renamed(blob: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut blob = blob.to_vec();
    let places: Vec<usize> =
        (0..blob.len() - from.len()).filter(|at| blob[*at..].starts_with(from.as_bytes())).collect();
    assert!(!places.is_empty() && from.len() == to.len());
    places.into_iter().for_each(|at| blob[at..at + to.len()].copy_from_slice(to.as_bytes()));
    blob
}

#[test]
fn what_a_board_cannot_be_without_is_named_when_it_is_missing() {
    for (from, to, missing) in [
        ("device_type", "devicextype", "CPUs"),
        ("memory\0", "xemory\0", "RAM"),
        ("arm,armv8-timer\0arm,armv7-timer", "arm,armv8-tixer\0arm,armv7-tixer", "generic timer"),
        ("arm,gic-v3\0", "arm,gic-v9\0", "GICv2 or GICv3"),
    ] {
        let error = Board::parse(&renamed(TREES[1], from, to)).unwrap_err();
        assert_eq!(error, BoardError::Missing(missing));
        assert_eq!(error.to_string(), format!("the device tree tells of no {missing}"));
    }
}

#[test]
fn a_tree_that_is_no_board_still_tells_its_uart() {
    for (from, to) in
        [("memory\0", "xemory\0"), ("arm,armv8-timer\0", "arm,armv8-tixer\0"), ("arm,gic-v3\0", "arm,gic-v9\0")]
    {
        let tree = renamed(TREES[1], from, to);
        assert_eq!(board::stdout(&tree).map(|(kind, _)| board::UARTS[kind]), Some(&b"arm,pl011"[..]));
    }
}

#[test]
fn a_malformed_property_is_named_with_its_node() {
    let error = Board::parse(&renamed(TREES[1], "#interrupt-cells", "#interruxt-cells")).unwrap_err();
    assert_eq!(error.to_string(), "the device tree's /intc@8000000 has a malformed `#interrupt-cells`");
    let error = Board::parse(&renamed(TREES[1], "smc\0", "smx\0")).unwrap_err();
    assert_eq!(error.to_string(), "the device tree's /psci has a malformed `method`");
}

#[test]
fn a_name_that_would_break_a_line_is_no_name() {
    for from in ["virtio_mmio@a000800", "intc@8000000", "pl011@9000000"] {
        for control in ['\n', '\r', '\u{1b}', '\u{1f}', '\u{1}'] {
            let error = Board::parse(&renamed(TREES[1], from, &from.replace('@', &control.to_string()))).unwrap_err();
            assert_eq!(error.to_string(), "the device tree has a name that is no text");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]
    #[test]
    fn damaged_trees_are_refused_or_still_make_a_board(
        tree in 0..TREES.len(),
        bytes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
        words in proptest::collection::vec((any::<proptest::sample::Index>(), prop_oneof![0_u32..12, 0x8000_u32..0x8010, any::<u32>()]), 0..6),
        cut in proptest::option::weighted(0.1, any::<proptest::sample::Index>()),
    ) {
        let mut blob = TREES[tree].to_vec();
        let length = blob.len();
        bytes.into_iter().for_each(|(at, byte)| blob[at.index(length)] ^= byte);
        for (at, word) in words {
            let at = at.index(length / 4) * 4;
            blob[at..at + 4].copy_from_slice(&word.to_be_bytes());
        }
        holds(&blob[..cut.map_or(length, |cut| cut.index(length))]);
    }
}
