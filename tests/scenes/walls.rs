//! Walls and holes: what a cell may not reach, and that nobody else notices the attempt.

use crate::small::{cell, cell_of, ending, staying};
use crate::{machine, on_each};
use scenes::Scene;
use scenes::stage::Start;

pub fn scenes() -> Vec<Scene> {
    [
        on_each(foreign_device),
        on_each(hypervisor),
        on_each(foreign_ram),
        on_each(hole),
        on_each(boards_ram_is_a_hole),
        on_each(flipped_kernel),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A cell that owns a device and stays.
fn owner() -> String {
    format!("{}devices = [\"/pl031@9010000\"]\ndma = \"none\"\n", cell_of("owner", "hello", "[0]", "stay"))
}

/// An attacker whose memory is where the board has it.
fn identity_attacker(cpus: &str, bootargs: &str) -> String {
    cell_of("trespasser", "attacker", cpus, bootargs)
        .replace("\"16M\"", "[{ size = \"16M\", at = 0x7000_0000, identity = true }]")
}

fn foreign_device(gic: u32) -> Scene {
    let attack = "attempt=foreign-device address=0x09010000 after_ms=500";
    let cells = [owner(), cell("control", "[1]", ""), cell_of("trespasser", "attacker", "[2]", attack)];
    Scene::new(
        "trespasser_is_stopped_with_the_owner_named_and_control_goes_on",
        Start::plan(&staying(&cells), machine(gic, 4)),
    )
    .expect([r"^\[trespasser\] attacker: attempting read of 0x9010000"])
    .expect([r#"event=cell-stopped cell=trespasser reason=".*owner.*""#])
    .expect([r"^\[control\] control: second="])
    .expect([r"^\[control\] control: second="])
    .forbid([r"event=cell-stopped cell=(owner|control)"])
}

fn hypervisor(gic: u32) -> Scene {
    let attack = "attempt=hypervisor address=0x40200000 access=write";
    let cells = [identity_attacker("[1]", attack)];
    Scene::new("write_to_the_hypervisor_stops_the_cell", Start::plan(&ending(&cells), machine(gic, 2)))
        .expect([r"^\[trespasser\] attacker: attempting write of 0x40200000"])
        .expect([r"event=cell-stopped cell=trespasser reason="])
        .ends()
}

fn foreign_ram(gic: u32) -> Scene {
    let attack = "attempt=foreign-ram address=0x6000_0000 after_ms=200";
    let victim = cell_of("victim", "hello", "[0]", "stay")
        .replace("\"16M\"", "[{ size = \"16M\", at = 0x6000_0000, identity = true }]");
    let cells = [victim, identity_attacker("[1]", attack)];
    Scene::new("read_of_another_cells_memory_stops_the_cell", Start::plan(&staying(&cells), machine(gic, 2)))
        .expect([r#"event=cell-stopped cell=trespasser reason=".*victim.*""#])
        .forbid([r"event=cell-stopped cell=victim"])
}

fn hole(gic: u32) -> Scene {
    let cells = [cell("attacker", "[0]", "attempt=hole address=0x0a100000")];
    Scene::new("hole_gives_external_abort", Start::plan(&ending(&cells), machine(gic, 1)))
        .expect([r"^\[attacker\] attacker: hole gave external abort, esr=0x96000010 far=0xa100000"])
        .ends()
}

fn boards_ram_is_a_hole(gic: u32) -> Scene {
    let cells = [cell("attacker", "[0]", "attempt=hole address=0x60000000 access=write")];
    Scene::new("ram_that_is_not_the_cells_is_a_hole", Start::plan(&ending(&cells), machine(gic, 1)))
        .expect([r"^\[attacker\] attacker: hole gave external abort, esr=0x96000050 far=0x60000000"])
        .ends()
}

fn flipped_kernel(gic: u32) -> Scene {
    let cells = [cell("hello", "[0]", ""), cell("control", "[1]", "stop=1000")];
    let start = Start::tampered(&ending(&cells), machine(gic, 2), |bundle| {
        // A text that only the guest's own payload holds.
        let place = bundle.windows(22).position(|bytes| bytes == b"hello from cell, vcpu ");
        if let Some(byte) = place.and_then(|place| bundle.get_mut(place)) {
            *byte ^= 1;
        }
    });
    Scene::new("flipped_kernel_byte_refuses_that_cell_only", start)
        .expect([r"event=cell-refused cell=hello", r"^\[control\] control: done ticks=1000"])
        .forbid([r"^\[hello\]"])
        .ends()
}
