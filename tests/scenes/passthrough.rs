//! Cells with `gic = "passthrough"`: their interrupts come without EL2, and all else is as ever.

use crate::linux::linux;
use crate::small::{cell, cell_of, ending, staying};
use crate::{DRIVEN, machine, on_each};
use libtest_mimic::Trial;
use scenes::Scene;
use scenes::attack::CLASSES;
use scenes::stage::{Machine, Start, root};

/// The same cell with its interrupts passed through.
fn passed(cell: &str) -> String {
    format!("{cell}gic = \"passthrough\"\n")
}

pub fn scenes() -> Vec<Scene> {
    let kinds: &[&str] = if crate::matrix::is_full() { &["virtual", "passthrough"] } else { &[] };
    let stressed = kinds.iter().flat_map(|kind| on_each(|gic| stress(gic, kind))).collect();
    [
        stressed,
        on_each(hello),
        on_each(threads),
        on_each(ticks),
        on_each(echo),
        on_each(stop_and_start),
        on_each(crash),
        on_each(|gic| on_cpus(gic, 1, "[0]")),
        on_each(|gic| on_cpus(gic, 4, "[0, 1, 2, 3]")),
        on_each(beside),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The attack suite with attacker and victim passed through; what takes longest only in the long run.
pub fn trials() -> Vec<Trial> {
    let routine = |name: &str| matches!(name, "registers" | "random" | "offsets" | "sgi-targets");
    let classes = CLASSES.iter().filter(|class| crate::matrix::is_full() || routine(class.name));
    let play = |(class, gic): (&'static scenes::attack::Class, u32)| {
        Trial::test(format!("attack_{}_passthrough_gicv{gic}", class.name), move || {
            class.play(gic, false, true).map(|_| ()).map_err(|failure| failure.to_string().into())
        })
    };
    classes.flat_map(|class| DRIVEN.iter().map(move |&gic| (class, gic))).map(play).collect()
}

fn hello(gic: u32) -> Scene {
    let cells = [passed(&cell("hello", "[0, 1, 2, 3]", ""))];
    Scene::new("passthrough_hello_with_four_vcpus", Start::plan(&ending(&cells), machine(gic, 5)))
        .expect([r"\[hello\] .*vcpu 1, EL1", r"\[hello\] .*vcpu 2, EL1", r"\[hello\] .*vcpu 3, EL1"])
        .expect([r"^\[hello\] hello: done"])
        .ends()
}

fn threads(gic: u32) -> Scene {
    let machine = Machine { threads: true, ..machine(gic, 4) };
    let cells = [passed(&cell("hello", "[0, 1, 2]", "reset"))];
    let mut scene =
        Scene::new("passthrough_hello_again_and_again_on_host_threads", Start::plan(&staying(&cells), machine));
    for _ in 0..4 {
        scene = scene.expect([
            r#"event=cell-restarting cell=hello reason="reset""#,
            "event=cell-started cell=hello",
            r"^\[hello\] hello: done",
        ]);
    }
    scene
}

fn ticks(gic: u32) -> Scene {
    let cells = [passed(&cell("control", "[0]", "stop=3000"))];
    Scene::new("passthrough_control_serves_3000_ticks", Start::plan(&ending(&cells), machine(gic, 2).counted()))
        .expect([r"^\[control\] control: done ticks=3000 deadlines=3000$"])
        .ends()
}

/// The virtual UART's interrupt is made pending on a line that no device has.
fn echo(gic: u32) -> Scene {
    Scene::new(
        "passthrough_input_comes_by_interrupt",
        Start::plan(&staying(&[passed(&cell("hello", "[0]", "echo"))]), machine(gic, 2)),
    )
    .expect([r"^\[hello\] hello: echoing"])
    .send("abc\r")
    .expect([r"^\[hello\] abc"])
    .send("def\r")
    .expect([r"^\[hello\] def"])
}

/// Its CPUs, asleep and at work, come back by the zap and serve again.
fn stop_and_start(gic: u32) -> Scene {
    let cells = [passed(&cell("control", "[2]", "")), passed(&cell("hello", "[0, 1]", "stay"))];
    let mut scene = Scene::new("passthrough_cells_restart_and_stop", Start::plan(&ending(&cells), machine(gic, 4)))
        .expect([r"^\[hello\] hello: done", r"^\[control\] control: second="])
        .send("\x1d");
    for name in ["hello", "control", "hello", "control"] {
        let alive = if name == "hello" { r"^\[hello\] hello: done" } else { r"^\[control\] control: second=1 " };
        scene = scene.send(&format!("restart {name}\r")).expect([
            &format!(r#"event=cell-restarting cell={name} reason="by the monitor""#),
            &format!("event=cell-started cell={name}"),
            alive,
        ]);
    }
    for name in ["hello", "control"] {
        let stopped = format!(r#"event=cell-stopped cell={name} reason="by the monitor""#);
        scene = scene.send(&format!("stop {name}\r")).expect([&stopped]);
    }
    scene.ends()
}

/// A vCPU's fault takes all of them out, and the others lose nothing.
fn crash(gic: u32) -> Scene {
    let crasher = cell_of("crasher", "attacker", "[1]", "attempt=wall address=0x09010000 after_ms=50");
    let crasher = passed(&format!("{crasher}on_fault = {{ restart = 2, within = \"60s\" }}\n"));
    let cells = [passed(&cell("control", "[0]", "stop=2000")), crasher];
    Scene::new("passthrough_crashes_and_restarts", Start::plan(&ending(&cells), machine(gic, 3).counted()))
        .expect([r#"event=cell-failed cell=crasher reason="read of 0x0901_0000.*""#])
        .expect([r"^\[control\] control: done ticks=2000 deadlines=2000"])
        .ends()
}

fn on_cpus(gic: u32, count: u32, cpus: &str) -> Scene {
    let cells = [passed(&linux("linux", cpus, "\"128M\"", "poweroff"))];
    Scene::new(format!("passthrough_linux_on_{count}_cpus"), Start::plan(&ending(&cells), machine(gic, 5).counted()))
        .expect([r"^\[linux\] linux: userspace reached", &format!(r"^\[linux\] linux: nproc={count}$")])
        .ends()
        .limit(180)
}

/// Debian's hackbench and cyclictest on 4 CPUs: every thread had every tick of its timer, every process was woken, and
/// the kernel has nothing to complain of.
fn stress(gic: u32, kind: &str) -> Scene {
    let folder = root().join("build/linux/rt");
    let bootargs = "console=ttyAMA0 quiet panic=-1 nokaslr rdinit=/stress";
    let cell = format!(
        "[[cell]]\nname = \"linux\"\ncpus = [0, 1, 2, 3]\nmemory = \"256M\"\ngic = \"{kind}\"\nkernel = \"{}\"\n\
         initrd = \"{}\"\nbootargs = \"{bootargs}\"\n",
        folder.join("vmlinuz").display(),
        folder.join("initrd.cpio.gz").display()
    );
    Scene::new(format!("stress_linux_{kind}"), Start::plan(&ending(&[cell]), machine(gic, 5).counted()))
        .expect([r"^\[linux\] stress: nproc=4$"])
        .expect([r"^\[linux\] stress: hackbench: Time: "])
        .expect([r"^\[linux\] stress: cyclictest threads with their ticks: 4$", r"^\[linux\] stress: complaints: 0$"])
        .expect([r"^\[linux\] stress: done$"])
        .ends()
        .limit(600)
}

/// Both kinds on one board; the service CPU is the first of the cell that can spare it.
fn beside(gic: u32) -> Scene {
    let cells = [
        passed(&linux("direct", "[0, 1]", "\"128M\"", "poweroff")),
        passed(&cell("control", "[2]", "stop=2000")),
        linux("virtual", "[3]", "\"128M\"", "poweroff"),
    ];
    Scene::new("passthrough_linux_beside_a_virtual_one", Start::plan(&ending(&cells), machine(gic, 4).counted()))
        .expect([
            r"^\[cellwall\] .*CPU 3 serves the console",
            r"^\[direct\] linux: nproc=2$",
            r"^\[virtual\] linux: nproc=1$",
            r"^\[control\] control: done ticks=2000 deadlines=",
        ])
        .ends()
        .limit(240)
}
