//! Our own small guests: alone on QEMU, then as cells.

use crate::{machine, on_both, on_each};
use scenes::Scene;
use scenes::stage::{Machine, Start};

/// One cell `name` of the guest of the same name.
pub fn cell(name: &str, cpus: &str, bootargs: &str) -> String {
    cell_of(name, name, cpus, bootargs)
}

/// One cell of a guest with 16 MiB.
pub fn cell_of(name: &str, guest: &str, cpus: &str, bootargs: &str) -> String {
    format!(
        "[[cell]]\nname = \"{name}\"\ncpus = {cpus}\nmemory = \"16M\"\nkernel = \"{{{guest}}}\"\nbootargs = \"{bootargs}\"\n"
    )
}

/// A plan for QEMU's board that powers off when no cell runs any more.
pub fn ending(cells: &[String]) -> String {
    format!("board = \"qemu-virt\"\nwhen_idle = \"poweroff\"\n\n{}", cells.join("\n"))
}

/// A plan for QEMU's board that stays.
pub fn staying(cells: &[String]) -> String {
    format!("board = \"qemu-virt\"\nwhen_idle = \"stay\"\n\n{}", cells.join("\n"))
}

pub fn scenes() -> Vec<Scene> {
    [alone(), as_cells(), consoles()].concat_all()
}

/// Flattens lists of scenes.
trait ConcatAll {
    fn concat_all(self) -> Vec<Scene>;
}

impl<const N: usize> ConcatAll for [Vec<Scene>; N] {
    fn concat_all(self) -> Vec<Scene> {
        self.into_iter().flatten().collect()
    }
}

fn guest(name: &'static str, bootargs: &'static str, gic: u32, cpus: u32) -> Start {
    Start::Guest { name, bootargs, machine: machine(gic, cpus) }
}

/// What the guests do without EL2: what a cell must be able to do too. Shows the harness to be sound.
fn alone() -> Vec<Scene> {
    let hello = |gic| {
        Scene::new("alone_hello_starts_four_cpus", guest("hello", "", gic, 4))
            .expect(["^hello from cell, vcpu 0, EL1, .* 4 cpus"])
            .expect(["vcpu 1, EL1", "vcpu 2, EL1", "vcpu 3, EL1"])
            .expect(["^hello: done$"])
            .ends()
    };
    let control = |gic| {
        Scene::new("alone_control_serves_3000_ticks", guest("control", "stop=3000", gic, 1))
            .expect(["^control: second=1 ", "^control: done ticks=3000 deadlines="])
            .ends()
    };
    let hole = |gic| {
        let start = guest("attacker", "attempt=hole address=0x0a100000", gic, 1);
        Scene::new("alone_hole_gives_external_abort", start)
            .expect(["^attacker: hole gave external abort, esr=0x96000010 far=0xa100000$"])
            .ends()
    };
    let echo = |gic| {
        Scene::new("alone_hello_echoes_by_interrupt", guest("hello", "echo", gic, 1))
            .expect(["^hello: echoing$"])
            .send("abc\r")
            .expect(["^abc$"])
    };
    [on_both(hello), on_both(control), on_both(hole), on_both(echo)].concat_all()
}

fn as_cells() -> Vec<Scene> {
    let one = |gic| {
        Scene::new("hello_on_one_cpu", Start::plan(&ending(&[cell("hello", "[0]", "")]), machine(gic, 1)))
            .expect([r"^\[hello\] hello from cell, vcpu 0, EL1"])
            .expect([r"^\[hello\] hello: done", r"event=cell-stopped cell=hello"])
            .ends()
    };
    let four = |gic| {
        Scene::new("hello_with_four_vcpus", Start::plan(&ending(&[cell("hello", "[0, 1, 2, 3]", "")]), machine(gic, 4)))
            .expect([r"^\[hello\] hello from cell, vcpu 0, EL1, .* 4 cpus"])
            .expect([r"\[hello\] .*vcpu 1, EL1", r"\[hello\] .*vcpu 2, EL1", r"\[hello\] .*vcpu 3, EL1"])
            .expect([r"^\[hello\] hello: done"])
            .ends()
    };
    let two = |gic| {
        let cells = [cell_of("left", "hello", "[0, 1]", ""), cell_of("right", "hello", "[3, 2]", "")];
        Scene::new("two_hello_cells", Start::plan(&ending(&cells), machine(gic, 4)))
            .expect([
                r"^\[left\] hello from cell, vcpu 0",
                r"^\[right\] hello from cell, vcpu 0",
                r"^\[left\] hello from cell, vcpu 1, EL1, affinity 0x1$",
                r"^\[right\] hello from cell, vcpu 1, EL1, affinity 0x1$",
                r"^\[left\] hello: done",
                r"^\[right\] hello: done",
            ])
            .ends()
    };
    let ticks = |gic| {
        Scene::new(
            "control_serves_3000_ticks",
            Start::plan(&ending(&[cell("control", "[0]", "stop=3000")]), machine(gic, 1).counted()),
        )
        .expect([r"^\[control\] control: second=1 ", r"^\[control\] control: done ticks=3000 deadlines=3000$"])
        .ends()
    };
    let reset = |gic| {
        Scene::new(
            "a_reset_starts_the_cell_anew",
            Start::plan(&ending(&[cell("hello", "[0, 1]", "reset")]), machine(gic, 2)),
        )
        .expect([r#"event=cell-restarting cell=hello reason="reset""#, "event=cell-started cell=hello", "hello: done"])
        .expect([
            r#"event=cell-restarting cell=hello reason="reset""#,
            "event=cell-started cell=hello",
            "hello: done",
        ])
    };
    let threads = |gic| {
        let machine = Machine { threads: true, ..machine(gic, 4) };
        Scene::new(
            "hello_with_four_vcpus_on_host_threads",
            Start::plan(&ending(&[cell("hello", "[0, 1, 2, 3]", "")]), machine),
        )
        .expect([r"^\[hello\] hello: done"])
        .ends()
    };
    [on_each(one), on_each(four), on_each(two), on_each(ticks), on_each(reset), on_each(threads)].concat_all()
}

/// What is said and typed.
fn consoles() -> Vec<Scene> {
    let echo = |gic| {
        Scene::new(
            "input_reaches_the_focused_cell",
            Start::plan(&staying(&[cell("hello", "[0]", "echo")]), machine(gic, 1)),
        )
        .expect([r"^\[hello\] hello: echoing"])
        .send("abc\r")
        .expect([r"^\[hello\] abc"])
    };
    let monitor = |gic| {
        let cells = [cell("hello", "[0]", "stay"), cell("control", "[1]", "")];
        Scene::new("monitor_lists_the_cells", Start::plan(&staying(&cells), machine(gic, 4)))
            .expect([r"^\[hello\] hello: done", r"^\[control\] control: second=1 "])
            .send("\x1dcells\r")
            .expect([r"hello.*running", r"control.*running"])
    };
    let focus = |gic| {
        let cells = [cell_of("left", "hello", "[0]", "echo"), cell_of("right", "hello", "[1]", "echo")];
        Scene::new("input_follows_the_focus", Start::plan(&staying(&cells), machine(gic, 4)))
            .expect([r"^\[left\] hello: echoing", r"^\[right\] hello: echoing"])
            .send("\x1dfocus right\r")
            .expect([r"input goes to right"])
            .send("abc\r")
            .expect([r"^\[right\] abc"])
            .forbid([r"^\[left\] abc"])
    };
    // The board's one UART is the cell's: no prefixes, and after the hand-over no line of EL2's.
    let own = |gic| {
        let cells = [
            cell("hello", "[0]", "echo") + "console = \"passthrough\"\n",
            cell("control", "[1]", "") + "console = \"none\"\n",
        ];
        Scene::new("passed_uart_is_the_cells_own", Start::plan(&staying(&cells), machine(gic, 4)))
            .expect([r"^\[cellwall\] this UART is a cell's from here on"])
            .expect([r"^hello: echoing"])
            .send("abc\r")
            .expect([r"^abc"])
            .forbid([r"event="])
    };
    [on_each(echo), on_each(monitor), on_each(focus), on_each(own)].concat_all()
}
