//! A crash costs one cell: how cells end, start again, and what the monitor can do about them.

use crate::small::{cell, cell_of, ending, staying};
use crate::{DRIVEN, machine, on_each};
use libtest_mimic::Trial;
use scenes::stage::{Machine, Start, log_file};
use scenes::{Failure, Scene};
use std::collections::BTreeMap;

pub fn scenes() -> Vec<Scene> {
    [
        on_each(budget),
        on_each(always),
        on_each(forgiving),
        on_each(manual),
        on_each(monitor),
        on_each(broken_image),
        on_each(regained),
        on_each(regained_from_faults),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A cell that touches what nobody owns half a second after each start.
fn crasher(keys: &str) -> String {
    format!("{}{keys}\n", cell_of("crasher", "attacker", "[1]", "attempt=wall address=0x09010000 after_ms=50"))
}

/// The control loop goes on; meanwhile what ends has ended.
const SECOND: &str = r"^\[control\] control: second=";
const RESTARTED: &str = r#"event=cell-restarting cell=crasher reason="read of 0x0901_0000.*""#;

fn budget(gic: u32) -> Scene {
    let cells = [cell("control", "[0]", "stop=4000"), crasher("on_fault = { restart = 2, within = \"60s\" }")];
    Scene::new("two_restarts_then_the_cell_has_failed", Start::plan(&ending(&cells), machine(gic, 2)))
        .expect([RESTARTED, "event=cell-started cell=crasher"])
        .expect([RESTARTED])
        .expect(["event=cell-started cell=crasher"])
        .expect([r#"event=cell-failed cell=crasher reason="read of 0x0901_0000.*""#])
        .expect([r"^\[control\] control: done ticks=4000"])
        .forbid(["event=cell-(restarting|failed|stopped) cell=control reason=\"[^o]"])
        .ends()
}

fn always(gic: u32) -> Scene {
    let mut scene = Scene::new(
        "a_cell_without_a_budget_is_restarted_each_time",
        Start::plan(&staying(&[cell("control", "[0]", ""), crasher("on_fault = \"restart\"")]), machine(gic, 2)),
    );
    for _ in 0..8 {
        scene = scene.expect([RESTARTED]).expect(["event=cell-started cell=crasher"]);
    }
    scene.limit(100).expect([r"^\[control\] control: second="]).forbid(["event=cell-failed"])
}

fn forgiving(gic: u32) -> Scene {
    let attack = "attempt=wall address=0x09010000";
    let cells = [format!("{}on_violation = \"inject\"\n", cell("attacker", "[0]", attack))];
    Scene::new("a_violation_may_be_injected", Start::plan(&ending(&cells), machine(gic, 1)))
        .expect([
            r#"event=wall cell=attacker access="read of 0x0901_0000" owner="nobody.*""#,
            r"attacker: wall gave external abort, esr=0x96000010 far=0x9010000",
        ])
        .ends()
}

fn manual(gic: u32) -> Scene {
    let cells = [cell("control", "[0]", ""), format!("{}start = \"manual\"\n", cell("hello", "[1]", "stay"))];
    Scene::new("a_manual_cell_waits_for_a_person", Start::plan(&staying(&cells), machine(gic, 2)))
        .expect([r"^\[control\] control: second=1"])
        .send("\x1dcells\r")
        .expect([r"hello +ready +0/1"])
        .send("start hello\r")
        .expect([r"event=cell-started cell=hello", r"^\[hello\] hello: done"])
        .send("start hello\r")
        .expect([r"hello is running"])
}

fn monitor(gic: u32) -> Scene {
    let cells = [cell("control", "[2]", ""), cell("hello", "[0, 1]", "stay")];
    Scene::new("the_monitor_stops_and_starts_a_cell", Start::plan(&staying(&cells), machine(gic, 4)))
        .expect([r"^\[hello\] hello: done"])
        .send("\x1dstop hello\r")
        .expect([r#"event=cell-stopped cell=hello reason="by the monitor""#])
        .expect([SECOND])
        .send("cells\r")
        .expect([r"hello +stopped +0/2"])
        .send("regs hello\r")
        .expect([r"vcpu 0: pc=0x4[0-9a-f]+ pstate=0x[0-9a-f]+ esr=", r"x0 =[0-9a-f]{16} x1 =", r"vcpu 1: pc=0x4"])
        .send("start hello\r")
        .expect([r"event=cell-started cell=hello", r"^\[hello\] .*vcpu 1, EL1", r"^\[hello\] hello: done"])
        .send("restart hello\r")
        .expect([r#"event=cell-restarting cell=hello reason="by the monitor""#, r"^\[hello\] hello: done"])
        .send("stats hello\r")
        .expect([r"hello is running, starts=3 restarts=0 up_s=[0-9]+ console_dropped=0"])
        .send("log\r")
        .expect([r"event=cell-started cell=control"])
        .send("stop nobody\r")
        .expect([r"no cell is named nobody"])
        .forbid(["event=cell-(stopped|restarting) cell=control"])
}

/// A cell whose kernel is damaged in the bundle refuses to start, as ever; the rest goes on.
fn broken_image(gic: u32) -> Scene {
    let keys = "on_fault = \"restart\"\n";
    let cells = [format!("{}{keys}", cell("hello", "[0]", "")), cell("control", "[1]", "stop=1000")];
    let start = Start::tampered(&ending(&cells), machine(gic, 2), |bundle| {
        let place = bundle.windows(22).position(|bytes| bytes == b"hello from cell, vcpu ");
        if let Some(byte) = place.and_then(|place| bundle.get_mut(place)) {
            *byte ^= 1;
        }
    });
    Scene::new("a_damaged_image_is_not_tried_again_and_again", start)
        .expect([r"event=cell-refused cell=hello", r"^\[control\] control: done ticks=1000"])
        .forbid([r"event=cell-restarting"])
        .ends()
}

/// A cell in states that are hard to interrupt, one after the other: none of them keeps its CPU. The service CPU is
/// another cell's, which must not notice. `ticks`: how long the cell may need; `after`: what is said meanwhile.
fn regained_from(name: &str, states: &[&str], board: Machine, ticks: &str, after: &str) -> Scene {
    let cells = [cell("mortal", "[1]", "ask").replace("16M", "1M"), cell("control", "[0]", "")];
    let mut scene = Scene::new(name, Start::plan(&format!("service_cpu = 0\n{}", staying(&cells)), board));
    for (count, state) in (1..).zip(states) {
        scene = scene
            .expect([r"^\[mortal\] mortal: which state\?"])
            .send(&format!("{state}\r"))
            .expect([&format!(r"^\[mortal\] mortal: state={state}")])
            .send("\x1dstop mortal\r")
            .expect([r#"event=cell-stopped cell=mortal reason="by the monitor""#, after])
            .send("stats mortal\r")
            .expect([&format!(r"mortal is stopped, starts={count} .*left_in_ticks={ticks} ")])
            .send("start mortal\r")
            .expect(["event=cell-started cell=mortal"])
            .send("\x1d");
    }
    scene.forbid(["event=cell-(stopped|failed|restarting) cell=control"])
}

/// A tick is an instruction here, of either CPU.
fn regained(gic: u32) -> Scene {
    let board = Machine { cpu: Some("cortex-a72,cntfrq=1000000000"), ..machine(gic, 2).counted() };
    let states = ["masked", "wfi", "spin", "tlbi", "walks", "exits", "stores"];
    regained_from("a_cpu_is_regained_from_any_state", &states, board, "[0-9]{1,4}", "> stop mortal")
}

/// Without instructions to count: each of its fetches faults, before there is one.
fn regained_from_faults(gic: u32) -> Scene {
    regained_from("a_cpu_is_regained_from_a_loop_of_faults", &["tables"], machine(gic, 2), "[0-9]+", SECOND)
}

/// Not routine scenes of one kind, and those that compare lines.
pub fn trials() -> Vec<Trial> {
    let mut trials: Vec<Trial> = DRIVEN.iter().map(|&gic| alike("cortex-a72", gic, 4)).collect();
    trials.push(alike("max", 3, 2));
    trials
}

/// A guest that spoils whatever it can write finds at each start what it found at the first.
fn alike(cpu: &'static str, gic: u32, starts: usize) -> Trial {
    let name = format!("every_start_is_like_the_first_on_{cpu}_gicv{gic}");
    let mortal = cell("mortal", "[0, 1]", "end=reset").replace("16M", "4M");
    let board = Machine { cpu: Some(cpu), ..machine(gic, 4) };
    let mut scene = Scene::new(&name, Start::plan(&staying(&[mortal, cell("control", "[2]", "")]), board)).limit(180);
    for _ in 0..starts {
        scene =
            scene.expect([r"\[mortal\] mortal: vcpu 0 registers="]).expect([r"\[mortal\] mortal: vcpu 1 registers="]);
    }
    scene = scene.expect([r"\[mortal\] mortal: vcpu 0 registers="]);
    Trial::test(name.clone(), move || {
        let mut first: BTreeMap<String, String> = BTreeMap::new();
        let mut other = None;
        let command = scene.start.command(&name).map_err(|failure| failure.to_string())?;
        let log = log_file(&name).map_err(|failure| failure.to_string())?;
        let listen = |line: &str| {
            if let Some((vcpu, found)) =
                line.trim().strip_prefix("[mortal] mortal: vcpu ").and_then(|rest| rest.split_once(' '))
            {
                let expected = first.entry(vcpu.to_owned()).or_insert_with(|| found.to_owned());
                if expected != found {
                    other = Some(format!("vcpu {vcpu} found {found}, at its first start {expected}"));
                }
            }
        };
        scene.script.play(command, &log, listen).map_err(|failure| failure.to_string())?;
        match other {
            Some(other) => Err(Failure::early(other).to_string().into()),
            None => Ok(()),
        }
    })
}
