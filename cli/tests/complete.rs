//! What a plan leaves to its board: the rest of devices and memory, trees brought along.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use cellwall_cli::plan_file::PlanFile;
use cellwall_cli::{bundle, complete, dom::Dom, platform, qemu, verdict};
use common::{Folder, GOOD};
use manifest::Bundle;
use manifest::digest::Software;
use std::process::Command;

/// Completes the plan of a folder for its own board and judges it.
fn completed(folder: &Folder) -> Result<(PlanFile, Vec<u8>, String), String> {
    let plan = folder.plan();
    let target = platform::target(&plan, None, &qemu::Options::default()).unwrap();
    let plan = complete::complete(plan, &target).map_err(|report| report.to_string())?;
    let bytes = bundle::build(&plan, bundle::Hash::Crc32).map_err(|report| report.to_string())?;
    let verdict = verdict::judge(&plan, &bytes, &target).map_err(|error| format!("{error:#}"))?;
    Ok((plan, bytes, verdict.summary + &verdict.report.to_string()))
}

/// The good plan, with these lines for its second cell.
fn plan(lines: &str) -> Folder {
    Folder::new(&GOOD.replace("devices = [\"/pl031@9010000\"]\ndma = \"none\"\n", lines))
}

#[test]
fn the_rest_of_the_devices_is_what_nobody_names_and_nobody_need_fear() {
    let (plan, bytes, told) = completed(&plan("devices = \"rest\"\n")).unwrap();
    for path in ["/pl031@9010000", "/pl061@9030000", "/flash@0"] {
        assert!(
            plan.cells[1].devices.iter().any(|device| device == path),
            "{path} is not in {:?}",
            plan.cells[1].devices
        );
    }
    for path in ["/pl011@9000000", "/virtio_mmio@a000000", "/pcie@10000000"] {
        assert!(!plan.cells[1].devices.iter().any(|device| device == path), "{path}");
    }
    assert!(told.contains("which may master DMA, of which dma says nothing: "), "{told}");
    assert!(told.contains("/virtio_mmio@a000000"), "{told}");
    let bundle = Bundle::read(&bytes, &Software).unwrap();
    assert_eq!(bundle.manifest.cells[1].devices, plan.cells[1].devices, "EL2 is told each by name");
}

#[test]
fn the_rest_leaves_alone_what_other_cells_name() {
    let mut text =
        GOOD.replace("devices = [\"/pl031@9010000\"]\ndma = \"none\"\n", "devices = \"rest\"\ndma = \"none\"\n");
    // One slot of eight on a page: the other seven cannot be had without it.
    text = text.replace("bootargs = \"console=ttyAMA0\"\n", "devices = [\"/pl031@9010000\"]\n");
    let (plan, _, told) = completed(&Folder::new(&text)).unwrap();
    let has = |path: &str| plan.cells[1].devices.iter().any(|device| device == path);
    assert!(!has("/pl031@9010000") && has("/pl061@9030000") && has("/virtio_mmio@a000000"), "{told}");
    assert!(told.contains("E0315"), "the word is on record: {told}");
}

#[test]
fn the_rest_of_memory_is_the_largest_piece_that_fits() {
    let text = GOOD.replace("memory = [{ size = \"256M\", at = 0x4000_0000 }]", "memory = \"rest\"");
    let (plan, _, told) = completed(&Folder::new(&text)).unwrap();
    let size = plan.cells[1].memory[0].size;
    // Of 2 GiB, less what lies below the bundle at 128 MiB, the bundle and the tree behind it.
    assert!(size > 1900 << 20 && size < 1930 << 20 && size.is_multiple_of(2 << 20), "{size:#x}\n{told}");
    let one_more = text.replace("\"rest\"", &format!("{}", size + (2 << 20)));
    assert!(completed(&Folder::new(&one_more)).unwrap_err().contains("E0210"));
}

/// Compiles a tree's source.
fn dtc(source: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tree.dts");
    std::fs::write(&file, source).unwrap();
    let output = Command::new("dtc").args(["-q", "-@", "-I", "dts", "-O", "dtb"]).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

const TREE: &str = r#"/dts-v1/;
/ {
    #address-cells = <2>; #size-cells = <2>; interrupt-parent = <1>; model = "by hand";
    chosen { stdout-path = "/serial@9000000"; };
    cpus {
        #address-cells = <1>; #size-cells = <0>;
        cpu@0 { device_type = "cpu"; compatible = "arm,armv8"; reg = <0>; enable-method = "psci"; };
        cpu@1 { device_type = "cpu"; compatible = "arm,armv8"; reg = <1>; enable-method = "psci"; };
    };
    psci { compatible = "arm,psci-1.0"; method = "hvc"; };
    memory@40000000 { device_type = "memory"; reg = <0 0x40000000 0 0x10000000>; };
    intc@8000000 {
        compatible = "arm,gic-v3"; reg = <0 0x8000000 0 0x10000>, <0 0x80a0000 0 0x40000>;
        interrupt-controller; #interrupt-cells = <3>; phandle = <1>;
    };
    timer { compatible = "arm,armv8-timer"; interrupts = <1 13 4>, <1 14 4>, <1 11 4>, <1 10 4>; };
    serial@9000000 { compatible = "arm,pl011"; reg = <0 0x9000000 0 0x1000>; interrupts = <0 1 4>; };
    rtc@9010000 { compatible = "arm,pl031"; reg = <0 0x9010000 0 0x1000>; interrupts = <0 2 4>; };
};
"#;

fn with_tree(source: &str) -> Folder {
    let folder = plan("devices = [\"/pl031@9010000\"]\ndtb = \"my.dtb\"\nbootargs = \"quiet\"\n");
    folder.write("my.dtb", &dtc(source));
    folder
}

#[test]
fn a_tree_brought_along_is_finished_with_what_the_plan_says() {
    let (_, bytes, _) = completed(&with_tree(TREE)).unwrap();
    let bundle = Bundle::read(&bytes, &Software).unwrap();
    let image = bundle.image(bundle.manifest.cells[1].dtb.unwrap().name).unwrap();
    let mut dom = Dom::parse(image.payload).unwrap();
    assert_eq!(dom.root.property("model"), Some(&b"by hand\0"[..]));
    let chosen = dom.root.find("/chosen").unwrap();
    assert_eq!(chosen.property("bootargs"), Some(&b"quiet\0"[..]));
    // Behind the kernel's 0x18_0000 bytes, 2 MiB aligned.
    assert_eq!(chosen.property("linux,initrd-start"), Some(&0x4020_0000_u64.to_be_bytes()[..]));
    assert_eq!(chosen.property("linux,initrd-end"), Some(&0x4020_000c_u64.to_be_bytes()[..]));
    assert_eq!(bundle.manifest.cells[0].dtb, None);
}

#[test]
fn a_tree_that_tells_of_what_the_cell_has_not_is_refused() {
    for (right, wrong, said) in [
        ("<0 0x40000000 0 0x10000000>", "<0 0x40000000 0 0x10001000>", "tells of RAM at 0x4000_0000..=0x5000_0fff"),
        ("reg = <1>;", "reg = <2>;", "tells of a CPU whose reg is 0x2; the cell's 2 are numbered from 0"),
        ("psci { compatible = \"arm,psci-1.0\"; method = \"hvc\"; };", "", "no psci node"),
        ("<0 0x80a0000 0 0x40000>", "<0 0x80c0000 0 0x40000>", "tells of another GIC than the cell's"),
        ("<1 11 4>", "<1 12 4>", "tells of other timer interrupts"),
        ("<0 0x9010000 0 0x1000>", "<0 0x9030000 0 0x1000>", "/rtc@9010000 at 0x0903_0000..=0x0903_0fff, which is not"),
        ("<0 2 4>", "<0 7 4>", "gives /rtc@9010000 interrupt 39, which is not the cell's"),
        ("compatible = \"arm,gic-v3\"", "compatible = \"arm,gic-v9\"", "the device tree tells of no GIC"),
    ] {
        assert!(TREE.contains(right), "{right}");
        let told = completed(&with_tree(&TREE.replacen(right, wrong, 1))).unwrap_err();
        assert!(told.contains("cell linux: ") && told.contains(said), "{said} is not in\n{told}");
        assert!(told.contains("dtb = \"my.dtb\""), "{told}");
    }
}

#[test]
fn a_device_that_is_disabled_may_stand_in_a_tree() {
    let other =
        "other@9030000 { compatible = \"arm,pl061\"; reg = <0 0x9030000 0 0x1000>; status = \"disabled\"; };\n};\n";
    let tree = TREE.trim_end().strip_suffix("};").unwrap().to_owned() + other;
    completed(&with_tree(&tree)).unwrap();
    assert!(completed(&with_tree(&tree.replace("disabled", "okay"))).unwrap_err().contains("status = \"disabled\""));
}

#[test]
fn an_overlay_is_merged_into_the_generated_tree() {
    let folder = plan("devices = [\"/pl031@9010000\"]\noverlay = \"extra.dtso\"\n");
    folder.write(
        "extra.dtso",
        b"/dts-v1/; /plugin/;\n/ { fragment@0 { target-path = \"/pl031@9010000\"; __overlay__ { extra = \"here\"; }; };\n\
          fragment@1 { target-path = \"/chosen\"; __overlay__ { more = <7>; }; }; };\n",
    );
    let (_, bytes, _) = completed(&folder).unwrap();
    let bundle = Bundle::read(&bytes, &Software).unwrap();
    let tree = bundle.image(bundle.manifest.cells[1].dtb.unwrap().name).unwrap().payload;
    let mut dom = Dom::parse(tree).unwrap();
    assert_eq!(dom.root.find("/pl031@9010000").unwrap().property("extra"), Some(&b"here\0"[..]));
    assert_eq!(dom.root.find("/chosen").unwrap().property("more"), Some(&[0, 0, 0, 7][..]));
    assert!(dom.root.find("/chosen").unwrap().property("linux,initrd-start").is_some());
    folder.write("extra.dtso", b"/dts-v1/; /plugin/;\n&nothing { extra; };\n");
    assert!(completed(&folder).unwrap_err().contains("extra.dtso: fdtoverlay failed"));
}

#[test]
fn an_overlay_may_use_the_boards_labels() {
    let folder = plan("devices = [\"rtc\"]\noverlay = \"extra.dtso\"\n");
    let dump = platform::target(&folder.plan(), None, &qemu::Options::default()).unwrap().tree;
    let mut board = Dom::parse(&dump).unwrap();
    board.root.child("__symbols__").set("rtc", *b"/pl031@9010000\0");
    folder.write("board.dtb", &board.write());
    let text = std::fs::read_to_string(folder.file("cells.toml")).unwrap();
    folder.write("cells.toml", text.replace("\"qemu-virt\"", "\"board.dtb\"").as_bytes());
    folder.write("extra.dtso", b"/dts-v1/; /plugin/;\n&rtc { extra; };\n");
    let (plan, ..) = completed(&folder).unwrap();
    let mut dom = Dom::parse(plan.cells[1].tree.as_ref().unwrap()).unwrap();
    assert!(dom.root.find("/pl031@9010000").unwrap().property("extra").is_some());
    assert!(dom.root.find("/__symbols__").is_none());
}

#[test]
fn what_depends_on_the_board_is_not_packed_without_one() {
    for lines in ["devices = \"rest\"\n", "overlay = \"extra.dtso\"\n"] {
        let report = bundle::build(&plan(lines).plan(), bundle::Hash::Crc32).unwrap_err().to_string();
        assert!(report.contains("depends on the board"), "{report}");
    }
}
