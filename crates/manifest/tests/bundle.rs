//! Bundles made by hand, each wrong in one way, and mutants of a good one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use manifest::digest::{Hasher, Software, crc32};
use manifest::{Bundle, BundleError, Console, Digest, Dma, ImageEntry, Manifest, Memory, words};
use proptest::prelude::*;
use vm_fdt::FdtWriter;

const PAYLOAD: &[u8] = b"a kernel, or so it says";

/// Properties set (or, with no value, left out) in place of the good ones.
type Put<'w> = &'w [(&'w str, &'w [u8])];

/// What a test makes wrong: the plan, and what the nodes of the kernel and of its hash say.
struct Wrong<'w> {
    plan: Vec<u8>,
    name: &'w str,
    image: Put<'w>,
    hash: Put<'w>,
}

impl Default for Wrong<'_> {
    fn default() -> Self {
        Self { plan: plan(), name: "plan", image: &[], hash: &[] }
    }
}

/// Numbers and texts of a plan, one behind the other.
fn plan() -> Vec<u8> {
    let number = |number: u64| number.to_be_bytes().to_vec();
    let text = |text: &str| [number(text.len() as u64), text.as_bytes().to_vec()].concat();
    let numbers = |list: &[u64]| list.iter().flat_map(|one| number(*one)).collect::<Vec<u8>>();
    [
        numbers(&[2]),
        text("qemu-virt"),
        numbers(&[1, 1, 3]), // poweroff, service CPU 3
        numbers(&[1]),       // a cell
        text("linux"),
        numbers(&[2, 1, 2]),                      // CPUs
        numbers(&[2]),                            // runs
        numbers(&[256 << 20, 1, 0x4000_0000, 0]), // at an address
        numbers(&[2 << 20, 0, 1]),                // identity
        numbers(&[1, 0x1000, 2 << 20, 1, 0x4000_1000, 1, 0x4000_2000]),
        numbers(&[1, 0]), // initrd, no tree
        text("quiet"),
        numbers(&[2]),
        text("/a"),
        text("/b"),
        numbers(&[2, 2, 1, 3, 10_000, 1, 7, 1]),
        numbers(&[2, 7, 1 << 56]),
    ]
    .concat()
}

fn bundle(wrong: &Wrong<'_>) -> Vec<u8> {
    let size = tree(wrong, 0).len();
    [tree(wrong, size as u32), wrong.plan.clone(), PAYLOAD.to_vec()].concat()
}

fn properties(fdt: &mut FdtWriter, good: Put<'_>, wrong: Put<'_>) {
    for (name, value) in good.iter().filter(|(name, _)| wrong.iter().all(|(other, _)| other != name)) {
        fdt.property(name, value).unwrap();
    }
    for (name, value) in wrong.iter().filter(|(_, value)| *value != b"absent") {
        fdt.property(name, value).unwrap();
    }
}

fn tree(wrong: &Wrong<'_>, position: u32) -> Vec<u8> {
    let mut fdt = FdtWriter::new().unwrap();
    let root = fdt.begin_node("").unwrap();
    let images = fdt.begin_node("images").unwrap();
    let mut image = |name: &str, bytes: &[u8], position: u32, put: Put<'_>, hash: Put<'_>| {
        let image = fdt.begin_node(name).unwrap();
        let (position, size) = (position.to_be_bytes(), (bytes.len() as u32).to_be_bytes());
        properties(&mut fdt, &[("data-position", &position), ("data-size", &size)], put);
        let node = fdt.begin_node("hash-1").unwrap();
        properties(&mut fdt, &[("algo", b"crc32\0"), ("value", &crc32(bytes).to_be_bytes())], hash);
        fdt.end_node(node).unwrap();
        fdt.end_node(image).unwrap();
    };
    image("Image", PAYLOAD, position + wrong.plan.len() as u32, wrong.image, wrong.hash);
    image(wrong.name, &wrong.plan, position, &[], &[]);
    fdt.end_node(images).unwrap();
    fdt.end_node(root).unwrap();
    fdt.finish().unwrap()
}

fn read(bytes: &[u8]) -> Result<Bundle<'_>, BundleError<'_>> {
    Bundle::read(bytes, &Software)
}

fn refusal(wrong: &Wrong<'_>) -> String {
    read(&bundle(wrong)).expect_err("it was read").to_string()
}

/// What a plan comes to with these bytes from `at` on.
fn with(at: usize, bytes: &[u8]) -> Result<Manifest<'static>, BundleError<'static>> {
    let mut plan = plan();
    plan[at..at + bytes.len()].copy_from_slice(bytes);
    let images = [ImageEntry { name: "Image", payload: PAYLOAD, digest: Digest::Crc32(0) }];
    words::read(plan.leak(), &images)
}

#[test]
fn every_word_arrives_where_it_belongs() {
    let bytes = bundle(&Wrong::default());
    let bundle = read(&bytes).unwrap();
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
    assert_eq!((cell.watchdog_ms, cell.passthrough), (7, true));
    let kernel = cell.kernel;
    assert_eq!((kernel.image.name, kernel.text_offset, kernel.image_size), ("Image", 0x1000, 2 << 20));
    assert_eq!((kernel.load, kernel.entry), (Some(0x4000_1000), Some(0x4000_2000)));
    assert_eq!((&*plan.facts, cell.dtb), (&[7, 1 << 56][..], None));
    assert_eq!((kernel.image.size, cell.initrd), (PAYLOAD.len() as u64, Some(kernel.image)));
    let image = bundle.image("Image").unwrap();
    assert_eq!((image.payload, image.digest), (PAYLOAD, Digest::Crc32(crc32(PAYLOAD))));
    assert!(image.verify(&Software));
    assert_eq!(bundle.size, bytes.len() as u64);
    assert!(bundle.image("image").is_none() && bundle.image("plan").is_none());
}

#[test]
fn bytes_behind_the_bundle_do_not_matter() {
    let mut bytes = bundle(&Wrong::default());
    let size = bytes.len() as u64;
    bytes.resize(bytes.len() + 5000, 0xa5);
    assert_eq!(read(&bytes).unwrap().size, size);
}

#[test]
fn another_version_is_refused_before_anything_else() {
    let wrong = Wrong { plan: 3_u64.to_be_bytes().to_vec(), ..Wrong::default() };
    assert_eq!(refusal(&wrong), "the bundle is of version 3, this reads version 2");
    let wrong = Wrong { plan: vec![0; 7], ..Wrong::default() };
    assert_eq!(refusal(&wrong), "the bundle's plan is missing or damaged");
}

#[test]
fn a_plan_that_is_none_is_refused() {
    let refused = "the bundle's plan is missing or damaged";
    assert_eq!(refusal(&Wrong { name: "plans", ..Wrong::default() }), refused);
    for length in 8..plan().len() {
        let plan = plan()[..length].to_vec();
        assert_eq!(refusal(&Wrong { plan, ..Wrong::default() }), refused, "cut at {length}");
    }
    let plan = [plan(), vec![0]].concat();
    assert_eq!(refusal(&Wrong { plan, ..Wrong::default() }), refused, "something of a later version");
}

#[test]
fn a_flipped_bit_in_the_plan_is_a_damaged_plan() {
    let good = bundle(&Wrong::default());
    let start = tree(&Wrong::default(), 0).len();
    for bit in 0..plan().len() * 8 {
        let mut bytes = good.clone();
        bytes[start + bit / 8] ^= 1 << (bit % 8);
        assert_eq!(read(&bytes).unwrap_err(), BundleError::Plan);
    }
}

#[test]
fn a_value_that_means_nothing_is_refused() {
    let end = plan().len();
    assert!(with(0, &2_u64.to_be_bytes()).is_ok());
    // Of the last eight numbers of the cell, before three of facts, each but its times and its count.
    for (number, (least, most)) in [(8, (3, 9)), (7, (3, 9)), (6, (2, 2)), (3, (2, u64::MAX)), (1, (2, 256))] {
        for value in [least, most] {
            assert_eq!(with(end - (number + 3) * 8, &value.to_be_bytes()), Err(BundleError::Plan), "{number}");
        }
    }
    for number in [5, 4, 2] {
        assert_eq!(with(end - (number + 3) * 8, &(1_u64 << 32).to_be_bytes()), Err(BundleError::Plan), "a word");
    }
    let name = plan().windows(5).position(|text| text == b"linux").unwrap();
    assert_eq!(with(name, b"\xff"), Err(BundleError::Plan), "no text");
    assert_eq!(with(name - 8, &[0xff; 8]), Err(BundleError::Plan), "a text longer than memory");
    let kernel = plan().windows(8).position(|word| word == 0x1000_u64.to_be_bytes()).unwrap() - 8;
    assert_eq!(with(kernel, &2_u64.to_be_bytes()), Err(BundleError::Plan), "an image that is not there");
    let none = with(kernel, &0_u64.to_be_bytes()).unwrap().cells[0].kernel;
    assert_eq!((none.image.name, none.image.size), ("", 0), "the plan crate refuses a cell without one");
}

#[test]
fn a_payload_outside_is_refused() {
    let wrong = Wrong { image: &[("data-position", &[0xff; 8])], ..Wrong::default() };
    assert!(refusal(&wrong).starts_with("the bundle's image Image lacks data-position"));
    let wrong = Wrong { image: &[("data-size", &[0xff; 4])], ..Wrong::default() };
    assert!(matches!(read(&bundle(&wrong)), Err(BundleError::Truncated { .. })));
}

#[test]
fn an_image_without_a_place_or_a_hash_is_refused() {
    let lacks = "the bundle's image Image lacks data-position, data-size or a hash-1 of sha256 or crc32";
    for hash in [("algo", &b"md5\0"[..]), ("algo", b"sha256\0"), ("value", b""), ("value", b"absent")] {
        assert_eq!(refusal(&Wrong { hash: &[hash], ..Wrong::default() }), lacks);
    }
    for key in ["data-position", "data-size"] {
        assert_eq!(refusal(&Wrong { image: &[(key, b"absent")], ..Wrong::default() }), lacks);
    }
}

#[test]
fn a_flipped_bit_in_a_payload_fails_that_image() {
    let mut bytes = bundle(&Wrong::default());
    *bytes.last_mut().unwrap() ^= 1;
    let bundle = read(&bytes).unwrap();
    assert!(!bundle.images[0].verify(&Software));
    let wanted = Software.sha256(PAYLOAD);
    let image = |payload| ImageEntry { name: "", payload, digest: Digest::Sha256(&wanted) };
    assert!(image(PAYLOAD).verify(&Software) && !image(b"another").verify(&Software));
}

#[test]
fn another_hasher_takes_the_place_of_software() {
    struct Constant;
    impl Hasher for Constant {
        fn crc32(&self, _: &[u8]) -> u32 {
            7
        }
    }
    assert!(ImageEntry { name: "", payload: b"abc", digest: Digest::Crc32(7) }.verify(&Constant));
    assert_eq!(Bundle::read(&bundle(&Wrong::default()), &Constant).unwrap_err(), BundleError::Plan);
}

#[test]
fn a_bundle_cut_anywhere_is_refused() {
    let bytes = bundle(&Wrong::default());
    for length in 0..bytes.len() {
        let error = read(&bytes[..length]).expect_err("it was read");
        let cut = matches!(error, BundleError::Truncated { .. }) || length < 8 && error == BundleError::NotATree;
        assert!(cut, "{length}: {error}");
    }
}

#[test]
fn the_size_of_the_tree_is_in_its_first_eight_bytes() {
    let bytes = bundle(&Wrong::default());
    let size = bytes.len() - PAYLOAD.len() - plan().len();
    assert_eq!(Bundle::total_size(&bytes[..8]), Some(size as u64));
    assert_eq!(Bundle::total_size(&bytes[..7]), None);
    assert_eq!(Bundle::total_size(b"not a tree"), None);
}

proptest! {
    #[test]
    fn no_mutant_panics_or_reaches_outside(flips in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..8)) {
        let (mut bytes, mut plan) = (bundle(&Wrong::default()), plan());
        for (at, value) in flips {
            let (in_bundle, in_plan) = (at % bytes.len(), at % plan.len());
            (bytes[in_bundle], plan[in_plan]) = (value, value);
        }
        match read(&bytes) {
            Ok(bundle) => prop_assert!(bundle.size <= bytes.len() as u64),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
        // Past its hash.
        let _ = words::read(&plan, &[]);
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(read(&bytes).is_err() && words::read(&bytes, &[]).is_err());
    }
}
