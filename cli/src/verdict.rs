//! The verdict on a bundle: what EL2 will say of it, said on the desk.
//!
//! Owns nothing but the translation: the bundle is read by `manifest`, the tree by `board`, the plan sealed by `plan`,
//! as EL2 does at boot, with what the loader will take ([`Target`]). Findings become problems at the plan's lines.

use crate::bundle;
use crate::complete;
use crate::depend;
use crate::lines;
use crate::plan_file::{self, PlanFile};
use crate::platform::{self, Target};
use crate::qemu;
use crate::report::{Problem, Report};
use crate::sentence::{self, Sentence};
use crate::{second_reader, size, suggest};
use address::{Address as _, PAGE_BYTES, PhysAddr, Region};
use anyhow::{Context as _, Result, anyhow};
use board::{Board, Device, Gic};
use manifest::digest::Software;
use manifest::{Bundle, Manifest, Memory};
use plan::{Class, Finding, Footprint, SealedPlan};
use std::fmt::{Display, Write as _};
use std::path::Path;
use tree::NodeId;

/// A plan that holds.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Warnings.
    pub report: Report,
    /// Who gets what, for people.
    pub summary: String,
}

/// Judges the plan at `path` against its board, whose tree is `tree` if given: form, files and proof in one go.
///
/// What a cell says whose form is wrong is not judged further, nor what others would have to do with it.
///
/// # Errors
/// A [`Report`] of all findings where the plan does not hold; else why it cannot be judged.
pub fn check(path: &Path, tree: Option<&Path>, options: &qemu::Options) -> Result<Verdict> {
    let (mut plan, mut problems) = plan_file::draft(path)?;
    let mut malformed = Vec::new();
    for (cell, _) in plan.cells.iter_mut().zip(&plan.malformed).filter(|(_, malformed)| **malformed) {
        malformed.push(cell.name.clone());
        // A bundle holds no cell without these.
        let page = Memory { size: PAGE_BYTES, at: None, identity: false };
        (cell.cpus, cell.memory) = (vec![u32::MAX], vec![page]);
    }
    let target = platform::target(&plan, tree, options);
    if let Ok(target) = &target {
        problems.extend(complete::fill(&mut plan, target)?);
    }
    let (bundle, missing) = bundle::draft(&plan)?;
    problems.extend(missing);
    let whole = !plan.board.is_empty() && !plan.cells.is_empty();
    let judged = target.and_then(|target| judge(&plan, &bundle, &target));
    let (found, summary) = match judged {
        Ok(verdict) => (verdict.report.problems, verdict.summary),
        Err(error) => match error.downcast::<Report>() {
            Ok(mut report) => {
                let board = plan.span(None, "board").filter(|_| tree.is_none());
                let nowhere = |found: &&mut Problem| found.code == Some("E0007") && found.span.is_none();
                report.problems.iter_mut().filter(nowhere).for_each(|found| found.span.clone_from(&board));
                (report.problems, String::new())
            }
            Err(error) if problems.is_empty() => return Err(error),
            Err(_) => (Vec::new(), String::new()),
        },
    };
    let sound = |found: &Problem| whole && !found.cells.iter().any(|name| malformed.contains(name));
    problems.extend(found.into_iter().filter(sound));
    problems.sort_by_key(|problem| problem.span.as_ref().map(|span| span.start));
    let mut report = plan.report(problems);
    report.closing = closing(&plan, &report);
    if report.holds() { Ok(Verdict { report, summary }) } else { Err(report.into()) }
}

/// Counts what refuses a plan and says where more is said.
fn closing(plan: &PlanFile, report: &Report) -> Option<String> {
    let code = report.problems.iter().find(|problem| !problem.warning)?.code.unwrap_or("E0103");
    let warnings = report.problems.iter().filter(|problem| problem.warning).count();
    let counted = |count: usize, thing: &str| format!("{count} {thing}{}", if count == 1 { "" } else { "s" });
    let mut text = format!(
        "{} does not hold: {}",
        plan.path.display(),
        counted(report.problems.len().saturating_sub(warnings), "error")
    );
    if warnings > 0 {
        let _ = write!(text, ", {}", counted(warnings, "warning"));
    }
    Some(text + &format!("; `cargo cellwall check --explain {code}` says more of a code"))
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
    let unusable = |why: &dyn Display| {
        plan.report(vec![Problem::new(format!("the board's tree cannot be used: {why}")).code("E0007")])
    };
    let board = Board::parse(&target.tree).map_err(|error| unusable(&error))?;
    second_reader::agrees(&board.tree, &target.tree).map_err(|error| unusable(&error))?;
    let read = Bundle::read(bundle, &Software).map_err(|error| anyhow!("{error}"))?;
    let footprint = footprint(&board, target, bundle.len() as u64)?;
    let problems = |findings: &[Finding<'_>]| {
        let found = findings.iter().map(|finding| problem(plan, &board, finding));
        plan.notes.iter().cloned().chain(found).collect()
    };
    let sealed = plan::seal_sound_cells(&board, &read.manifest, &footprint);
    let sealed = sealed.and_then(|plan| {
        let whole = plan.findings.iter().all(|finding| finding.class() != Class::Cell);
        if whole { Ok(plan) } else { Err(plan.findings) }
    });
    let mut found: Vec<Problem> = problems(sealed.as_ref().map_or_else(Vec::as_slice, |plan| plan.findings.as_slice()));
    found.extend(depend::judge(plan, &board));
    found.extend(target.platform.interrupts.iter().flat_map(|lines| lines::judge(plan, &board, *lines)));
    let report = plan.report(found);
    match sealed {
        Ok(sealed) if report.holds() => Ok((report, then(&board, &read.manifest, &sealed)?)),
        _ => Err(report.into()),
    }
}

/// Returns what the loader will take of the board's RAM for a bundle of so many bytes.
///
/// # Errors
/// It does not fit.
pub fn footprint(board: &Board<'_>, target: &Target, bundle_bytes: u64) -> Result<Footprint> {
    let tree_bytes = Bundle::total_size(&target.tree).unwrap_or(0);
    let bank = board.ram.iter().min_by_key(|bank| bank.base()).context("the board's tree has no RAM")?;
    target.platform.placement.footprint(*bank, bundle_bytes, tree_bytes).with_context(|| {
        format!("the bundle ({}) and the rest do not fit into the board's RAM", size::show(bundle_bytes))
    })
}

/// Shows a finding at its key, and beside it what it collides with.
fn problem(plan: &PlanFile, board: &Board<'_>, finding: &Finding<'_>) -> Problem {
    let said = sentence::say(finding);
    let place = |entry: Option<usize>| entry.map_or(said.key.to_owned(), |entry| format!("{}[{entry}]", said.key));
    let other = match finding.other {
        Some(other) => plan.span(Some(other), &place(entry_of(plan, board, finding, &said, other, None))),
        None if said.code == "E0108" => plan.spans.get("service_cpu").cloned(),
        // A cell that collides with itself.
        None => finding.cell.and_then(|cell| {
            let same = entry_of(plan, board, finding, &said, cell, finding.entry)?;
            plan.span(Some(cell), &place(Some(same)))
        }),
    };
    let cells = [finding.cell, finding.other].into_iter().flatten().filter_map(|cell| plan.cells.get(cell));
    Problem {
        cells: cells.map(|cell| cell.name.clone()).collect(),
        names: finding.names.iter().skip(2).filter(|name| !name.is_empty()).map(ToString::to_string).collect(),
        numbers: finding.numbers.to_vec(),
        code: Some(said.code),
        span: plan.span(finding.cell, &place(finding.entry)),
        other,
        help: Some(help(plan, board, finding, &said)),
        message: said.message,
        warning: finding.class() == Class::Warning,
    }
}

/// Finds the entry of `cell`, other than `not`, that a finding collides with.
fn entry_of(
    plan: &PlanFile,
    board: &Board<'_>,
    finding: &Finding<'_>,
    said: &Sentence,
    cell: usize,
    not: Option<usize>,
) -> Option<usize> {
    let (cell, [number, _, base, end]) = (plan.cells.get(cell)?, finding.numbers);
    let found = |entries: &mut dyn Iterator<Item = bool>| {
        entries.enumerate().find(|(entry, same)| *same && Some(*entry) != not).map(|(entry, _)| entry)
    };
    let run = |run: &Memory| match run.at {
        Some(at) => at <= base && base < at.saturating_add(run.size),
        None => Some(run.size) == end.checked_sub(base),
    };
    match said.code {
        "E0103" | "E0104" => found(&mut cell.cpus.iter().map(|cpu| u64::from(*cpu) == number)),
        "E0205" | "E0209" => found(&mut cell.memory.iter().map(run)),
        "E0305" | "E0306" | "E0308" | "E0401" => {
            let wanted = |name: &str| board.device(name).filter(|_| !name.is_empty());
            let named = [finding.names[3], finding.names[2]].map(wanted);
            // What it is about is named last, where there is one more.
            let thing = named.into_iter().flatten().next()?;
            found(&mut cell.devices.iter().map(|path| wanted(path) == Some(thing)))
        }
        _ => None,
    }
}

/// Says what to change; where EL2 names one thing or none, all there are.
fn help(plan: &PlanFile, board: &Board<'_>, finding: &Finding<'_>, said: &Sentence) -> String {
    match said.code {
        "E0301" => {
            let paths = board.devices.iter().map(|device| board.path(device));
            let lists = ["aliases", "__symbols__"].into_iter().filter_map(|list| board.tree.child(NodeId::ROOT, list));
            let names = lists.flat_map(|list| board.tree.properties(list).map(|(name, _)| name));
            let near =
                suggest::nearest(finding.names[2], paths.chain(names)).map(|path| format!("did you mean {path}?"));
            near.unwrap_or_else(|| said.help.clone())
        }
        "E0307" => {
            let cell = finding.cell.and_then(|cell| plan.cells.get(cell));
            let named: Vec<&str> = cell.into_iter().flat_map(|cell| &cell.devices).map(String::as_str).collect();
            let missing = together(board, finding, &named);
            format!("name these too: {}", missing.join(", "))
        }
        "E0702" | "E0704" => {
            // A cell's tree, 64 KiB, lies behind the kernel.
            let [bytes, at, base, end] = finding.numbers;
            let (tree, base, end) = if said.code == "E0702" { (64 << 10, base, end) } else { (0, 0, base) };
            let wanted = at.saturating_add(bytes).saturating_add(tree);
            let odd = if base.is_multiple_of(2 << 20) { "" } else { ", or let at be a multiple of 2 MiB" };
            if said.code == "E0702" && !(base..=end).contains(&at) {
                let start = PhysAddr::at(at & !0xfff);
                return format!(
                    "let that run begin at or before it, as with `at = {start}`, or link or load it elsewhere"
                );
            }
            format!("make that run {} larger{odd}", size::show(wanted.saturating_sub(end).next_multiple_of(PAGE_BYTES)))
        }
        "E0202" if (1..PAGE_BYTES).contains(&finding.numbers[1]) => {
            let bytes = finding.numbers[1];
            format!("a number alone is bytes: write \"{bytes}M\" for {bytes} MiB")
        }
        "E0206" => {
            let banks: Vec<String> = board.ram.iter().map(ToString::to_string).collect();
            format!("the board has RAM at {}", banks.join(" and "))
        }
        _ => said.help.clone(),
    }
}

/// Returns the devices beside `named` on the pages of an E0307.
#[must_use]
pub fn together<'b>(board: &'b Board<'_>, finding: &Finding<'_>, named: &[&str]) -> Vec<&'b str> {
    let [base, end, ..] = finding.numbers.map(PhysAddr::at);
    // The console passed through has no name in the list.
    let named: Vec<_> = named.iter().chain(&finding.names[2..3]).map(|path| board.device(path)).collect();
    let there = |device: &Device<'_>| {
        let mut pages = device.regions.iter().filter_map(|region| region.widen(PAGE_BYTES));
        !device.disabled && pages.any(|pages| Region::from_ends(base, end).is_some_and(|all| all.overlaps(pages)))
    };
    let missing = board.devices.iter().enumerate();
    let missing = missing.filter(|(index, device)| there(device) && !named.contains(&Some(*index)));
    missing.map(|(_, device)| board.path(device)).collect()
}

fn summary(plan: &PlanFile, board: &Board<'_>, sealed: &SealedPlan<'_>) -> Option<String> {
    let mut text = String::new();
    let gic = if matches!(board.gic, Gic::V2 { .. }) { "GICv2" } else { "GICv3" };
    let ram = board.ram.iter().fold(0_u64, |sum, bank| sum.saturating_add(bank.size()));
    let (path, cpus, ram) = (plan.path.display(), board.cpus.len(), size::show(ram));
    writeln!(text, "{path} holds on {}: {cpus} CPUs, {ram} of RAM, {gic}", plan.board).ok()?;
    for cell in &sealed.cells {
        let cpus: Vec<String> = cell.cpus.iter().map(ToString::to_string).collect();
        let of = if cpus.len() == 1 { "CPU" } else { "CPUs" };
        write!(text, "  cell {}: {of} {}", cell.name, cpus.join(", ")).ok()?;
        for run in &cell.ram {
            let bytes = size::show(run.pa.size());
            if run.ipa.get() == run.pa.base().get() {
                write!(text, "; {bytes} at {}", run.ipa).ok()?;
            } else {
                write!(text, "; {bytes} at {} (board {})", run.ipa, run.pa.base()).ok()?;
            }
        }
        for device in cell.devices.iter().filter_map(|index| board.devices.get(*index)) {
            write!(text, "; {}", board.path(device)).ok()?;
        }
        text.push('\n');
    }
    for line in depend::told(plan, board) {
        writeln!(text, "  {line}").ok()?;
    }
    let service = sealed.service_cpu;
    let owner = sealed.cells.iter().find(|cell| cell.cpus.contains(&service));
    let owner = owner.map_or_else(|| "no cell's".to_owned(), |cell| format!("cell {}'s", cell.name));
    write!(text, "  CPU {service} ({owner}) serves UART and monitor").ok()?;
    Some(text)
}
