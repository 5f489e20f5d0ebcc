//! What a tree offers: `cellwall board` and `cellwall init`, on QEMU's trees and on those of boards nobody here has.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    reason = "tests"
)]

mod common;

use cellwall_cli::bundle::{self, Hash};
use cellwall_cli::offer::{self, Item, Offer};
use cellwall_cli::qemu::Options;
use cellwall_cli::{plan_file, platform, second_reader, starter, verdict};
use common::{Folder, GOOD};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn cellwall(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cellwall")).args(arguments).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn stored(name: &str) -> PathBuf {
    platform::root().unwrap().join("crates/board/tests/data").join(name)
}

fn virt() -> Offer {
    offer::list(&std::fs::read(stored("qemu-virt-gicv3.dtb")).unwrap()).unwrap()
}

fn item<'o>(offer: &'o Offer, path: &str) -> &'o Item {
    offer.devices.iter().find(|item| item.path == path).unwrap()
}

#[test]
fn a_device_says_whether_a_cell_can_have_it() {
    let offer = virt();
    let clock = item(&offer, "/pl031@9010000");
    assert!(clock.refused.is_none() && clock.dma == "none" && clock.interrupts[0].intid == 34);
    assert_eq!(clock.needs[0].path, "/apb-pclk");
    let uart = item(&offer, "/pl011@9000000");
    assert_eq!((uart.refused.as_ref().unwrap().code, offer.console.as_deref()), ("E0304", Some("/pl011@9000000")));
    let slot = item(&offer, "/virtio_mmio@a000000");
    assert_eq!((slot.refused.as_ref().unwrap().code, slot.dma), ("E0307", "possible"));
    assert_eq!(slot.shares_pages_with.len(), 7);
}

#[test]
fn what_is_offered_alone_is_accepted_by_check() {
    let offer = virt();
    let free: Vec<&str> =
        offer.devices.iter().filter(|item| item.refused.is_none()).map(|item| item.path.as_str()).collect();
    assert!(free.len() >= 4, "{free:?}");
    for path in free {
        let folder = Folder::new(&GOOD.replace("/pl031@9010000", path));
        let output = cellwall(folder.path(), &["check", "cells.toml"]);
        assert_eq!(output.status.code(), Some(0), "{path}: {}", text(&output.stderr));
    }
}

#[test]
fn the_list_is_for_people_and_for_programs() {
    let folder = Folder::new(GOOD);
    let tree = stored("qemu-virt-gicv2.dtb").display().to_string();
    let output = cellwall(folder.path(), &["board", &tree]);
    let said = text(&output.stdout);
    for line in ["   0  arm,cortex-a72, affinity 0x0, psci", "GICv2, which EL2 keeps", "+ /pl031@9010000"] {
        assert!(said.lines().any(|it| it == line), "{line} is not in\n{said}");
    }
    let output = cellwall(folder.path(), &["board", &tree, "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["gic"], &json["cpus"][1]["index"]), (&2.into(), &1.into()));
}

#[test]
fn a_trees_source_serves_where_dtc_is_and_is_explained_where_it_is_not() {
    let folder = Folder::new(&GOOD.replace("qemu-virt", "board.dts"));
    let decompiled = Command::new("dtc").args(["-q", "-I", "dtb"]).arg(stored("qemu-virt-gicv3.dtb")).output().unwrap();
    folder.write("board.dts", &decompiled.stdout);
    let output = cellwall(folder.path(), &["check", "cells.toml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("cells.toml holds on board.dts: 4 CPUs"));
    let output = Command::new(env!("CARGO_BIN_EXE_cellwall"))
        .args(["check", "cells.toml"])
        .env("PATH", "")
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(text(&output.stderr).contains("install device-tree-compiler"), "{}", text(&output.stderr));
    folder.write("board.dts", b"#include <a.dtsi>\n");
    let output = cellwall(folder.path(), &["board", "board.dts"]);
    assert!(output.status.code() == Some(1) && text(&output.stderr).contains("C preprocessor"));
}

#[test]
fn a_starter_plan_holds() {
    let folder = Folder::new("");
    let image = folder.file("Image").display().to_string();
    let tree = stored("qemu-virt-smmuv3.dtb").display().to_string();
    for board in ["qemu-virt", &tree] {
        let output = cellwall(folder.path(), &["init", "--board", board, "--kernel", &image, "-o", "new.toml"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains("new.toml holds on "), "{}", text(&output.stdout));
        let kept = cellwall(folder.path(), &["init", "--board", board, "-o", "new.toml"]);
        assert!(kept.status.code() == Some(1) && text(&kept.stderr).contains("is there already"));
        std::fs::remove_file(folder.file("new.toml")).unwrap();
    }
}

/// The trees in the kernel package that `guests/linux/fetch` has downloaded: 190 boards and phones.
fn debian() -> Vec<(String, Vec<u8>)> {
    let debs = platform::root().unwrap().join("build/linux/debs");
    let mut files =
        std::fs::read_dir(&debs).expect("`./x build` fetches Debian's kernel package, which this test reads");
    let kernel = files.find_map(|file| {
        let path = file.unwrap().path();
        path.file_name()?.to_str()?.starts_with("linux-image-").then_some(path)
    });
    let folder = tempfile::tempdir().unwrap();
    let unpack = "dpkg-deb --fsys-tarfile \"$1\" | tar -x -C \"$2\" --wildcards '*.dtb'";
    let status = Command::new("sh").args(["-c", unpack, "sh"]).arg(kernel.unwrap()).arg(folder.path()).status();
    assert!(status.unwrap().success());
    let (mut folders, mut trees) = (vec![folder.path().to_path_buf()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                trees.push((path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap()));
            }
        }
    }
    trees
}

#[test]
fn every_tree_of_a_kernel_package_is_listed_or_refused_in_a_sentence() {
    let trees = debian();
    assert!(trees.len() > 100);
    let (mut listed, mut offering) = (0, 0);
    for (name, tree) in &trees {
        second_reader::agrees(&tree::Tree::parse(tree).unwrap(), tree)
            .unwrap_or_else(|error| panic!("{name}: {error:#}"));
        match offer::list(tree) {
            Ok(offer) => {
                listed += 1;
                assert!(!offer.cpus.is_empty() && offer.to_string().len() > 200, "{name}");
                offering += usize::from(offer.devices.iter().any(|item| item.refused.is_none()));
            }
            // Phones whose GIC cannot virtualise: `qcom,msm-qgic2`, and one GIC-400 without its frames.
            Err(error) => assert!(format!("{error:#}").contains("tells of no GICv2"), "{name}: {error:#}"),
        }
    }
    assert!(listed * 5 > trees.len() * 4, "{listed} of {} trees were listed", trees.len());
    assert!(offering * 20 > listed * 19, "{offering} of {listed} offer a device");
}

#[test]
fn boards_nobody_here_has_get_a_plan_that_holds() {
    let folder = Folder::new("");
    let (mut planned, mut left) = (0, Vec::new());
    for (name, tree) in debian() {
        folder.write(&name, &tree);
        let (board, plan) = (folder.file(&name), folder.file(&format!("{name}.toml")));
        let target = platform::named(board.to_str().unwrap(), &Options::default()).unwrap();
        // Most trees leave their RAM to firmware.
        if starter::write(board.to_str().unwrap(), &target, &plan, Some(&folder.file("Image"))).is_err() {
            continue;
        }
        let plan = plan_file::load(&plan).unwrap();
        let bytes = bundle::build(&plan, Hash::Crc32).unwrap();
        match verdict::judge(&plan, &bytes, &target) {
            Ok(_) => planned += 1,
            Err(error) => left.push(format!("{name}: {error:#}")),
        }
    }
    assert!(planned >= 15 && left.len() * 10 < planned, "{planned} planned, not these:\n{}", left.join("\n"));
}
