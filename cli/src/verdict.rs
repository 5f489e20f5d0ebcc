//! The verdict on a bundle: what EL2 will say of it, said on the desk.
//!
//! Owns nothing but the translation: the bundle is read by `manifest`, the tree by `board`, the plan sealed by `plan`,
//! as EL2 does at boot, with what the loader will take ([`Target`]). Findings become problems at the plan's lines.

use crate::plan_file::PlanFile;
use crate::platform::Target;
use crate::report::{Problem, Report};
use crate::size;
use anyhow::{Context as _, Result, anyhow};
use board::{Board, Gic};
use manifest::{Bundle, Manifest};
use plan::{Class, Finding, Key, SealedPlan};
use std::fmt::Write as _;

/// A plan that holds.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Warnings.
    pub report: Report,
    /// Who gets what, for people.
    pub summary: String,
}

/// Judges the bundle made of `plan` against the board `target`.
///
/// # Errors
/// A [`Report`] of all findings where the plan does not hold; else why it cannot be judged.
pub fn judge(plan: &PlanFile, bundle: &[u8], target: &Target) -> Result<Verdict> {
    let (report, summary) = sealed(plan, bundle, target, |board, _, sealed| Ok(summary(plan, board, sealed)))?;
    Ok(Verdict { report, summary: summary.context("no text")? })
}

/// Judges likewise, and lets `then` use the proof; beside what that makes, warnings.
///
/// # Errors
/// A [`Report`] of all findings where the plan does not hold; else why it cannot be judged, or what `then` says.
pub fn sealed<T>(
    plan: &PlanFile,
    bundle: &[u8],
    target: &Target,
    then: impl FnOnce(&Board<'_>, &Manifest<'_>, &SealedPlan<'_>) -> Result<T>,
) -> Result<(Report, T)> {
    let board = Board::parse(&target.tree).map_err(|error| anyhow!("the board's tree cannot be used: {error}"))?;
    let read = Bundle::read(bundle)?;
    let tree_bytes = Bundle::total_size(&target.tree).unwrap_or(0);
    let bank = board.ram.iter().min_by_key(|bank| bank.base()).context("the board's tree has no RAM")?;
    let footprint = target.platform.placement.footprint(*bank, bundle.len() as u64, tree_bytes).with_context(|| {
        format!("the bundle ({}) and the rest do not fit into the board's RAM", size::show(bundle.len() as u64))
    })?;
    let problems = |findings: &[Finding]| findings.iter().map(|finding| problem(plan, finding)).collect();
    match plan::seal(&board, &read.manifest, &footprint) {
        Ok(sealed) => {
            let made = then(&board, &read.manifest, &sealed)?;
            Ok((plan.report(problems(sealed.findings())), made))
        }
        Err(findings) => Err(plan.report(problems(&findings)).into()),
    }
}

/// Shows a finding at its key, and beside it the key of the cell it collides with.
fn problem(plan: &PlanFile, finding: &Finding) -> Problem {
    let (key, whole) = match finding.key {
        Key::Name => ("name".to_owned(), "name"),
        Key::Cpus => ("cpus".to_owned(), "cpus"),
        Key::Memory(index) => (format!("memory[{index}]"), "memory"),
        Key::Kernel => ("kernel".to_owned(), "kernel"),
        Key::Initrd => ("initrd".to_owned(), "initrd"),
        Key::Devices(index) => (format!("devices[{index}]"), "devices"),
        Key::Dma => ("dma".to_owned(), "dma"),
        Key::Console => ("console".to_owned(), "console"),
        Key::ServiceCpu => ("service_cpu".to_owned(), "service_cpu"),
    };
    Problem {
        code: Some(finding.code),
        message: finding.message.clone(),
        span: plan.span(finding.cell, &key),
        other: finding.other.and_then(|other| plan.span(Some(other), whole)),
        help: Some(finding.help.clone()),
        warning: finding.class == Class::Warning,
    }
}

fn summary(plan: &PlanFile, board: &Board<'_>, sealed: &SealedPlan<'_>) -> Option<String> {
    let mut text = String::new();
    let gic = if matches!(board.gic, Gic::V2 { .. }) { "GICv2" } else { "GICv3" };
    let ram = board.ram.iter().fold(0_u64, |sum, bank| sum.saturating_add(bank.size()));
    let (path, cpus, ram) = (plan.path.display(), board.cpus.len(), size::show(ram));
    writeln!(text, "{path} holds on {}: {cpus} CPUs, {ram} of RAM, {gic}", plan.board).ok()?;
    for cell in sealed.cells() {
        let cpus: Vec<String> = cell.cpus.iter().map(ToString::to_string).collect();
        let of = if cpus.len() == 1 { "CPU" } else { "CPUs" };
        write!(text, "  cell {}: {of} {}", cell.name, cpus.join(", ")).ok()?;
        for run in &cell.ram {
            let bytes = size::show(run.pa.size());
            if cell.identity {
                write!(text, "; {bytes} at {}", run.ipa).ok()?;
            } else {
                write!(text, "; {bytes} at {} (board {})", run.ipa, run.pa.base()).ok()?;
            }
        }
        for device in cell.devices.iter().filter_map(|index| board.devices.get(*index)) {
            write!(text, "; {}", device.path).ok()?;
        }
        text.push('\n');
    }
    let service = sealed.service_cpu();
    let owner = sealed.cells().iter().find(|cell| cell.cpus.contains(&service));
    let owner = owner.map_or_else(|| "no cell's".to_owned(), |cell| format!("cell {}'s", cell.name));
    write!(text, "  CPU {service} ({owner}) serves UART and monitor").ok()?;
    Some(text)
}
