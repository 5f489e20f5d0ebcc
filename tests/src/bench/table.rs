//! The table: a line an event; for each GIC bare metal, the cell with its ratio, goal, peers.

use super::costs::{Costs, Event, Pair, of};
use super::{Mode, Run};
use std::fmt::Write as _;

fn find(runs: &[Run], mode: Mode, gic: u32, event: &str) -> Option<u64> {
    // Of one and two CPUs the larger machine counts what needs two; the rest is the same on both.
    runs.iter().filter(|run| run.mode == mode && run.gic == gic).filter_map(|run| run.min(event)).min()
}

fn cell(value: Option<u64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| value.to_string())
}

fn ratio(value: Option<u64>, bare: Option<u64>) -> String {
    match (value, bare) {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        (Some(value), Some(bare)) if bare != 0 => format!("{value} (×{:.1})", value as f64 / bare as f64),
        (Some(value), _) => value.to_string(),
        (None, _) => "–".to_owned(),
    }
}

fn peer(pair: Option<Pair>, gic: u32) -> String {
    cell(pair.map(|pair| of(pair, gic)))
}

fn row(costs: &Event, runs: &[Run], gic: u32, passthrough: bool) -> Option<String> {
    let of_mode = |mode| find(runs, mode, gic, &costs.name);
    let (bare, own) = (of_mode(Mode::Bare), of_mode(Mode::Virtual));
    own.or(bare)?;
    let goal = match (costs.goal, own) {
        (Some(goal), Some(own)) if own > goal => format!("**over** {goal}"),
        (Some(goal), _) => format!("≤ {goal}"),
        (None, _) => String::new(),
    };
    let in_el2 = runs.iter().find(|run| run.mode == Mode::Virtual && run.gic == gic && !run.in_el2.is_empty());
    let in_el2 = in_el2.and_then(|run| run.in_el2.get(&costs.name)).map_or_else(
        || "–".to_owned(),
        |el2| match gic {
            2 => format!("{} / {}", el2.entries, el2.instructions),
            _ => format!("{} / {} / {}", el2.entries, el2.instructions, el2.gic_registers),
        },
    );
    let mut line = format!("| {} | {} | {} | {goal} | {in_el2} |", costs.text, cell(bare), ratio(own, bare));
    if passthrough {
        let _ = write!(line, " {} |", ratio(of_mode(Mode::Passthrough), bare));
    }
    let peers = [costs.bao, costs.xen417, costs.xen423].map(|pair| peer(pair, gic));
    let _ = write!(line, " {} |", peers.join(" | "));
    Some(line)
}

/// The tables as Markdown, one for each GIC.
#[must_use]
pub fn markdown(costs: &Costs, runs: &[Run]) -> String {
    let mut text = String::new();
    let passthrough = runs.iter().any(|run| run.mode == Mode::Passthrough);
    for gic in [3, 2] {
        let el2 = if gic == 2 { "entries / instructions" } else { "entries / instructions / GIC registers" };
        let extra = if passthrough { " passthrough |" } else { "" };
        let _ = write!(
            text,
            "GICv{gic} | bare metal | virtual | goal | in EL2: {el2} |{extra} Bao | Xen 4.17 | Xen 4.23 |"
        );
        text = text.replace(&format!("GICv{gic} |"), &format!("| GICv{gic} |"));
        let _ = writeln!(text, "\n|---|---|---|---|---|{}---|---|---|", if passthrough { "---|" } else { "" });
        for line in costs.event.iter().filter_map(|event| row(event, runs, gic, passthrough)) {
            let _ = writeln!(text, "{line}");
        }
        text.push('\n');
    }
    text
}
