//! `./x bench`: counts what each kind of exit costs, prints it beside bare metal and the peers, and writes
//! `build/bench/bench.json` and a plot for each GIC.
//!
//! `--linux` counts Linux from its first instruction to its first program, bare and as a cell with the same tree.
//! `--check` runs the guest once for each GIC and fails above a limit of `tests/costs.toml`; `--trace EVENT [GIC]` shows
//! which functions of EL2 one run of an event goes through. Exit 0, 1 above a limit or goal, 2 if it cannot tell.

use scenes::bench::costs::Costs;
use scenes::bench::{Mode, Run, linux, plot, run, table, trace};
use scenes::script::Failure;
use scenes::stage::{elf, root};
use std::env;
use std::fs;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match bench(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::from(2)
        }
    }
}

fn bench(arguments: &[String]) -> Result<bool, Failure> {
    let costs = Costs::read(&root().join("tests/costs.toml")).map_err(|error| Failure::early(format!("{error:#}")))?;
    let cpu = costs.cpu();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => all(&costs, cpu),
        ["--check"] => check(&costs, cpu),
        ["--trace", event] => one(event, 3, cpu),
        ["--trace", event, gic @ ("2" | "3")] => one(event, if *gic == "2" { 2 } else { 3 }, cpu),
        ["--linux"] => linux::compare(),
        _ => Err(Failure::early("usage: bench [--check | --linux | --trace EVENT [2|3]]")),
    }
}

fn check(costs: &Costs, cpu: &'static str) -> Result<bool, Failure> {
    let mut excesses = Vec::new();
    for gic in [3, 2] {
        for mode in [Mode::Virtual, Mode::Passthrough] {
            if mode == Mode::Passthrough && costs.event.iter().all(|event| event.passthrough.is_none()) {
                continue;
            }
            excesses.extend(costs.excesses(&run::run(mode, gic, 2, cpu)?));
        }
    }
    for line in &excesses {
        println!("bench: {line}");
    }
    if excesses.is_empty() {
        println!("bench: every exit is within its limit");
    }
    Ok(excesses.is_empty())
}

fn all(costs: &Costs, cpu: &'static str) -> Result<bool, Failure> {
    let mut runs: Vec<Run> = Vec::new();
    for gic in [3, 2] {
        runs.push(run::run(Mode::Bare, gic, 2, cpu)?);
        runs.push(run::run(Mode::Virtual, gic, 1, cpu)?);
        let mut two = run::run(Mode::Virtual, gic, 2, cpu)?;
        two.in_el2 = trace::trace(Mode::Virtual, gic, 2, cpu, &elf())?.run.in_el2;
        runs.push(two);
        runs.push(run::run(Mode::Passthrough, gic, 2, cpu)?);
        let linux = linux::measure(gic)?.map(i64::unsigned_abs);
        for run in runs.iter_mut().filter(|run| run.gic == gic && run.cpus == 2) {
            match run.mode {
                Mode::Bare => run.add("linux", linux[0]),
                Mode::Virtual => run.add("linux", linux[1]),
                Mode::Passthrough => {}
            }
            if run.mode != Mode::Bare {
                run.add("restart", run::restart(run.mode, gic, cpu)?);
            }
        }
    }
    let folder = root().join("build/bench");
    fs::create_dir_all(&folder)?;
    let json = serde_json::to_string_pretty(&runs).map_err(Failure::early)?;
    fs::write(folder.join("bench.json"), json)?;
    for gic in [3, 2] {
        fs::write(folder.join(format!("gicv{gic}.svg")), plot::svg(costs, &runs, gic))?;
    }
    let text = table::markdown(costs, &runs);
    fs::write(folder.join("bench.md"), &text)?;
    print!("{text}");
    println!("wrote {}/bench.json, bench.md, gicv3.svg, gicv2.svg", folder.display());
    let excesses: Vec<String> =
        runs.iter().filter(|run| run.mode != Mode::Bare).flat_map(|run| costs.excesses(run)).collect();
    for line in &excesses {
        println!("bench: {line}");
    }
    Ok(excesses.is_empty())
}

fn one(event: &str, gic: u32, cpu: &'static str) -> Result<bool, Failure> {
    let traced = trace::trace(Mode::Virtual, gic, 2, cpu, &elf())?;
    let Some(path) = traced.paths.get(event) else {
        return Err(Failure::early(format!("no event {event}; there are: {}", traced.run.order.join(", "))));
    };
    for (function, count) in trace::story(path, &elf())? {
        println!("{count:6} {function}");
    }
    println!("{:6} instructions in EL2", path.len());
    Ok(true)
}
