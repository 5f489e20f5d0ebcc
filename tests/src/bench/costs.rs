//! `tests/costs.toml`: what each event is called, may cost, and costs elsewhere.

use super::{Mode, Run};
use anyhow::{Context as _, Result};
use serde::Deserialize;
use std::path::Path;

/// A number for `GICv3` and one for `GICv2`.
pub type Pair = [u64; 2];

/// Of a [`Pair`], that of a version.
#[must_use]
pub fn of(pair: Pair, gic: u32) -> u64 {
    if gic == 2 { pair[1] } else { pair[0] }
}

/// One kind of event.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// As the guest calls it.
    pub name: String,
    /// As people do.
    pub text: String,
    /// What the design asks of a cell with a virtual GIC.
    pub goal: Option<u64>,
    /// Above this `--check` fails.
    pub limit: Option<Pair>,
    /// The same for a cell with the board's GIC.
    pub passthrough: Option<Pair>,
    /// Bao's figure.
    pub bao: Option<Pair>,
    /// That of Xen 4.17.
    pub xen417: Option<Pair>,
    /// That of Xen 4.23.
    pub xen423: Option<Pair>,
}

impl Event {
    /// What it may cost in that run.
    #[must_use]
    pub fn limit(&self, mode: Mode, gic: u32) -> Option<u64> {
        // 0: there is no such event on that version.
        let limit = match mode {
            Mode::Bare => None,
            Mode::Virtual => self.limit.map(|pair| of(pair, gic)).or(self.goal),
            Mode::Passthrough => self.passthrough.map(|pair| of(pair, gic)),
        };
        limit.filter(|limit| *limit != 0)
    }
}

/// The machine that counts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// QEMU's CPU model, with options.
    pub cpu: String,
}

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Costs {
    /// The machine that counts.
    pub machine: Machine,
    /// Every event.
    pub event: Vec<Event>,
}

impl Costs {
    /// Reads it.
    ///
    /// # Errors
    /// It is missing or malformed.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is malformed", path.display()))
    }

    /// The CPU model that counts, for good.
    #[must_use]
    pub fn cpu(&self) -> &'static str {
        Box::leak(self.machine.cpu.clone().into_boxed_str())
    }

    /// What grew: a line for each event of `run` above its limit, and for each that has one and was not counted.
    #[must_use]
    pub fn excesses(&self, run: &Run) -> Vec<String> {
        let mut lines = Vec::new();
        for event in &self.event {
            let Some(limit) = event.limit(run.mode, run.gic) else { continue };
            let pairs = event.name.starts_with("ipi") || matches!(event.name.as_str(), "cpu-on" | "line");
            match run.min(&event.name) {
                Some(cost) if cost > limit => lines.push(format!(
                    "{} ({}) on GICv{}, {} GIC: {cost} instructions, the limit is {limit}",
                    event.name,
                    event.text,
                    run.gic,
                    run.mode.name()
                )),
                None if run.cpus > 1 || !pairs => {
                    lines.push(format!("{} ({}) on GICv{} was not counted", event.name, event.text, run.gic));
                }
                _ => {}
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::bench::Cost;
    use std::collections::BTreeMap;

    fn costs(extra: &str) -> Costs {
        let text = format!("[machine]\ncpu = \"x\"\n[[event]]\nname = \"timer\"\ntext = \"a timer\"\n{extra}");
        toml::from_str(&text).unwrap()
    }

    fn run(timer: u64, gic: u32) -> Run {
        let costs = BTreeMap::from([("timer".to_owned(), Cost { min: timer, max: timer })]);
        Run { mode: Mode::Virtual, gic, cpus: 2, order: Vec::new(), costs, in_el2: BTreeMap::new() }
    }

    #[test]
    fn an_exit_that_grew_is_named_with_both_numbers() {
        let lines = costs("goal = 80").excesses(&run(81, 3));
        assert_eq!(lines, ["timer (a timer) on GICv3, virtual GIC: 81 instructions, the limit is 80"]);
    }

    #[test]
    fn each_version_has_its_own_limit_before_the_goal() {
        let costs = costs("goal = 80\nlimit = [70, 90]");
        assert!(costs.excesses(&run(90, 2)).is_empty());
        assert_eq!(costs.excesses(&run(71, 3)).len(), 1);
    }

    #[test]
    fn an_event_with_a_limit_that_was_not_counted_is_a_finding() {
        let mut without = run(0, 3);
        without.costs.clear();
        assert_eq!(costs("goal = 80").excesses(&without).len(), 1);
        assert!(costs("").excesses(&without).is_empty());
    }
}
