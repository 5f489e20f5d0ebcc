//! Boots `guests/bench` and collects the lines it counts with.

use super::{Cost, Mode, Run};
use crate::script::{Failure, Script, Step, patterns};
use crate::stage::{self, Machine, Start};
use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

/// The guest's name, and the cell's.
pub const GUEST: &str = "bench";

/// What boots the guest in that mode.
#[must_use]
pub fn start(mode: Mode, gic: u32, cpus: u32, cpu: &'static str, bootargs: &'static str) -> Start {
    // One CPU more than the cell's, which serves the console: what the guest's CPUs count is theirs alone.
    let spare = u32::from(mode != Mode::Bare);
    let machine = Machine { gic, cpus: cpus.saturating_add(spare), cpu: Some(cpu), ..Machine::default() }.counted();
    if mode == Mode::Bare {
        return Start::Guest { name: GUEST, bootargs, machine };
    }
    let cell_cpus: Vec<String> = (0..cpus).map(|cpu| cpu.to_string()).collect();
    let gic_key = if mode == Mode::Passthrough { "gic = \"passthrough\"\n" } else { "" };
    let text = format!(
        "board = \"qemu-virt\"\nwhen_idle = \"poweroff\"\n\n[[cell]]\nname = \"{GUEST}\"\ncpus = [{}]\nmemory = \"16M\"\n\
         kernel = \"{{bench}}\"\nbootargs = \"{bootargs}\"\n{gic_key}",
        cell_cpus.join(", ")
    );
    Start::plan(&text, machine)
}

/// Runs the guest in that mode.
///
/// # Errors
/// The plan is refused, or the guest did not come to its end.
pub fn run(mode: Mode, gic: u32, cpus: u32, cpu: &'static str) -> Result<Run, Failure> {
    let name = format!("bench_{}_gicv{gic}_{cpus}", mode.name());
    watch(mode, gic, cpus, &name, start(mode, gic, cpus, cpu, "").command(&name)?)
}

/// Counts from a cell's `SYSTEM_RESET` to its first instruction again: RAM of 1 MiB scrubbed, the image checked and copied.
///
/// # Errors
/// The plan is refused, or the cell did not come back.
pub fn restart(mode: Mode, gic: u32, cpu: &'static str) -> Result<u64, Failure> {
    let name = format!("bench_restart_{}_gicv{gic}", mode.name());
    let mut start = start(mode, gic, 1, cpu, "restart");
    if let Start::Plan { text, .. } = &mut start {
        *text = text.replace("\"16M\"", "\"1M\"");
    }
    let mut script = Script { steps: vec![Step::expect(&["bench: life="]); 3], ..Script::default() };
    script.limit = Duration::from_mins(2);
    let (life, mut ends, mut cost) = (patterns(&[r"bench: life=(\d+) ends=(\d+)"]), None, None);
    script.play(start.command(&name)?, &stage::log_file(&name)?, |line| {
        let Some(found) = life.first().and_then(|life| life.captures(line)) else { return };
        if let (Ok(began), Some(ended)) = (found[1].parse::<u64>(), ends) {
            cost = Some(began.saturating_sub(ended));
        }
        ends = found[2].parse().ok();
    })?;
    cost.ok_or_else(|| Failure::early(format!("{name}: one life only")))
}

/// Watches a command that runs the guest.
///
/// # Errors
/// The guest did not come to its end.
pub fn watch(mode: Mode, gic: u32, cpus: u32, name: &str, command: Command) -> Result<Run, Failure> {
    let (mut order, mut costs) = (Vec::new(), BTreeMap::new());
    let mut script = Script { steps: vec![Step::expect(&["bench: done"]), Step::End], ..Script::default() };
    script.limit = Duration::from_mins(2);
    let event = patterns(&[r"bench: event=(\S+) min=(\d+) max=(\d+)"]);
    script.play(command, &stage::log_file(name)?, |line| {
        let Some(found) = event.first().and_then(|event| event.captures(line)) else { return };
        if let (Ok(min), Ok(max)) = (found[2].parse(), found[3].parse()) {
            order.push(found[1].to_owned());
            costs.insert(found[1].to_owned(), Cost { min, max });
        }
    })?;
    Ok(Run { mode, gic, cpus, order, costs, in_el2: BTreeMap::new() })
}
