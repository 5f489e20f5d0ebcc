//! Bundles written here and read as EL2 reads them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

mod common;

use cellwall_cli::bundle::{self, Artifact, Hash};
use cellwall_cli::inspect;
use common::{CLASH, Folder, GOOD, image};
use manifest::digest::Software;
use manifest::{Bundle, Cell, Console, Digest, Dma, Image, Kernel, Manifest, Memory};
use proptest::prelude::*;
use std::process::Command;

#[test]
fn what_the_plan_says_is_what_el2_reads() {
    let folder = Folder::new(GOOD);
    let bytes = bundle::build(&folder.plan(), Hash::Sha256).unwrap();
    let bundle = Bundle::read(&bytes, &Software).unwrap();
    assert_eq!(bundle.size, bytes.len() as u64);
    let plan = &bundle.manifest;
    assert_eq!((plan.board, plan.cells.len(), plan.poweroff_when_idle), ("qemu-virt", 2, false));
    let linux = &plan.cells[1];
    let kernel = Kernel { image: Image { name: "Image", size: 4096 }, image_size: 0x18_0000, ..Kernel::default() };
    assert_eq!((linux.name, linux.kernel), ("linux", kernel));
    assert_eq!(linux.initrd, Some(Image { name: "initrd.cpio", size: 12 }));
    assert_eq!((linux.devices.as_slice(), linux.dma), (&["/pl031@9010000"][..], Dma::None));
    assert_eq!(bundle.image("Image").unwrap().payload, image());
    for image in &bundle.images {
        assert!(image.verify(&Software), "{}", image.name);
        assert!(matches!(image.digest, Digest::Sha256(_)));
    }
}

#[test]
fn a_file_that_two_cells_name_is_stored_once() {
    let folder = Folder::new(CLASH);
    let bytes = bundle::build(&folder.plan(), Hash::Crc32).unwrap();
    assert_eq!(Bundle::read(&bytes, &Software).unwrap().images.len(), 1);
}

#[test]
fn files_of_the_same_name_stay_apart() {
    let folder = Folder::new(&GOOD.replacen("kernel = \"Image\"", "kernel = \"other/Image\"", 1));
    std::fs::create_dir(folder.file("other")).unwrap();
    let mut other = image();
    other[100] = 1;
    folder.write("other/Image", &other);
    let bytes = bundle::build(&folder.plan(), Hash::Crc32).unwrap();
    let bundle = Bundle::read(&bytes, &Software).unwrap();
    let payload = |index: usize| bundle.image(bundle.manifest.cells[index].kernel.image.name).unwrap().payload;
    assert_eq!((payload(0), payload(1)), (other.as_slice(), image().as_slice()));
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let folder = Folder::new(GOOD);
    let build = || bundle::build(&folder.plan(), Hash::Sha256).unwrap();
    assert_eq!(build(), build());
}

#[test]
fn every_file_that_cannot_be_used_is_shown_at_its_key() {
    let folder = Folder::new(&GOOD.replace("kernel = \"Image\"", "kernel = \"cells.toml\""));
    std::fs::remove_file(folder.file("initrd.cpio")).unwrap();
    let report = bundle::build(&folder.plan(), Hash::Sha256).unwrap_err();
    let lines: Vec<_> =
        report.json()["findings"].as_array().unwrap().iter().map(|f| f["place"]["line"].clone()).collect();
    assert_eq!(lines, [7, 14, 15]);
    assert!(report.problems[0].message.starts_with("cell hello: "), "{report}");
    assert!(report.problems[0].message.contains("cannot be a cell's kernel: it is raw data"), "{report}");
}

#[test]
fn u_boots_own_tool_lists_a_bundle() {
    let folder = Folder::new(GOOD);
    folder.write("cells.itb", &bundle::build(&folder.plan(), Hash::Sha256).unwrap());
    let Ok(output) = Command::new("dumpimage").arg("-l").arg(folder.file("cells.itb")).output() else {
        eprintln!("dumpimage is not installed: nothing to compare with");
        return;
    };
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    for line in [
        "Image 0 (Image)",
        "Type:         Kernel Image",
        "Hash algo:    sha256",
        "Image 1 (initrd.cpio)",
        "Configuration 1 (cell-1)",
        "Description:  linux",
        "Init Ramdisk: initrd.cpio",
        "Image 2 (plan)",
    ] {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
}

#[test]
fn inspect_says_what_is_inside_and_what_is_damaged() {
    let folder = Folder::new(GOOD);
    let mut bytes = bundle::build(&folder.plan(), Hash::Crc32).unwrap();
    let told = inspect::contents(&bytes).unwrap();
    let text = told.to_string();
    assert!(told.sound);
    for line in [
        "  board         qemu-virt",
        "  name          linux",
        "  memory        256 MiB at 0x4000_0000",
        "  on-fault      0, 0",
        "  initrd        initrd.cpio",
        "  devices       /pl031@9010000",
        "  kernel of cell linux, to 0x4000_0000",
        "  kernel of cell hello, to 0x0 past the board's RAM base",
        "  initrd of cell linux, behind the kernel",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
    }
    *bytes.last_mut().unwrap() ^= 0x80;
    let told = inspect::contents(&bytes).unwrap();
    assert!(!told.sound && !told.images[1].good && told.images[0].good);
    assert_eq!((told.images[1].name.as_str(), told.images[1].size), ("initrd.cpio", 12));
    assert_eq!(told.to_string().matches("DAMAGED").count(), 1);
}

/// Numbers that look random and are the same each time (Marsaglia's xorshift).
fn numbers() -> impl FnMut(usize) -> usize {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
    }
}

#[test]
fn ten_thousand_damaged_bundles_are_told_without_a_panic() {
    let folder = Folder::new(GOOD);
    let good = bundle::build(&folder.plan(), Hash::Crc32).unwrap();
    // The plan lies behind the tree.
    let tree = usize::try_from(Bundle::total_size(&good).unwrap()).unwrap() + 512;
    let mut number = numbers();
    let (mut refused, mut damaged) = (0, 0);
    for round in 0..10_000 {
        let mut bytes = good.clone();
        match round % 4 {
            0 => bytes.truncate(number(good.len())),
            1 => bytes[number(tree)] ^= 1 << number(8),
            // A number of the tree becomes the largest, or nearly.
            2 => {
                let at = number(tree / 4) * 4;
                bytes[at..at + 4].copy_from_slice(&(u32::MAX - u32::try_from(number(16)).unwrap()).to_be_bytes());
            }
            _ => (0..=number(8)).for_each(|_| bytes[number(good.len())] = u8::try_from(number(256)).unwrap()),
        }
        match inspect::contents(&bytes) {
            Ok(told) => damaged += usize::from(!told.sound && told.to_string().contains("DAMAGED")),
            Err(error) => {
                let sentence = format!("{error:#}");
                assert!(sentence.len() > 10 && sentence.len() < 300, "{sentence}");
                refused += 1;
            }
        }
    }
    assert!(refused > 4000 && damaged > 500, "{refused} refused, {damaged} damaged");
}

fn text() -> impl Strategy<Value = String> {
    "[ -~äß]{1,20}"
}

/// What a cell says beside its name: CPUs, runs, boot arguments, devices, DMA, console, kernel numbers, with an initrd.
type Said = (Vec<u32>, Vec<(u64, Option<u64>, bool)>, String, Vec<String>, u8, bool, (u64, u64), bool);

fn said() -> impl Strategy<Value = Said> {
    (
        proptest::collection::vec(any::<u32>(), 1..5),
        proptest::collection::vec(any::<(u64, Option<u64>, bool)>(), 1..4),
        "[ -~]{0,30}",
        proptest::collection::vec(text(), 0..4),
        0_u8..3,
        any::<bool>(),
        (any::<u64>(), 1_u64..),
        any::<bool>(),
    )
}

proptest! {
    #[test]
    fn any_plan_comes_back_as_it_was_written(
        board in text(),
        idle in any::<bool>(),
        service in any::<Option<u32>>(),
        cells in proptest::collection::vec((text(), said()), 0..4),
        kernel in proptest::collection::vec(any::<u8>(), 0..300),
        flip in any::<Option<(usize, u8)>>(),
    ) {
        let size = kernel.len() as u64;
        let artifacts = [
            Artifact { name: "Image".into(), description: "k".into(), kind: "kernel", bytes: kernel },
            Artifact { name: "cpio".into(), description: "r".into(), kind: "ramdisk", bytes: vec![7; 100] },
        ];
        let cell = |(name, (cpus, runs, bootargs, devices, dma, silent, (text_offset, image_size), initrd)): &'static (String, Said)| Cell {
            name,
            cpus: cpus.clone(),
            memory: runs.iter().map(|(size, at, identity)| Memory { size: *size, at: *at, identity: *identity }).collect(),
            kernel: Kernel { image: Image { name: "Image", size }, text_offset: *text_offset, image_size: *image_size, load: initrd.then_some(*text_offset), entry: silent.then_some(*image_size) },
            initrd: initrd.then_some(Image { name: "cpio", size: 100 }),
            dtb: silent.then_some(Image { name: "cpio", size: 100 }),
            bootargs,
            devices: devices.iter().map(String::as_str).collect(),
            dma: [Dma::Unsaid, Dma::None, Dma::Trusted][usize::from(*dma)],
            console: if *silent { Console::None } else { Console::Virtual },
            passthrough: *silent,
            restarts: cpus[0] & 0xf,
            within_ms: *cpus.last().unwrap(),
            forgiving: *initrd,
            watchdog_ms: cpus[0] & 0xffff,
            manual: *silent,
        };
        // Leaked: the strategy's values must outlive the closure above.
        let cells: &'static Vec<(String, Said)> = Box::leak(Box::new(cells));
        let manifest = Manifest {
            board: &board,
            poweroff_when_idle: idle,
            service_cpu: service,
            cells: cells.iter().map(cell).collect(),
            facts: if idle { vec![u64::from(cells.len() == 1), u64::MAX] } else { Vec::new() },
        };
        let mut bytes = bundle::write(&manifest, &artifacts, Hash::Crc32).unwrap();
        let bundle = Bundle::read(&bytes, &Software).unwrap();
        prop_assert_eq!(&bundle.manifest, &manifest);
        prop_assert!(bundle.images.iter().zip(&artifacts).all(|(read, written)| read.payload == written.bytes));
        prop_assert!(bundle.images.iter().all(|image| image.verify(&Software)));
        if let Some((at, value)) = flip {
            let at = at % bytes.len();
            bytes[at] = value;
            let _ = Bundle::read(&bytes, &Software).map(|bundle| bundle.images.iter().all(|image| image.verify(&Software)));
            prop_assert!(Bundle::read(&bytes[..at], &Software).is_err());
        }
    }
}
