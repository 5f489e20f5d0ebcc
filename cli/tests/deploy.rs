//! The card of `cellwall deploy`: its partition, its files, where the proof thinks the firmware puts things.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

use address::{PhysAddr, Region};
use cellwall_cli::deploy::{self, Deploy};
use cellwall_cli::platform::{self, Platform};
use fatfs::{FileSystem, FsOptions};
use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

fn rpi4() -> Platform {
    Platform::load(&platform::root().unwrap(), "rpi4").unwrap()
}

#[test]
fn a_card_holds_its_files_in_one_fat32_partition_by_address() {
    let long = "a-name-longer-than-eight.and.three";
    let files = BTreeMap::from([
        (long.to_owned(), vec![7; 100_000]),
        ("extlinux/extlinux.conf".to_owned(), b"DEFAULT x\n".to_vec()),
    ]);
    let card = deploy::card(&files).unwrap();
    assert!(card.len().is_power_of_two(), "QEMU takes no other card");
    assert_eq!(card[510..512], [0x55, 0xaa]);
    assert_eq!((card[446], card[450]), (0x80, 0x0c));
    let word = |at: usize| u32::from_le_bytes(card[at..at + 4].try_into().unwrap()) as usize;
    let (first, sectors) = (word(454), word(458));
    assert_eq!((first + sectors) * 512, card.len());
    let volume = FileSystem::new(Cursor::new(card[first * 512..].to_vec()), FsOptions::new()).unwrap();
    assert_eq!(volume.fat_type(), fatfs::FatType::Fat32);
    for (name, bytes) in &files {
        let mut read = Vec::new();
        volume.root_dir().open_file(name).unwrap().read_to_end(&mut read).unwrap();
        assert_eq!(read, *bytes, "{name}");
    }
    assert_eq!(card, deploy::card(&files).unwrap(), "the same files make the same card");
}

#[test]
fn the_image_on_a_card_is_as_long_as_in_memory() {
    let mut image = vec![0; 4096];
    image[16..24].copy_from_slice(&0x14_0000_u64.to_le_bytes());
    image[24] = 0xa;
    image[56..60].copy_from_slice(b"ARM\x64");
    assert_eq!(deploy::whole(&image).unwrap().len(), 0x14_0000);
    assert!(deploy::whole(b"no image").is_err());
}

#[test]
fn the_firmware_puts_tree_and_bundle_below_its_top() {
    let placement = Deploy::of(&rpi4(), None).unwrap().placement;
    let ram = |size| Region::new(PhysAddr::at(0), size).unwrap();
    let found = placement.footprint(ram(948 << 20), 30 << 20, 0x7000).unwrap();
    assert_eq!(found.image.base(), PhysAddr::at(2 << 20));
    assert_eq!((found.tree.base(), found.tree.end()), (PhysAddr::at(751 << 20), PhysAddr::at(752 << 20)));
    assert_eq!(found.bundle.end(), found.tree.base());
    assert!(found.bundle.size() >= 30 << 20);
    assert!(placement.footprint(ram(948 << 20), 749 << 20, 0x7000).is_none(), "over the image");
    assert!(placement.footprint(ram(512 << 20), 1 << 20, 0x7000).is_none(), "past the end of RAM");
}

#[test]
fn a_variant_adds_files_and_overlays_and_an_unknown_one_is_refused_by_name() {
    let (plain, pl011) = (Deploy::of(&rpi4(), None).unwrap(), Deploy::of(&rpi4(), Some("pl011")).unwrap());
    assert!(!plain.files.contains_key("bl31.bin") && pl011.files.contains_key("bl31.bin"));
    assert_ne!(plain.files["config.txt"], pl011.files["config.txt"]);
    assert_eq!(pl011.overlays.len(), plain.overlays.len() + 1);
    let said = format!("{:#}", Deploy::of(&rpi4(), Some("p1011")).unwrap_err());
    assert_eq!(said, "there is no variant \"p1011\"; the board has pl011");
}

#[test]
fn the_firmware_is_told_of_64_bits_the_headers_pins_image_and_bundle() {
    for (variant, more) in
        [(None, "gpio=14-15=a5"), (Some("pl011"), "gpio=14-15=a0"), (Some("pl011"), "armstub=bl31.bin")]
    {
        let deploy = Deploy::of(&rpi4(), variant).unwrap();
        let config = std::fs::read_to_string(platform::root().unwrap().join(&deploy.files["config.txt"])).unwrap();
        let kernel = format!("kernel={}", deploy.image);
        // No `=` in this one.
        let initramfs = format!("initramfs {} followkernel", deploy.bundle);
        for line in ["arm_64bit=1", "enable_uart=1", "upstream_kernel=1", &kernel, &initramfs, more] {
            assert!(config.lines().any(|found| found == line), "{variant:?}: {line}");
        }
    }
}

#[test]
fn every_line_of_a_config_is_explained() {
    let told = std::fs::read_to_string(platform::root().unwrap().join("docs/deploy.md")).unwrap();
    for variant in [None, Some("pl011")] {
        let deploy = Deploy::of(&rpi4(), variant).unwrap();
        let config = std::fs::read_to_string(platform::root().unwrap().join(&deploy.files["config.txt"])).unwrap();
        for line in config.lines().filter(|line| !line.starts_with('#')) {
            assert!(told.contains(&format!("`{}", line.split('=').next().unwrap())), "{line}");
        }
    }
}
