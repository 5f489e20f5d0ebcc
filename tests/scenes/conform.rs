//! The interrupt controller by the architecture: the same guest asks the same questions on the bare machine and as a
//! cell, and the answers are compared, one by one.

use crate::small::{cell, cell_of, ending};
use crate::{DRIVEN, on_each};
use libtest_mimic::Trial;
use scenes::stage::{Machine, Start, log_file};
use scenes::{Failure, Scene};
use std::fmt::Write as _;

/// An answer that is known to differ.
struct Different {
    gic: u32,
    passed: bool,
    question: &'static str,
    answer: &'static str,
}

const LOWERED: &str = "4.1.2 level dropped before it was taken: taken";
const DIFFERENT: [Different; 3] = [
    // The physical line is taken by EL2 and stands in a list register with HW = 1 when the guest lowers it: one spurious
    // interrupt, whose cause the guest finds gone.
    Different { gic: 2, passed: false, question: LOWERED, answer: "0x1b" },
    Different { gic: 3, passed: false, question: LOWERED, answer: "0x1b" },
    // QEMU's GICv2 does not look at the line again when a virtual interface deactivates it; hardware does.
    Different { gic: 2, passed: false, question: "4.1.2 level still high: taken", answer: "0x3ff" },
];

/// Every kind of cell on each controller.
pub fn trials() -> Vec<Trial> {
    let kinds = DRIVEN.iter().flat_map(|&gic| [(gic, false), (gic, true)]);
    kinds
        .map(|(gic, passed)| {
            let name = format!("conform_{}_gicv{gic}", if passed { "passthrough" } else { "virtual" });
            Trial::test(name.clone(), move || compare(&name, gic, passed).map_err(|failure| failure.to_string().into()))
        })
        .collect()
}

/// One cell stays with a breakpoint and a watchpoint set, another has its own at the same addresses: each takes what it set,
/// and before it sets any, none.
pub fn scenes() -> Vec<Scene> {
    on_each(|gic| {
        let cells = [
            cell_of("first", "conform", "[0]", "processor hold"),
            cell_of("second", "conform", "[1]", "processor wait=200"),
        ];
        let machine = Machine { gic, cpus: 3, ..Machine::default() }.counted();
        Scene::new("debug_registers_are_each_cells_own", Start::plan(&ending(&cells), machine))
            .expect([r"\[first\] conform: \[D2\] breakpoint: class = 0x31$", r"\[first\] conform: done$"])
            .expect([r"\[second\] conform: \[D2\] at the start: breakpoint = 0x0$"])
            .expect([r"\[second\] conform: \[D2\] at the start: code = 0x0$"])
            .expect([r"\[second\] conform: \[D2\] at the start: word = 0x0$"])
            .expect([r"\[second\] conform: \[D2\] breakpoint: class = 0x31$"])
            .expect([r"\[second\] conform: \[D2\] watchpoint, load: class = 0x35$"])
            .expect([r"\[second\] conform: done$"])
            .limit(120)
    })
}

fn compare(name: &str, gic: u32, passed: bool) -> Result<(), Failure> {
    let (bootargs, kind) = if passed { ("passed", "passthrough") } else { ("", "virtual") };
    let machine = Machine { gic, cpus: 2, ..Machine::default() }.counted();
    let bare = answers(&format!("{name}_bare"), Start::Guest { name: "conform", bootargs, machine: machine.clone() })?;
    let more = format!("devices = [\"/pl031@9010000\"]\ndma = \"none\"\ngic = \"{kind}\"\n");
    let cells = [format!("{}{more}", cell("conform", "[0, 1]", bootargs))];
    let inside = answers(name, Start::plan(&ending(&cells), Machine { cpus: 3, ..machine }))?;
    let mut wrong = String::new();
    for (bare, inside) in bare.iter().zip(&inside) {
        let known = |one: &Different| {
            (one.gic, one.passed) == (gic, passed) && *inside == format!("{} = {}", one.question, one.answer)
        };
        if bare != inside && !DIFFERENT.iter().any(known) {
            let _ = write!(wrong, "\n  bare:   {bare}\n  a cell: {inside}");
        }
    }
    // The bare machine's are all there are: fewer than these would be a guest that asks nothing.
    if bare.len() != inside.len() || inside.len() < 130 {
        let _ = write!(wrong, "\n  {} answers, {} on the bare machine", inside.len(), bare.len());
    }
    if wrong.is_empty() { Ok(()) } else { Err(Failure::early(format!("{name}:{wrong}"))) }
}

/// What it says, from its first answer to its last.
fn answers(name: &str, start: Start) -> Result<Vec<String>, Failure> {
    let mut said = Vec::new();
    let scene = Scene::new(name, start).expect([r"conform: done"]).ends().limit(120);
    let command = scene.start.command(name)?;
    let listen = |line: &str| {
        if let Some((_, answer)) = line.trim().split_once("conform: ") {
            said.push(answer.to_owned());
        }
    };
    scene.script.play(command, &log_file(name)?, listen)?;
    Ok(said)
}
