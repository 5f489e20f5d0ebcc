//! Debian's own kernel as a cell.

use crate::small::{cell, ending};
use crate::{machine, on_each};
use scenes::Scene;
use scenes::stage::{Machine, Start};

const BOOTARGS: &str = "console=ttyAMA0 quiet panic=-1 nokaslr";

/// One Linux cell.
pub fn linux(name: &str, cpus: &str, memory: &str, bootargs: &str) -> String {
    format!(
        "[[cell]]\nname = \"{name}\"\ncpus = {cpus}\nmemory = {memory}\nkernel = \"{{vmlinuz}}\"\n\
         initrd = \"{{initrd}}\"\nbootargs = \"{BOOTARGS} {bootargs}\"\n"
    )
}

/// QEMU's GICv2 forgets a timer whose line rises again before its interrupt is ended, as happens when the host stalls a CPU
/// there. With time counted in instructions no host stalls anything.
fn steady(gic: u32) -> Machine {
    if gic == 2 { machine(gic, 4).counted() } else { machine(gic, 4) }
}

pub fn scenes() -> Vec<Scene> {
    [
        on_each(|gic| on_cpus(gic, 1, "[0]")),
        on_each(|gic| on_cpus(gic, 2, "[1, 0]")),
        on_each(|gic| on_cpus(gic, 4, "[0, 1, 2, 3]")),
        on_each(two),
        on_each(disk),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn on_cpus(gic: u32, count: u32, cpus: &str) -> Scene {
    let cells = [linux("linux", cpus, "\"128M\"", "poweroff")];
    Scene::new(format!("linux_on_{count}_cpus"), Start::plan(&ending(&cells), steady(gic)))
        .expect([r"^\[linux\] linux: userspace reached", &format!(r"^\[linux\] linux: nproc={count}$")])
        .ends()
        .limit(180)
}

fn two(gic: u32) -> Scene {
    let cells = [
        linux("left", "[0, 1]", "\"128M\"", "poweroff"),
        linux("right", "[2]", "\"128M\"", "poweroff"),
        cell("control", "[3]", "stop=2000"),
    ];
    Scene::new("two_linux_cells_and_control", Start::plan(&ending(&cells), steady(gic)))
        .expect([
            r"^\[left\] linux: userspace reached",
            r"^\[left\] linux: nproc=2$",
            r"^\[right\] linux: userspace reached",
            r"^\[right\] linux: nproc=1$",
            r"^\[control\] control: done ticks=2000 deadlines=",
        ])
        .ends()
        .limit(240)
}

fn disk(gic: u32) -> Scene {
    // The page of the last eight slots, 0x200 apart.
    let slots: Vec<_> =
        (0x0a00_3000..0x0a00_4000).step_by(0x200).map(|slot| format!("\"/virtio_mmio@{slot:x}\"")).collect();
    let memory = "[{ size = \"128M\", at = 0x6000_0000, identity = true }]";
    let cell = linux("linux", "[0]", memory, "disk poweroff");
    let plan = ending(&[format!("{cell}devices = [{}]\ndma = \"trusted\"\n", slots.join(", "))]);
    Scene::new("linux_reads_its_disk", Start::plan(&plan, steady(gic).with_disk()))
        .expect([r"^\[linux\] linux: disk says: hello from the disk of cell linux$"])
        .ends()
        .limit(180)
}
