//! What a plan brings along or leaves to its board, carried out by EL2: raw kernels, ELF files, trees, overlays, the rest.

use crate::small::{cell, cell_of, ending};
use crate::{machine, on_each};
use libtest_mimic::Trial;
use scenes::stage::{Machine, Start, log_file, root};
use scenes::{Failure, Scene};
use std::fs;

/// Where the raw guests go: not where an `Image` would.
const LOAD: u64 = 0x4030_0000;
/// What lies before the guest's first instruction there.
const PAGE: usize = 4096;

pub fn trials() -> Vec<Trial> {
    let scenes = |build: fn(u32) -> Scene, file| on_each(build).into_iter().map(move |scene| trial(scene, file));
    let made = scenes(raw_kernel, |_| raw())
        .chain(scenes(elf_kernel, |_| elf()))
        .chain(scenes(tree_brought_along, |gic| Ok(tree(gic))));
    let made = made.chain(scenes(damaged_tree, |gic| Ok(tree(gic)))).chain(scenes(overlay, |_| Ok(OVERLAY.into())));
    made.chain(scenes(rest_of_devices, |_| Ok(Vec::new()))).chain(scenes(rest_of_memory, |_| Ok(Vec::new()))).collect()
}

/// What makes a file for a board with that GIC.
type Make = fn(u32) -> Result<Vec<u8>, Failure>;

/// A scene whose plan names a file, `{file}` with what follows as its ending, that is made first.
fn trial(scene: Scene, file: Make) -> Trial {
    Trial::test(scene.name.clone(), move || {
        let gic = if scene.name.ends_with('2') { 2 } else { 3 };
        let path = log_file(&scene.name)?.with_extension("file");
        let mut scene = Scene { name: scene.name.clone(), start: scene.start.clone(), script: scene.script.clone() };
        if let Start::Plan { text, .. } = &mut scene.start {
            *text = text.replace("{file}", &path.display().to_string());
        }
        for ending in ["file", "file.dts", "file.dtso"] {
            fs::write(path.with_extension(ending), file(gic)?)?;
        }
        Ok(scene.play()?)
    })
}

/// The hello guest behind a page of what is no instruction.
fn raw() -> Result<Vec<u8>, Failure> {
    Ok([vec![0; PAGE], fs::read(root().join("build/guests/hello.bin"))?].concat())
}

/// The same as an ELF file of one segment, with room behind.
fn elf() -> Result<Vec<u8>, Failure> {
    let (raw, entry) = (raw()?, LOAD.saturating_add(PAGE as u64));
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    file.extend([2_u16, 183].map(u16::to_le_bytes).as_flattened());
    file.extend(1_u32.to_le_bytes());
    file.extend([entry, 64, 0].map(u64::to_le_bytes).as_flattened());
    file.extend(0_u32.to_le_bytes());
    file.extend([64_u16, 56, 1, 64, 0, 0].map(u16::to_le_bytes).as_flattened());
    file.extend([1_u32, 7].map(u32::to_le_bytes).as_flattened());
    let size = raw.len() as u64;
    file.extend([120, LOAD, LOAD, size, size.saturating_add(0x10_0000), 4096].map(u64::to_le_bytes).as_flattened());
    file.extend(raw);
    Ok(file)
}

fn kernel(name: &str, keys: &str, gic: u32) -> Scene {
    let cell = cell("hello", "[0]", "").replace("{hello}", "{file}") + keys;
    Scene::new(name, Start::plan(&ending(&[cell]), machine(gic, 2)))
        .expect([r"^\[hello\] hello from cell, vcpu 0, EL1"])
        .expect([r"^\[hello\] hello: done"])
        .ends()
}

fn raw_kernel(gic: u32) -> Scene {
    kernel("raw_kernel_goes_where_the_plan_says", "load = 0x4030_0000\nentry = 0x4030_1000\n", gic)
}

fn elf_kernel(gic: u32) -> Scene {
    kernel("elf_kernel_goes_where_it_says", "", gic)
}

/// Half of the memory and one of the CPUs the cell has, on either GIC: the guest believes its tree.
const TREE: &str = r#"/dts-v1/;
/ {
    #address-cells = <2>; #size-cells = <2>; interrupt-parent = <1>; compatible = "made,by-hand";
    chosen { stdout-path = "/serial@9000000"; };
    cpus {
        #address-cells = <1>; #size-cells = <0>;
        cpu@0 { device_type = "cpu"; compatible = "arm,armv8"; reg = <0>; enable-method = "psci"; };
    };
    psci { compatible = "arm,psci-1.0"; method = "hvc"; };
    memory@40000000 { device_type = "memory"; reg = <0 0x40000000 0 0x800000>; };
    intc@8000000 {
        compatible = GIC; interrupt-controller; #interrupt-cells = <3>; phandle = <1>;
    };
    timer { compatible = "arm,armv8-timer"; interrupts = <1 13 0x104>, <1 14 0x104>, <1 11 0x104>, <1 10 0x104>; };
    serial@9000000 { compatible = "arm,pl011", "arm,primecell"; reg = <0 0x9000000 0 0x1000>; interrupts = <0 1 4>; };
};
"#;

fn tree(gic: u32) -> Vec<u8> {
    let frames = if gic == 2 {
        r#""arm,cortex-a15-gic"; reg = <0 0x8000000 0 0x10000>, <0 0x8010000 0 0x10000>"#
    } else {
        r#""arm,gic-v3"; reg = <0 0x8000000 0 0x10000>, <0 0x80a0000 0 0x40000>"#
    };
    TREE.replace("GIC", frames).into()
}

fn with_tree(name: &str) -> (String, String) {
    (name.to_owned(), cell("hello", "[0, 1]", "") + "dtb = \"{file}.dts\"\n")
}

fn tree_brought_along(gic: u32) -> Scene {
    let (name, cell) = with_tree("tree_brought_along_is_what_the_cell_sees");
    Scene::new(name, Start::plan(&ending(&[cell]), machine(gic, 2)))
        .expect([r"^\[hello\] hello from cell, vcpu 0, EL1, .* memory 0x40000000\+0x800000, 1 cpus"])
        .expect([r"^\[hello\] hello: done"])
        .ends()
}

/// The bundle's tree has a hash as any image.
fn damaged_tree(gic: u32) -> Scene {
    let (name, damaged) = with_tree("flipped_tree_byte_refuses_that_cell_only");
    let other = cell_of("other", "hello", "[2]", "");
    let flip = |bundle: &mut Vec<u8>| crate::boot::flip(bundle, b"made,by-hand");
    Scene::new(name, Start::tampered(&ending(&[damaged, other]), machine(gic, 4), flip))
        .expect([
            r#"event=cell-refused cell=hello reason="the device tree's hash does not match"#,
            r"^\[other\] hello: done",
        ])
        .forbid([r"^\[hello\] hello from"])
}

/// Boot arguments that the plan does not say.
const OVERLAY: &str = r#"/dts-v1/; /plugin/;
/ { fragment@0 { target-path = "/chosen"; __overlay__ { bootargs = "echo"; }; }; };
"#;

fn overlay(gic: u32) -> Scene {
    let cell = cell("hello", "[0]", "") + "overlay = \"{file}.dtso\"\n";
    Scene::new("overlay_is_merged_into_what_the_cell_sees", Start::plan(&ending(&[cell]), machine(gic, 2)))
        .expect([r"^\[hello\] hello: echoing"])
        .send("abc\r")
        .expect([r"^\[hello\] abc"])
}

fn rest_of_devices(gic: u32) -> Scene {
    let owner = cell("hello", "[0]", "stay") + "devices = \"rest\"\n";
    let thief = cell("attacker", "[1]", "attempt=clock address=0x09010000");
    Scene::new("rest_of_the_devices_is_one_cells", Start::plan(&ending(&[owner, thief]), machine(gic, 2)))
        .expect([r"^\[hello\] hello: done"])
        .expect([
            r#"event=cell-stopped cell=attacker reason="read of 0x0901_0000, owned by cell hello \(/pl031@9010000\)"#,
        ])
}

fn rest_of_memory(gic: u32) -> Scene {
    let cells = [cell("hello", "[0]", "").replace("\"16M\"", "\"rest\""), cell_of("other", "hello", "[1]", "")];
    let machine = Machine { memory_mib: Some(512), ..machine(gic, 2) };
    Scene::new("rest_of_memory_is_one_cells", Start::plan(&ending(&cells), machine))
        .expect([
            r"^\[hello\] hello from cell, .* memory 0x40000000\+0x1[0-9a-f]{7}, 1 cpus",
            r"^\[other\] hello: done",
        ])
        .ends()
}
