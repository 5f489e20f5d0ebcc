//! A crash costs one cell: how cells end, start again, and what the monitor can do about them.

use crate::linux::linux;
use crate::small::{cell, cell_of, ending, staying};
use crate::{DRIVEN, machine, on_each};
use libtest_mimic::Trial;
use scenes::audit::image::Image;
use scenes::stage::{EL2, Machine, Start, elf, log_file, root, stepped};
use scenes::{Failure, Scene};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};

pub fn scenes() -> Vec<Scene> {
    [
        on_each(budget),
        on_each(always),
        on_each(forgiving),
        on_each(manual),
        on_each(monitor),
        on_each(broken_image),
        on_each(regained),
        on_each(regained_passed),
        on_each(starved),
        on_each(signalled),
        vec![warned_linux()],
        vec![starved_linux()],
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A cell that touches what nobody owns half a second after each start.
pub fn crasher(keys: &str) -> String {
    format!("{}{keys}\n", cell_of("crasher", "attacker", "[1]", "attempt=wall address=0x09010000 after_ms=50"))
}

/// The control loop goes on; meanwhile what ends has ended.
pub const SECOND: &str = r"^\[control\] control: second=";
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
    regained_with("virtual", name, states, board, ticks, after)
}

fn regained_with(gic: &str, name: &str, states: &[&str], board: Machine, ticks: &str, after: &str) -> Scene {
    let mortal = format!("{}gic = \"{gic}\"\n", cell("mortal", "[1]", "ask").replace("16M", "1M"));
    let cells = [mortal, cell("control", "[0]", "")];
    let mut scene = Scene::new(name, Start::plan(&format!("service_cpu = 0\n{}", staying(&cells)), board));
    for (count, state) in (1..).zip(states) {
        scene = scene
            .expect([&ended_line("mortal", "mortal: which state?")])
            .send(&format!("{state}\r"))
            .expect([&ended_line("mortal", &format!("mortal: state={state}"))])
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

/// A cell's line, or the last piece of it: EL2 shows a line in pieces that takes its guest long, and others' lines between
/// them. By the host's clock that is any line, where QEMU writes each instruction down on a busy machine.
fn ended_line(cell: &str, line: &str) -> String {
    let pieces: Vec<_> = line.char_indices().filter_map(|(at, _)| line.get(at..)).map(regex_lite::escape).collect();
    format!(r"^\[{cell}\] (?:{})$", pieces.join("|"))
}

/// A tick is an instruction here, of either CPU.
fn regained(gic: u32) -> Scene {
    let board = Machine { cpu: Some("cortex-a72,cntfrq=1000000000"), ..machine(gic, 2).counted() };
    let states = ["masked", "muted", "active", "wfi", "spin", "tlbi", "walks", "faults", "exits", "stores"];
    regained_from("a_cpu_is_regained_from_any_state", &states, board, "[0-9]{1,4}", "> stop mortal").limit(180)
}

/// The same where no interrupt of EL2 is sure to reach it.
fn regained_passed(gic: u32) -> Scene {
    let states = ["masked", "muted", "active", "wfi", "spin", "tlbi", "walks", "faults", "exits", "stores"];
    let name = "a_cpu_is_regained_from_any_state_passthrough";
    regained_with("passthrough", name, &states, machine(gic, 2), "[0-9]+", SECOND).limit(120)
}

/// The loop of faults that has no instructions to count, for each of its fetches faults before there is one (`faults` in the
/// scenes above is one that has): counted instructions stand still. But QEMU can log EL2's: those of the kicker's CPU from
/// where it ends the cell until the other's is in EL2, and those of that one until it is out of the guest for good. Between
/// them the guest executes none. Passed through, nothing but the zap reaches it.
fn regained_from_faults(mode: &'static str, gic: u32) -> Trial {
    const BOUND: usize = 10_000;
    let name = format!("a_cpu_is_regained_from_a_loop_of_faults_{mode}_gicv{gic}");
    let scene = regained_with(mode, &name, &["tables"], machine(gic, 2), "[0-9]+", SECOND).limit(180);
    Trial::test(name.clone(), move || {
        let count = || {
            let image = Image::read(&elf(), &root()).map_err(|error| Failure::early(format!("{error:#}")))?;
            let entry = |name: &str| {
                let found = image.functions.iter().find(|function| function.name == name);
                found.map(|function| function.start).ok_or_else(|| Failure::early(format!("no {name}")))
            };
            let (ends, out) = (entry("cellwall::cell::stop::end")?, entry("restart_on")?);
            let trace = log_file(&name)?.with_extension("trace");
            let mut command = stepped(&scene.start.command(&name)?);
            let filter = format!("{:#x}+{:#x}", EL2.0, EL2.1);
            command.args(["-d", "exec,nochain", "-dfilter", &filter, "-D"]).arg(&trace);
            scene.script.play(command, &log_file(&name)?, |_| ())?;
            let (mut kicker, mut victim, mut done) = (None, 0_usize, false);
            for line in BufReader::new(File::open(&trace)?).lines() {
                let line = line?;
                let Some((cpu, rest)) = line.strip_prefix("Trace ").and_then(|rest| rest.split_once(':')) else {
                    continue;
                };
                let at = rest.split('/').nth(1).and_then(|field| u64::from_str_radix(field, 16).ok()).unwrap_or(0);
                match (cpu, kicker) {
                    ("0", None) if at == ends => kicker = Some(1_usize),
                    ("0", Some(count)) if victim == 0 => kicker = Some(count.saturating_add(1)),
                    ("1", Some(_)) if !done => (victim, done) = (victim.saturating_add(1), at == out),
                    _ => {}
                }
            }
            std::fs::remove_file(&trace)?;
            let kicker = kicker.unwrap_or(usize::MAX);
            println!("{name}: {kicker} instructions until it is in EL2, {victim} until it is out");
            let bounded = done && kicker.saturating_add(victim) < BOUND;
            if bounded {
                Ok(())
            } else {
                Err(Failure::early(format!("{kicker} and {victim} instructions, out: {done}")))
            }
        };
        count().map_err(|failure: Failure| failure.to_string().into())
    })
}

/// A cell that does not refresh its watchdog, whatever it does instead.
fn starved(gic: u32) -> Scene {
    let mortal = cell("mortal", "[1]", "ask") + "watchdog = \"500ms\"\non_fault = { restart = 2, within = \"60s\" }\n";
    let mut scene = Scene::new(
        "a_starved_watchdog_ends_its_cell",
        Start::plan(&staying(&[cell("control", "[0]", ""), mortal]), machine(gic, 2)),
    );
    for end in ["restarting", "restarting", "failed"] {
        let end = format!(r#"event=cell-{end} cell=mortal reason="its watchdog was not refreshed""#);
        scene = scene.expect([r"mortal: which state"]).expect([&end]);
    }
    scene.expect([SECOND]).forbid(["event=cell-(stopped|failed|restarting) cell=control"])
}

/// A watchdog's first signal is an interrupt: a cell that refreshes it then lives on, each time for the whole time; in the
/// end it does so no more. So where interrupts are passed through.
fn signalled(gic: u32) -> Scene {
    let keys = "watchdog = \"500ms\"\non_fault = \"restart\"\n";
    let cells = [
        cell("hello", "[0]", "stay signals=3") + keys,
        cell_of("passed", "hello", "[1]", "stay signals=3") + keys + "gic = \"passthrough\"\n",
        cell("control", "[2]", ""),
    ];
    let plan = format!("service_cpu = 3\n{}", staying(&cells));
    let mut scene = Scene::new("a_watchdog_signals_first", Start::plan(&plan, machine(gic, 4).counted()));
    for (signal, ms) in [(1, "2[5-9]"), (2, "5[0-9]"), (3, "7[5-9]"), (4, "10[0-9]")] {
        let [one, other] = ["hello", "passed"].map(|name| format!(r"^\[{name}\] hello: signal={signal} ms={ms}[0-9]$"));
        scene = scene.expect([&one, &other]);
    }
    let [one, other] = ["hello", "passed"]
        .map(|name| format!(r#"event=cell-restarting cell={name} reason="its watchdog was not refreshed""#));
    scene
        .expect([&one, &other])
        .expect([r"^\[hello\] hello: signal=1 ms=2", r"^\[passed\] hello: signal=1 ms=2"])
        .forbid(["event=cell-(stopped|failed|restarting) cell=control", "signal=5"])
}

/// Linux that wants to be warned panics at the first signal, with its own last words, and begins anew.
fn warned_linux() -> Scene {
    let cells = [linux("linux", "[0, 1]", "\"128M\"", "watchdog=warn") + "watchdog = \"10s\"\n"];
    Scene::new("linux_is_warned_by_its_watchdog", Start::plan(&staying(&cells), machine(3, 3).counted()))
        .limit(240)
        .expect([r"linux: sbsa-gwdt .*action=1.*\[enabled\]"])
        .expect([r"linux: lived 8 s on a watchdog of 2 s"])
        .expect([r"Kernel panic - not syncing: SBSA Generic Watchdog timeout"])
        .expect([r#"event=cell-restarting cell=linux reason="reset""#])
        .expect([r"linux: userspace reached"])
}

/// Linux's own driver finds the watchdog running, keeps it alive, and when nobody does any more the cell begins anew.
fn starved_linux() -> Scene {
    let keys = "watchdog = \"10s\"\non_fault = \"restart\"\n";
    let cells = [linux("linux", "[0, 1]", "\"128M\"", "watchdog") + keys, cell("control", "[2]", "")];
    Scene::new("linux_keeps_its_watchdog_alive", Start::plan(&staying(&cells), machine(3, 4).counted()))
        .limit(240)
        .expect([r"linux: sbsa-gwdt .*action=0.*\[enabled\]"])
        .expect([r"linux: lived 8 s on a watchdog of 2 s"])
        .expect([r#"event=cell-restarting cell=linux reason="its watchdog was not refreshed""#])
        .expect([r"event=cell-started cell=linux"])
        .expect([r"linux: userspace reached"])
        .forbid(["event=cell-(stopped|failed|restarting) cell=control"])
}

/// Scenes that compare lines.
pub fn trials() -> Vec<Trial> {
    let mut trials: Vec<Trial> = DRIVEN.iter().flat_map(|&gic| [alike("cortex-a72", gic, 4), exits(gic)]).collect();
    trials.push(alike("max", 3, 2));
    let modes = ["virtual", "passthrough"];
    trials.extend(DRIVEN.iter().flat_map(|&gic| modes.map(|mode| regained_from_faults(mode, gic))));
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

/// `stats` counts exits by their classes: a thousand rounds more of known exits are as many more, whether a guest's vector
/// answers them or Rust does; guests at rest have none, nor does one whose interrupts are passed through while they come.
fn exits(gic: u32) -> Trial {
    const CLASSES: [&str; 5] = ["calls", "aborts", "traps", "interrupts", "errors"];
    let name = format!("stats_count_exits_by_class_gicv{gic}");
    let cells = [
        cell_of("few", "hello", "[0]", "stay exits=10"),
        cell_of("many", "hello", "[1]", "stay exits=1010"),
        cell_of("passed", "hello", "[2]", "stay exits=1010") + "gic = \"passthrough\"\n",
        cell("control", "[3]", ""),
    ];
    let plan = format!("service_cpu = 4\n{}", staying(&cells));
    let mut scene = Scene::new(&name, Start::plan(&plan, machine(gic, 5).counted()))
        .expect([r"\[few\] hello: done", r"\[many\] hello: done", r"\[passed\] hello: done"])
        .send("\x1d");
    for _ in 0..2 {
        scene = scene.expect([SECOND]);
        for name in ["few", "many", "passed", "control"] {
            scene = scene.send(&format!("stats {name}\r")).expect([r"  vcpu 0: exits calls="]);
        }
    }
    Trial::test(name.clone(), move || {
        let mut counts: Vec<[u64; 5]> = Vec::new();
        let command = scene.start.command(&name).map_err(|failure| failure.to_string())?;
        let log = log_file(&name).map_err(|failure| failure.to_string())?;
        let listen = |line: &str| {
            if line.contains("vcpu 0: exits ") {
                counts.push(CLASSES.map(|class| number(line, &format!(" {class}=")).unwrap_or(u64::MAX)));
            }
        };
        scene.script.play(command, &log, listen).map_err(|failure| failure.to_string())?;
        let [few, many, passed, control, few_later, many_later, passed_later, control_later] = counts[..] else {
            return Err(format!("not so many lines: {counts:?}").into());
        };
        let more = |mut one: [u64; 5], other: [u64; 5]| {
            one.iter_mut().zip(other).for_each(|(one, other)| *one = one.wrapping_sub(other));
            one
        };
        let mut wrong = Vec::new();
        if more(many, few) != [2000, 3000, 1000, 1000, 0] {
            wrong.push(format!("a thousand rounds are {:?} exits", more(many, few)));
        }
        if passed[3] != 0 {
            wrong.push(format!("{} interrupts where they are passed through", passed[3]));
        }
        if [few, many, passed] != [few_later, many_later, passed_later] {
            wrong.push("guests at rest have exits".to_owned());
        }
        if more(control_later, control)[3] < 500 {
            wrong.push(format!("most of a second of the control loop is {:?} exits", more(control_later, control)));
        }
        if wrong.is_empty() { Ok(()) } else { Err(format!("{}: {counts:?}", wrong.join("\n")).into()) }
    })
}

/// The number behind `key`.
pub fn number(line: &str, key: &str) -> Option<u64> {
    let digits = line.split_once(key)?.1;
    digits.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}
