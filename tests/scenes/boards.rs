//! Boards: one image on each, by nothing but their trees. Linux on the boards that are not the Raspberry Pi, restarts and
//! attacks are `--full`.
//!
//! A Raspberry Pi cannot be powered off: these scenes end on what is said.

use crate::matrix::is_full;
use crate::small::{cell, cell_of};
use libtest_mimic::Trial;
use scenes::stage::{Machine, Start};
use scenes::{Scene, Step};

/// A board of `platforms/`.
struct Board {
    name: &'static str,
    gic: u32,
    /// CPUs QEMU is asked for, and those the tree has.
    cpus: u32,
    has: u32,
    /// Registers of a device: its node, and where the CPU sees it.
    device: (&'static str, &'static str),
}

const BOARDS: [Board; 3] = [
    Board { name: "rpi4", gic: 2, cpus: 4, has: 4, device: ("/soc/gpio@7e200000", "0xfe20_0000") },
    Board { name: "zcu102", gic: 2, cpus: 4, has: 4, device: ("/axi/gpio@ff0a0000", "0xff0a_0000") },
    Board { name: "versal", gic: 3, cpus: 4, has: 2, device: ("/rtc@f12a0000", "0xf12a_0000") },
];

pub fn trials() -> Vec<Trial> {
    let each = |build: fn(&Board) -> Scene| BOARDS.iter().map(build);
    let mut scenes: Vec<_> =
        each(runs_cells).chain(each(stops_a_trespasser)).chain(each(hears_what_is_typed)).collect();
    scenes.extend([linux(&BOARDS[0]), linux_with_the_boards_uart()]);
    if is_full() {
        scenes.extend(BOARDS[1..].iter().map(linux).chain(each(restarts)));
        scenes.extend(BOARDS.iter().flat_map(|board| ATTACKS.iter().map(|attempts| attacked(board, attempts))));
    }
    scenes.into_iter().map(trial).collect()
}

fn trial(scene: Scene) -> Trial {
    Trial::test(scene.name.clone(), move || scene.play().map_err(|failure| failure.to_string().into()))
}

impl Board {
    fn scene(&self, what: &str, cells: &[String], says: &[&str]) -> Scene {
        let text = format!("board = \"{}\"\nwhen_idle = \"stay\"\n\n{}", self.name, cells.join("\n"));
        let machine = Machine { gic: self.gic, cpus: self.cpus, ..Machine::default() };
        let mut scene = Scene::new(format!("board_{}_{what}", self.name), Start::plan(&text, machine));
        scene.script.steps.push(Step::expect(says));
        scene.limit(120)
    }
}

/// Every CPU the tree has, its timer, and EL2's UART.
fn runs_cells(board: &Board) -> Scene {
    let own = board.has.saturating_sub(1);
    let cpus: Vec<u32> = (0..own).collect();
    let cells = [cell("hello", &format!("{cpus:?}"), ""), cell("control", &format!("[{own}]"), "stop=1000")];
    let said =
        [format!(r"^\[hello\] hello from cell, vcpu 0, EL1, .* {own} cpus, gic v{}", board.gic), "hello: done$".into()];
    let said =
        [&said[0], &said[1], r#"event=cell-stopped cell=hello reason="off""#, "control: done ticks=1000 deadlines="];
    board.scene("runs_cells", &cells, &said)
}

/// One cell has a device and another reaches for it.
fn stops_a_trespasser(board: &Board) -> Scene {
    let (node, at) = board.device;
    let attack = format!("attempt=foreign-device address={} after_ms=500", at.replace('_', ""));
    let owner = format!("{}devices = [\"{node}\"]\ndma = \"none\"\n", cell("control", "[0]", "stop=2000"));
    let said = format!(r#"event=cell-stopped cell=attacker reason="read of {at}, owned by cell control \({node}\)""#);
    let cells = [owner, cell("attacker", "[1]", &attack)];
    board.scene("stops_a_trespasser", &cells, &[&said, "control: done ticks=2000 deadlines="])
}

/// The UART's interrupt reaches EL2, its bytes the focused cell and the monitor.
fn hears_what_is_typed(board: &Board) -> Scene {
    let cells = [cell("hello", "[0]", "echo"), cell("control", "[1]", "")];
    board
        .scene("hears_what_is_typed", &cells, &[r"^\[hello\] hello: echoing"])
        .send("abc\r")
        .expect([r"^\[hello\] abc"])
        .send("\x1dcells\r")
        .expect([r"hello.*running", r"control.*running"])
}

const LINUX: &str = "memory = \"256M\"\nkernel = \"{vmlinuz}\"\ninitrd = \"{initrd}\"\n\
     bootargs = \"console=ttyAMA0 quiet panic=-1 nokaslr irqs poweroff\"\n";

/// Debian's kernel on the emulated UART, beside one that reaches for what is its.
fn linux(board: &Board) -> Scene {
    let (cpus, other) = if board.has > 2 { ("[0, 1]", "[2]") } else { ("[0]", "[1]") };
    let (count, (node, at)) = (if board.has > 2 { 2 } else { 1 }, board.device);
    let cell = format!("[[cell]]\nname = \"linux\"\ncpus = {cpus}\n{LINUX}devices = [\"{node}\"]\ndma = \"none\"\n");
    let attack = format!("attempt=foreign-device address={} after_ms=100", at.replace('_', ""));
    let said = [
        r"^\[linux\] linux: userspace reached",
        &format!(r"^\[linux\] linux: nproc={count}$"),
        r#"event=cell-stopped cell=attacker reason="read of .* owned by cell linux"#,
        r#"event=cell-stopped cell=linux reason="off""#,
    ];
    board.scene("runs_linux", &[cell, cell_of("attacker", "attacker", other, &attack)], &said)
}

/// The same with the real PL011, EL2 on the mini-UART: both on one console here, so lines may run into each other.
fn linux_with_the_boards_uart() -> Scene {
    let cell =
        format!("[[cell]]\nname = \"linux\"\ncpus = [0, 1]\n{LINUX}devices = [\"serial0\"]\nconsole = \"none\"\n");
    let said = [
        "linux: userspace reached",
        "linux: nproc=2",
        r"GIC-0 153 Level     uart-pl011",
        "control: done ticks=2000 deadlines=",
        r#"event=cell-stopped cell=linux reason="off""#,
    ];
    let control = cell_of("control", "control", "[2]", "stop=2000");
    BOARDS[0].scene("runs_linux_with_its_own_uart", &[cell, control], &said).forbid([r"\[linux\] "])
}

/// A cell that touches what nobody owns comes back twice and then no more, on the CPU it had.
fn restarts(board: &Board) -> Scene {
    let at = board.device.1;
    let attack = format!("attempt=foreign-device address={} after_ms=50", at.replace('_', ""));
    let crasher = cell_of("crasher", "attacker", "[1]", &attack);
    let cells =
        [cell("control", "[0]", "stop=4000"), format!("{crasher}on_fault = {{ restart = 2, within = \"60s\" }}\n")];
    let told = |event: &str| format!(r#"event=cell-{event} cell=crasher reason="read of {at}"#);
    let started = "event=cell-started cell=crasher";
    board
        .scene("restarts", &cells, &[])
        .expect([&told("restarting"), started])
        .expect([&told("restarting")])
        .expect([started])
        .expect([&told("failed")])
        .expect(["control: done ticks=4000"])
}

/// What a cell may try without being stopped for it, by the attacker's names.
const ATTACKS: [&[&str]; 4] = [
    &["spi", "ppi", "sgi"],
    &["cpu-on", "smc", "hvc", "immediates"],
    &["set-way", "el2-registers", "el1-registers", "wait"],
    &["registers", "cpu-ids", "function-ids", "sgi-targets"],
];

/// One cell tries these beside a victim that goes on checking what is its own.
fn attacked(board: &Board, attempts: &[&str]) -> Scene {
    let tries = format!("after_ms=200 attempt={}", attempts.join(","));
    let attacker = format!("{}on_violation = \"inject\"\n", cell_of("attacker", "attacker", "[1]", &tries));
    let verdicts = attempts
        .iter()
        .map(|attempt| format!("attacker: attempt={attempt} verdict=(?:no-effect|refused|aborted|undefined|tally) "));
    // In no certain order: the attacker may be done before the victim has begun.
    let others = ["victim: watching", r#"event=cell-stopped cell=attacker reason="off""#].map(str::to_owned);
    let said: Vec<String> = verdicts.chain(others).collect();
    let said: Vec<&str> = said.iter().map(String::as_str).collect();
    let name = format!("holds_against_{}", attempts.join("_"));
    let scene = board.scene(&name, &[cell("victim", "[0]", ""), attacker], &said);
    scene
        .expect(["victim: intact rounds="])
        .expect(["victim: intact rounds="])
        .forbid(["verdict=BREACH", "victim: BROKEN", "event=cell-stopped cell=victim", "PANIC", "event=panic"])
        .limit(600)
}
