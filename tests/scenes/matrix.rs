//! The range of boards: CPU models, numbers of CPUs, sizes of RAM and of pages. What `docs/cpus.md` tells.
//!
//! A few quick scenes are routine; all of it runs with `SCENES_FULL` set: `./x test --full matrix`.

use crate::small::{cell, cell_of, ending};
use crate::{machine, on_each};
use libtest_mimic::Trial;
use scenes::stage::{Machine, Start, log_file, root};
use scenes::{Failure, Scene, Step};
use std::process::Command;

/// A CPU model and what the guest `granule` must say of it.
struct Model {
    name: &'static str,
    /// Whether it has pages of 16 KiB.
    has_16k: bool,
    /// The features it shows, in the guest's order.
    shows: &'static [&'static str],
}

const V8_0: &[&str] = &["fp", "pmu 6 counters", "debug"];
const V8_2: &[&str] = &["fp", "lse", "pmu 6 counters", "ras", "lor", "debug"];
const MODELS: [Model; 6] = [
    Model { name: "cortex-a53", has_16k: false, shows: V8_0 },
    Model { name: "cortex-a57", has_16k: false, shows: V8_0 },
    Model { name: "cortex-a72", has_16k: false, shows: V8_0 },
    Model { name: "cortex-a76", has_16k: true, shows: V8_2 },
    Model { name: "neoverse-n1", has_16k: true, shows: V8_2 },
    Model {
        name: "max",
        has_16k: true,
        // Of what newer versions of QEMU add to it nothing is asked here; nothing may fail either.
        shows: &[
            "fp",
            "lse",
            "rndr",
            "pauth",
            r"sve \d+ bits",
            r"sme \d+ bits",
            "mops",
            "mte",
            "pmu 6 counters",
            "csv2_2",
            "ras",
            "lor",
            "ecv",
            "debug",
        ],
    },
];

pub fn is_full() -> bool {
    std::env::var_os("SCENES_FULL").is_some_and(|value| !value.is_empty())
}

/// What is routine, or everything.
pub fn trials() -> Vec<Trial> {
    let mut scenes: Vec<_> = MODELS.iter().flat_map(|model| on_each(|gic| granule(model, gic))).collect();
    scenes.extend(on_each(eight_cells));
    scenes.extend(on_each(|gic| tiny(gic, 8192)));
    if is_full() {
        scenes.extend([512, 1024, 2048, 4096].iter().flat_map(|&size| on_each(|gic| tiny(gic, size))));
        for model in &MODELS {
            scenes.extend(on_each(|gic| linux("debian_12", "vmlinuz", model.name, gic)));
        }
        scenes.extend(on_each(|gic| linux("debian_13", "trixie/vmlinuz", "max", gic)));
        for model in MODELS.iter().filter(|model| model.has_16k) {
            scenes.extend(on_each(|gic| linux("16k_pages", "trixie/vmlinuz-16k", model.name, gic)));
        }
        scenes.extend(on_each(linux_on_eight));
        scenes.extend(on_each(linux_with_6_gib));
    }
    scenes.into_iter().map(trial).collect()
}

fn on_model(cpu: &'static str, gic: u32, cpus: u32) -> Machine {
    Machine { cpu: Some(cpu), memory_mib: Some(1024), ..machine(gic, cpus) }
}

/// The MMU with each size of pages, and every feature that the ID registers show, used.
fn granule(model: &Model, gic: u32) -> Scene {
    let file = root().join("build/guests/granule");
    let cell = cell("hello", "[0]", "features").replace("{hello}", &file.display().to_string());
    let pages = if model.has_16k { "ok" } else { "absent" };
    let plan = ending(&[cell.replace("\"hello\"", "\"granule\"")]);
    let mut scene =
        Scene::new(format!("matrix_granule_on_{}", model.name), Start::plan(&plan, on_model(model.name, gic, 1)))
            .expect([&format!(r"^\[granule\] granule: 4K ok 16K {pages} 64K ok$")]);
    for shown in model.shows {
        scene = scene.expect([&format!(r"^\[granule\] features: {shown} ok$")]);
    }
    // What a plain model does not have, EL2 does not make up.
    if model.name != "max" {
        scene = scene.forbid(["features: (rndr|pauth|sve|sme|mops|mte) .*ok"]);
    }
    scene.expect([r"^\[granule\] features: done$"]).forbid(["FAILED"]).ends()
}

/// As many cells as CPUs.
fn eight_cells(gic: u32) -> Scene {
    let cells: Vec<_> = (0..8).map(|cpu| cell_of(&format!("cell{cpu}"), "hello", &format!("[{cpu}]"), "")).collect();
    let done: Vec<_> = (0..8).map(|cpu| format!(r"^\[cell{cpu}\] hello: done")).collect();
    let mut scene = Scene::new("matrix_eight_cells_on_eight_cpus", Start::plan(&ending(&cells), machine(gic, 8)));
    scene.script.steps.push(Step::expect(&done.iter().map(String::as_str).collect::<Vec<_>>()));
    scene.ends()
}

/// The smallest cell on a board with that much RAM.
fn tiny(gic: u32, mib: u32) -> Scene {
    let machine = Machine { memory_mib: Some(mib), ..machine(gic, 1) };
    let plan = ending(&[cell("hello", "[0]", "")]).replace("\"16M\"", "\"1M\"");
    Scene::new(format!("matrix_cell_of_1_mib_on_{mib}_mib"), Start::plan(&plan, machine))
        .expect([r"^\[hello\] hello from cell, .* memory 0x40000000\+0x100000,", r"^\[hello\] hello: done"])
        .ends()
}

/// A Linux cell.
fn linux_cell(kernel: &str, cpus: &str, memory: &str) -> String {
    let folder = root().join("build/linux");
    let initrd = if kernel.starts_with("trixie/") { "trixie/initrd.cpio.gz" } else { "initrd.cpio.gz" };
    format!(
        "[[cell]]\nname = \"linux\"\ncpus = {cpus}\nmemory = \"{memory}\"\nkernel = \"{}\"\ninitrd = \"{}\"\n\
         bootargs = \"console=ttyAMA0 quiet panic=-1 nokaslr poweroff\"\n",
        folder.join(kernel).display(),
        folder.join(initrd).display()
    )
}

fn linux(name: &str, kernel: &str, cpu: &'static str, gic: u32) -> Scene {
    let plan = ending(&[linux_cell(kernel, "[0, 1]", "256M")]);
    reaches_userspace(Scene::new(format!("matrix_{name}_on_{cpu}"), Start::plan(&plan, on_model(cpu, gic, 2))), 2)
}

fn linux_on_eight(gic: u32) -> Scene {
    let plan = ending(&[linux_cell("vmlinuz", "[0, 1, 2, 3, 4, 5, 6, 7]", "256M")]);
    reaches_userspace(Scene::new("matrix_debian_12_on_eight_cpus", Start::plan(&plan, machine(gic, 8))), 8)
}

fn linux_with_6_gib(gic: u32) -> Scene {
    let plan = ending(&[linux_cell("vmlinuz", "[0, 1]", "6G")]);
    let machine = Machine { memory_mib: Some(8192), ..machine(gic, 2) };
    reaches_userspace(Scene::new("matrix_debian_12_with_6_gib", Start::plan(&plan, machine)), 2)
        .forbid([r"linux: memory [0-5]?\d{1,6} kB"])
}

fn reaches_userspace(scene: Scene, cpus: u32) -> Scene {
    scene
        .expect([r"^\[linux\] linux: userspace reached"])
        .expect([&format!(r"^\[linux\] linux: nproc={cpus}$")])
        .expect([r"^\[linux\] linux: powering off", r#"event=cell-stopped cell=linux reason="off""#])
        .ends()
        .limit(240)
}

fn trial(scene: Scene) -> Trial {
    Trial::test(scene.name.clone(), move || play(&scene).map_err(|failure| failure.to_string().into()))
}

/// Plays it, on `max` with memory for allocation tags: the plan was proved without, and is none the wiser.
fn play(scene: &Scene) -> Result<(), Failure> {
    let plain = scene.start.command(&scene.name)?;
    let mut command = Command::new(plain.get_program());
    command.args(plain.get_args());
    if plain.get_args().any(|argument| argument == "max") {
        command.args(["-machine", "mte=on"]);
    }
    scene.script.play(command, &log_file(&scene.name)?, |_| ())
}
