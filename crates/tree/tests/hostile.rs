//! Trees that are wrong end in an error: never in a panic, never in half a tree.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::pedantic,
    clippy::unwrap_used,
    reason = "a test may fail by panicking"
)]

use proptest::prelude::*;
use tree::{Tree, TreeError};

const QEMU: &[u8] = include_bytes!("../../board/tests/data/qemu-virt-gicv3.dtb");

/// The tree with the header's word `index` replaced.
fn with_header(index: usize, word: u32) -> Vec<u8> {
    let mut blob = QEMU.to_vec();
    blob[index * 4..index * 4 + 4].copy_from_slice(&word.to_be_bytes());
    blob
}

/// Asks everything there is to ask.
fn question(blob: &[u8]) {
    let Ok(tree) = Tree::parse(blob) else { return };
    let below = tree.nodes().map(|id| tree.children(id).count()).sum::<usize>();
    assert_eq!(below + 1, tree.nodes().len());
    for id in tree.nodes() {
        assert!(tree.children(id).all(|child| tree.parent(child) == Some(id)));
        assert!(tree.children(id).is_sorted());
        let _ = (tree.find(&tree.path(id)), tree.string(id, "compatible"), tree.u64(id, "reg"));
    }
}

#[test]
fn a_header_that_points_outside_is_refused() {
    for (index, error) in [(0, TreeError::Magic), (1, TreeError::Cut), (2, TreeError::Cut), (8, TreeError::Cut)] {
        assert_eq!(Tree::parse(&with_header(index, u32::MAX)).unwrap_err(), error, "word {index}");
    }
    assert_eq!(Tree::parse(&with_header(6, 18)).unwrap_err(), TreeError::Version);
    assert_eq!(Tree::parse(&with_header(4, u32::MAX)).unwrap_err(), TreeError::Cut);
}

#[test]
fn every_cut_is_an_error() {
    for length in 0..QEMU.len() {
        assert!(Tree::parse(&QEMU[..length]).is_err(), "{length}");
        // Cut, and the header says so: what is missing still counts.
        let mut blob = QEMU[..length].to_vec();
        if length >= 40 {
            blob[4..8].copy_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
            assert!(length > QEMU.len() - 8 || Tree::parse(&blob).is_err(), "{length}");
        }
    }
}

#[test]
fn a_property_behind_a_child_is_a_stray_token() {
    // Root, child, end of child, property.
    let mut blob = Vec::new();
    for word in
        [0xd00d_feed_u32, 104, 56, 100, 40, 17, 16, 0, 4, 44, 0, 0, 0, 0, 1, 0, 1, 0x6e00_0000, 2, 3, 0, 0, 2, 2, 9, 0]
    {
        blob.extend(word.to_be_bytes());
    }
    assert_eq!(Tree::parse(&blob).unwrap_err(), TreeError::Token(3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn damaged_trees_are_refused_or_read_without_a_panic(
        bytes in proptest::collection::vec((0..QEMU.len(), any::<u8>()), 0..8),
        words in proptest::collection::vec((0..QEMU.len() / 4, prop_oneof![0_u32..12, any::<u32>()]), 0..4),
        cut in prop_oneof![3 => Just(QEMU.len()), 1 => 0..QEMU.len()],
    ) {
        let mut blob = QEMU.to_vec();
        bytes.into_iter().for_each(|(at, byte)| blob[at] ^= byte);
        words.into_iter().for_each(|(at, word)| blob[at * 4..at * 4 + 4].copy_from_slice(&word.to_be_bytes()));
        question(&blob[..cut]);
    }

    #[test]
    fn noise_behind_a_right_header_is_refused_or_read_without_a_panic(noise in proptest::collection::vec(0_u32..12, 16..200)) {
        let mut blob = QEMU[..64].to_vec();
        noise.into_iter().for_each(|word| blob.extend(word.to_be_bytes()));
        blob.resize(QEMU.len(), 0);
        question(&blob);
    }
}
