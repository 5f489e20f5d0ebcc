//! Bundles made by hand, each wrong in one way, and mutants of a good one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use manifest::digest::{Software, crc32};
use manifest::{Bundle, BundleError, Console, Digest, Dma, Memory};
use proptest::prelude::*;
use vm_fdt::FdtWriter;

const PAYLOAD: &[u8] = b"a kernel, or so it says";

/// What a test makes wrong: properties set (or, with no value, left out) in place of the good ones.
#[derive(Default)]
struct Wrong<'w> {
    plan: &'w [(&'w str, &'w [u8])],
    cell: &'w [(&'w str, &'w [u8])],
    image: &'w [(&'w str, &'w [u8])],
    hash: &'w [(&'w str, &'w [u8])],
    extra_node: &'w str,
}

fn properties(fdt: &mut FdtWriter, good: &[(&str, &[u8])], wrong: &[(&str, &[u8])]) {
    for (name, value) in good.iter().filter(|(name, _)| wrong.iter().all(|(other, _)| other != name)) {
        fdt.property(name, value).unwrap();
    }
    for (name, value) in wrong.iter().filter(|(_, value)| *value != b"absent") {
        fdt.property(name, value).unwrap();
    }
}

fn bundle(wrong: &Wrong<'_>) -> Vec<u8> {
    let size = tree(wrong, 0).len();
    let mut bytes = tree(wrong, size as u32);
    bytes.extend_from_slice(PAYLOAD);
    bytes
}

fn tree(wrong: &Wrong<'_>, position: u32) -> Vec<u8> {
    let mut fdt = FdtWriter::new().unwrap();
    let root = fdt.begin_node("").unwrap();
    let images = fdt.begin_node("images").unwrap();
    let image = fdt.begin_node("Image").unwrap();
    let (position, size) = (position.to_be_bytes(), (PAYLOAD.len() as u32).to_be_bytes());
    properties(&mut fdt, &[("data-position", &position), ("data-size", &size)], wrong.image);
    let hash = fdt.begin_node("hash-1").unwrap();
    properties(&mut fdt, &[("algo", b"crc32\0"), ("value", &crc32(PAYLOAD).to_be_bytes())], wrong.hash);
    fdt.end_node(hash).unwrap();
    fdt.end_node(image).unwrap();
    fdt.end_node(images).unwrap();
    let plan = fdt.begin_node("cellwall").unwrap();
    let good: &[(&str, &[u8])] = &[
        ("version", &[0, 0, 0, 1]),
        ("board", b"qemu-virt\0"),
        ("when-idle", b"poweroff\0"),
        ("service-cpu", &[0, 0, 0, 3]),
        ("board-facts", &[0, 0, 0, 0, 0, 0, 0, 7, 1, 0, 0, 0, 0, 0, 0, 0]),
    ];
    properties(&mut fdt, good, wrong.plan);
    let cell = fdt.begin_node("cell-0").unwrap();
    let good: &[(&str, &[u8])] = &[
        ("name", b"linux\0"),
        ("cpus", &[0, 0, 0, 1, 0, 0, 0, 2]),
        (
            "memory",
            &[
                0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 1, // 256 MiB at 0x4000_0000
                0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, // 2 MiB, identity
            ],
        ),
        ("kernel", b"Image\0"),
        ("text-offset", &[0, 0, 0, 0, 0, 0, 0x10, 0]),
        ("image-size", &[0, 0, 0, 0, 0, 0x20, 0, 0]),
        ("load", &[0, 0, 0, 0, 0x40, 0, 0x10, 0]),
        ("entry", &[0, 0, 0, 0, 0x40, 0, 0x20, 0]),
        ("dtb", b"Image\0"),
        ("initrd", b"Image\0"),
        ("bootargs", b"quiet\0"),
        ("devices", b"/a\0/b\0"),
        ("dma", b"trusted\0"),
        ("console", b"none\0"),
        ("on-fault", &[0, 0, 0, 3, 0, 0, 0x27, 0x10]),
        ("on-violation", b"inject\0"),
        ("start", b"manual\0"),
    ];
    properties(&mut fdt, good, wrong.cell);
    fdt.end_node(cell).unwrap();
    if !wrong.extra_node.is_empty() {
        let node = fdt.begin_node(wrong.extra_node).unwrap();
        fdt.end_node(node).unwrap();
    }
    fdt.end_node(plan).unwrap();
    fdt.end_node(root).unwrap();
    fdt.finish().unwrap()
}

fn refusal(wrong: &Wrong<'_>) -> String {
    Bundle::read(&bundle(wrong)).expect_err("it was read").to_string()
}

#[test]
fn every_key_arrives_where_it_belongs() {
    let bytes = bundle(&Wrong::default());
    let bundle = Bundle::read(&bytes).unwrap();
    let plan = &bundle.manifest;
    assert_eq!((plan.board, plan.poweroff_when_idle, plan.service_cpu), ("qemu-virt", true, Some(3)));
    let cell = &plan.cells[0];
    assert_eq!((cell.name, cell.bootargs, cell.dma, cell.console), ("linux", "quiet", Dma::Trusted, Console::None));
    assert_eq!(cell.cpus, [1, 2]);
    assert_eq!(cell.devices, ["/a", "/b"]);
    let runs = [
        Memory { size: 256 << 20, at: Some(0x4000_0000), identity: false },
        Memory { size: 2 << 20, at: None, identity: true },
    ];
    assert_eq!(cell.memory, runs);
    assert_eq!((cell.restarts, cell.within_ms, cell.forgiving, cell.manual), (3, 10_000, true, true));
    let kernel = cell.kernel;
    assert_eq!((kernel.image.name, kernel.text_offset, kernel.image_size), ("Image", 0x1000, 2 << 20));
    assert_eq!((kernel.load, kernel.entry), (Some(0x4000_1000), Some(0x4000_2000)));
    assert_eq!((&*plan.facts, cell.dtb), (&[7, 1 << 56][..], Some(kernel.image)));
    assert_eq!((kernel.image.size, cell.initrd), (PAYLOAD.len() as u64, Some(kernel.image)));
    let image = bundle.image("Image").unwrap();
    assert_eq!((image.payload, image.digest), (PAYLOAD, Digest::Crc32(crc32(PAYLOAD))));
    assert!(image.verify(&Software));
    assert_eq!(bundle.size, bytes.len() as u64);
    assert!(bundle.image("image").is_none());
}

#[test]
fn bytes_behind_the_bundle_do_not_matter() {
    let mut bytes = bundle(&Wrong::default());
    let size = bytes.len() as u64;
    bytes.resize(bytes.len() + 5000, 0xa5);
    assert_eq!(Bundle::read(&bytes).unwrap().size, size);
}

#[test]
fn another_version_is_refused_before_anything_else() {
    let wrong = Wrong { plan: &[("version", &[0, 0, 0, 2]), ("colour", b"")], ..Wrong::default() };
    assert_eq!(refusal(&wrong), "the bundle is of version 2, this reads version 1");
    let wrong = Wrong { plan: &[("version", b"absent")], ..Wrong::default() };
    assert_eq!(refusal(&wrong), "the bundle lacks version in /cellwall");
}

#[test]
fn a_key_this_version_does_not_know_is_refused() {
    let wrong = Wrong { plan: &[("colour", b"red\0")], ..Wrong::default() };
    assert_eq!(refusal(&wrong), "the bundle has colour in /cellwall, which this version does not know");
    let wrong = Wrong { cell: &[("colour", b"red\0")], ..Wrong::default() };
    assert_eq!(refusal(&wrong), "the bundle has colour in /cellwall/cell-0, which this version does not know");
    let wrong = Wrong { extra_node: "channel-0", ..Wrong::default() };
    assert_eq!(refusal(&wrong), "the bundle has channel-0 in /cellwall, which this version does not know");
}

#[test]
fn a_cell_without_what_it_needs_is_refused() {
    for key in ["name", "cpus", "memory", "kernel", "image-size"] {
        let wrong = Wrong { cell: &[(key, b"absent")], ..Wrong::default() };
        assert_eq!(refusal(&wrong), format!("the bundle lacks {key} in /cellwall/cell-0"));
    }
}

#[test]
fn a_value_of_the_wrong_kind_is_refused() {
    let values: [(&str, &[u8]); 12] = [
        ("name", b"no end"),
        ("name", b"two\0names\0"),
        ("name", b"\xff\0"),
        ("cpus", &[0, 0, 1]),
        ("memory", &[0; 19]),
        ("memory", &[0xff; 20]),
        ("text-offset", &[0; 3]),
        ("bootargs", b""),
        ("devices", b"/a\0/b"),
        ("devices", b"/a\0\xff\0"),
        ("dma", b"perhaps\0"),
        ("console", b"Virtual\0"),
    ];
    for (key, value) in values {
        let wrong = Wrong { cell: &[(key, value)], ..Wrong::default() };
        assert_eq!(refusal(&wrong), format!("the bundle's {key} in /cellwall/cell-0 has no valid value"));
    }
    let wrong = Wrong { plan: &[("when-idle", b"dance\0")], ..Wrong::default() };
    assert_eq!(refusal(&wrong), "the bundle's when-idle in /cellwall has no valid value");
}

#[test]
fn a_cell_that_names_an_absent_image_is_refused() {
    let wrong = Wrong { cell: &[("initrd", b"cpio\0")], ..Wrong::default() };
    assert_eq!(refusal(&wrong), "the bundle lacks image cpio of /cellwall/cell-0");
}

#[test]
fn a_payload_outside_is_refused() {
    let wrong = Wrong { image: &[("data-position", &[0, 0, 0, 40])], ..Wrong::default() };
    assert_eq!(refusal(&wrong), "the bundle's data-position in /images/Image leads outside it");
    let wrong = Wrong { image: &[("data-position", &[0xff; 8])], ..Wrong::default() };
    assert_eq!(refusal(&wrong), "the bundle's data-position in /images/Image leads outside it");
    let wrong = Wrong { image: &[("data-size", &[0xff; 4])], ..Wrong::default() };
    assert!(matches!(Bundle::read(&bundle(&wrong)), Err(error) if matches!(*error, BundleError::Truncated { .. })));
}

#[test]
fn an_image_without_a_hash_is_refused() {
    let lacks = "the bundle lacks hash-1 of sha256 or crc32 in /images/Image";
    for hash in [("algo", &b"md5\0"[..]), ("algo", b"sha256\0"), ("value", b""), ("value", b"absent")] {
        assert_eq!(refusal(&Wrong { hash: &[hash], ..Wrong::default() }), lacks);
    }
}

#[test]
fn a_flipped_bit_in_a_payload_fails_that_image() {
    let mut bytes = bundle(&Wrong::default());
    *bytes.last_mut().unwrap() ^= 1;
    let bundle = Bundle::read(&bytes).unwrap();
    assert!(!bundle.images[0].verify(&Software));
}

#[test]
fn a_bundle_cut_anywhere_is_refused() {
    let bytes = bundle(&Wrong::default());
    for length in 0..bytes.len() {
        let error = Bundle::read(&bytes[..length]).expect_err("it was read");
        let cut = matches!(*error, BundleError::Truncated { .. }) || length < 8 && *error == BundleError::NotATree;
        assert!(cut, "{length}: {error}");
    }
}

#[test]
fn the_size_of_the_tree_is_in_its_first_eight_bytes() {
    let bytes = bundle(&Wrong::default());
    assert_eq!(Bundle::total_size(&bytes[..8]), Some((bytes.len() - PAYLOAD.len()) as u64));
    assert_eq!(Bundle::total_size(&bytes[..7]), None);
    assert_eq!(Bundle::total_size(b"not a tree"), None);
}

proptest! {
    #[test]
    fn no_mutant_panics_or_reaches_outside(flips in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..8)) {
        let mut bytes = bundle(&Wrong::default());
        for (at, value) in flips {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        match Bundle::read(&bytes) {
            Ok(bundle) => prop_assert!(bundle.size <= bytes.len() as u64),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Bundle::read(&bytes).is_err());
    }
}
