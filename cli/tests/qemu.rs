//! QEMU: its command line, and whether it does what `platform.toml` says it does. These tests need QEMU.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

mod common;

use address::{Address as _, PhysAddr, Region};
use board::{Board, Gic};
use cellwall_cli::platform::{self, Platform};
use cellwall_cli::qemu::{self, Options};
use common::{Folder, GOOD, image};
use std::process::{Command, Stdio};
use std::time::Duration;

fn virt() -> Platform {
    Platform::load(&platform::root().unwrap(), "qemu-virt").unwrap()
}

fn line(options: &Options) -> String {
    let command = qemu::command(&virt(), options, "el2.bin".as_ref(), "cells.itb".as_ref()).unwrap();
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    words.join(" ")
}

#[test]
fn the_platform_gives_what_nobody_chose() {
    let line = line(&Options::default());
    assert!(
        line.starts_with("-M virt,virtualization=on,gic-version=3,dtb-randomness=off -cpu cortex-a72 -smp 4 -m 2G ")
    );
    assert!(
        line.ends_with(" -chardev stdio,id=uart,signal=off -serial chardev:uart -kernel el2.bin -initrd cells.itb")
    );
}

#[test]
fn choices_become_arguments() {
    let options = Options {
        icount: true,
        gic: Some(2),
        cpu: Some("cortex-a53".into()),
        smp: Some(2),
        memory: Some("1G".into()),
        drives: vec!["disk,1.img".into(), "b.img".into()],
        terminal: true,
        extra: vec!["-d".into(), "int".into()],
    };
    let line = line(&options);
    for part in [
        "gic-version=2,",
        "-cpu cortex-a53 -smp 2 -m 1G ",
        "-icount shift=0,sleep=off -rtc base=2025-01-01,clock=vm -accel tcg,thread=single ",
        "-drive if=none,format=raw,id=d0,file=disk,,1.img -device virtio-blk-device,drive=d0 ",
        "file=b.img -device virtio-blk-device,drive=d1 ",
        "-chardev stdio,id=uart,signal=off,mux=on ",
        "-mon chardev=uart,mode=readline ",
    ] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    assert!(line.ends_with(" -d int"));
}

#[test]
fn the_tree_is_that_of_the_exact_options() {
    for (gic, smp) in [(2, 2), (3, 5)] {
        let options = Options { gic: Some(gic), smp: Some(smp), memory: Some("1G".into()), ..Options::default() };
        let tree = qemu::dump_tree(&virt(), &options).unwrap();
        let board = Board::parse(&tree).unwrap();
        assert_eq!(board.cpus.len(), smp as usize);
        assert_eq!(board.ram, [Region::new(PhysAddr::at(0x4000_0000), 1 << 30).unwrap()]);
        assert_eq!(matches!(board.gic, Gic::V2 { .. }), gic == 2);
    }
    let options = Options { cpu: Some("z80".into()), ..Options::default() };
    let said = qemu::dump_tree(&virt(), &options).unwrap_err().to_string();
    assert!(said.starts_with("qemu-system-aarch64 refuses these options: ") && said.contains("z80"), "{said}");
}

/// `info roms` tells where QEMU's loader put what.
#[test]
fn image_bundle_and_tree_lie_where_the_platform_says() {
    let folder = Folder::new(GOOD);
    for (memory, bundle_bytes) in [("64M", 5000_u64), ("200M", 3 << 20), ("2G", 2 << 20), ("3G", 40 << 20)] {
        folder.write("bundle", &vec![0; usize::try_from(bundle_bytes).unwrap()]);
        let options = Options { memory: Some(memory.into()), ..Options::default() };
        let tree = qemu::dump_tree(&virt(), &options).unwrap();
        let bank = Board::parse(&tree).unwrap().ram[0];
        let footprint = virt().placement.footprint(bank, bundle_bytes, tree.len() as u64).unwrap();

        let options = Options { terminal: true, extra: vec!["-S".into()], ..options };
        let mut command = qemu::command(&virt(), &options, &folder.file("Image"), &folder.file("bundle")).unwrap();
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // Ctrl-A c leads from the board's UART to QEMU's monitor.
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"\x01cinfo roms\nquit\n").unwrap();
        qemu::wait(&mut child, Some(Duration::from_mins(1))).unwrap();
        let said = String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout).into_owned();
        for (name, region) in [("Image", footprint.image), ("bundle", footprint.bundle), ("dtb", footprint.tree)] {
            let name =
                format!("\"{}\"", if name == "dtb" { name.into() } else { folder.file(name).display().to_string() });
            let seen = said.lines().find(|line| line.trim_end().ends_with(&name));
            let seen = seen.unwrap_or_else(|| panic!("{name} is not in {said}"));
            let start = format!("addr={:016x} ", region.base().get());
            assert!(seen.contains(&start), "{memory}: {start} is not in {seen}");
            if !name.contains("Image") {
                let size = format!("size=0x{:06x} ", region.size());
                assert!(seen.contains(&size), "{memory}: {size} is not in {seen}");
            }
        }
    }
}

#[test]
fn what_does_not_fit_has_no_footprint() {
    let placement = virt().placement;
    let bank = Region::new(PhysAddr::at(0x4000_0000), 64 << 20).unwrap();
    assert!(placement.footprint(bank, 30 << 20, 1 << 20).is_some());
    assert!(placement.footprint(bank, 31 << 20, 1 << 20).is_none());
    let tiny = Region::new(PhysAddr::at(0x4000_0000), 4 << 20).unwrap();
    assert!(placement.footprint(tiny, 4096, 4096).is_none());
}

#[test]
fn a_run_ends_when_its_seconds_are_over() {
    let folder = Folder::new(GOOD);
    folder.write("el2.bin", &image());
    let output = Command::new(env!("CARGO_BIN_EXE_cellwall"))
        .args(["run", "cells.toml", "--image", "el2.bin", "--seconds", "1", "--icount"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "cellwall: ended after 1 seconds\n");
    assert_eq!(output.status.code(), Some(0));
}
