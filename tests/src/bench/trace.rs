//! A run followed instruction by instruction: how often an event enters EL2, what it executes there and where.
//!
//! QEMU logs one line an instruction (`-d exec`, one instruction a block); the guest calls marks before and behind each
//! run of an event, and its lines on the console name the events in the same order.

use super::run::{self, watch};
use super::{InEl2, Mode, Run};
use crate::audit::image::Image;
use crate::script::Failure;
use crate::stage::{self, EL2, root};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader};

/// Where the cell's memory begins, and the guest in it.
const CELL: u64 = 0x4000_0000;

/// One run of an event: the addresses EL2 executed.
pub type Path = Vec<u64>;

/// What a traced run says of every event: the last round of each.
pub struct Traced {
    /// What the guest counted meanwhile.
    pub run: Run,
    /// EL2's instructions in order.
    pub paths: BTreeMap<String, Path>,
}

/// Runs the guest once with tracing.
///
/// # Errors
/// The guest did not come to its end, or the linked image or the guest cannot be read.
pub fn trace(mode: Mode, gic: u32, cpus: u32, cpu: &'static str, el2: &std::path::Path) -> Result<Traced, Failure> {
    let early = |error: anyhow::Error| Failure::early(format!("{error:#}"));
    let name = format!("bench_trace_{}_gicv{gic}", mode.name());
    let log = stage::log_file(&name)?.with_extension("trace");
    let guest = Image::read(&root().join("build/guests").join(run::GUEST), &root()).map_err(early)?;
    let mark = |name: &str| {
        let found = guest.functions.iter().find(|function| function.name == name).map(|function| function.start);
        found.map(|at| at.wrapping_add(CELL)).ok_or_else(|| Failure::early(format!("the guest has no symbol {name}")))
    };
    let marks = [mark("bench_mark_event")?, mark("bench_mark_begin")?, mark("bench_mark_end")?];
    let filter = format!("{:#x}+{:#x},{:#x}+0x10", EL2.0, EL2.1, marks[0]);
    let plain = run::start(mode, gic, cpus, cpu, "rounds=4").command(&name)?;
    let mut command = stage::stepped(&plain);
    command.args(["-d", "exec,nochain", "-dfilter", &filter, "-D"]).arg(&log);
    let mut run = watch(mode, gic, cpus, &name, command)?;
    let paths = follow(&log, marks, &run.order)?;
    std::fs::remove_file(&log)?;
    let image = Image::read(el2, &root()).map_err(early)?;
    let entries: BTreeSet<u64> = image
        .functions
        .iter()
        .filter(|function| function.name == "vectors")
        .flat_map(|vectors| (0x400..0x800).step_by(0x80).map(|entry| vectors.start.wrapping_add(entry)))
        .collect();
    let registers = gic_accesses(&image);
    for (event, path) in &paths {
        let count = |set: &BTreeSet<u64>| path.iter().filter(|at| set.contains(at)).count() as u64;
        let in_el2 =
            InEl2 { entries: count(&entries), instructions: path.len() as u64, gic_registers: count(&registers) };
        run.in_el2.insert(event.clone(), in_el2);
    }
    Ok(Traced { run, paths })
}

/// Reads the log: what EL2 executed between the marks of each event's last round.
fn follow(
    log: &std::path::Path,
    [event, begin, end]: [u64; 3],
    order: &[String],
) -> Result<BTreeMap<String, Path>, Failure> {
    let (mut events, mut current, mut inside, mut last) = (order.iter(), None, false, Vec::new());
    let mut paths = BTreeMap::new();
    for line in BufReader::new(File::open(log)?).lines() {
        let line = line?;
        let field = line.strip_prefix("Trace").and_then(|rest| rest.split('/').nth(1));
        let Some(at) = field.and_then(|field| u64::from_str_radix(field, 16).ok()) else { continue };
        if at == event {
            current = events.next();
        } else if at == begin {
            (inside, last) = (true, Vec::new());
        } else if at == end {
            inside = false;
            if let Some(name) = current {
                paths.insert(name.clone(), std::mem::take(&mut last));
            }
        } else if inside && at >= EL2.0 && last.last() != Some(&at) {
            // The same twice running is one that QEMU had to begin anew.
            last.push(at);
        }
    }
    Ok(paths)
}

/// The addresses of instructions that access the GIC's system registers: MSR and MRS with op0 = 3 and `CRn` = 12, `CRm` from 8
/// on, or `ICC_PMR_EL1` (DDI 0487 C5.1).
fn gic_accesses(image: &Image) -> BTreeSet<u64> {
    let mut found = BTreeSet::new();
    for section in image.sections.iter().filter(|section| section.code) {
        for (at, word) in (section.start..).step_by(4).zip(section.data.chunks_exact(4)) {
            let word = word.try_into().map_or(0, u32::from_le_bytes);
            let (system, crn, crm) = (word & 0xffd8_0000 == 0xd518_0000, word >> 12 & 0xf, word >> 8 & 0xf);
            if system && (crn == 12 && crm >= 8 || crn == 4 && crm == 6) {
                found.insert(at);
            }
        }
    }
    found
}

/// A path as people read it: runs of instructions by function, source line by source line left out.
///
/// # Errors
/// The image cannot be read.
pub fn story(path: &Path, el2: &std::path::Path) -> Result<Vec<(String, usize)>, Failure> {
    let image = Image::read(el2, &root()).map_err(|error| Failure::early(format!("{error:#}")))?;
    let name = |at: u64| {
        let index = image.functions.partition_point(|function| function.start <= at);
        index.checked_sub(1).and_then(|index| image.functions.get(index)).map_or("?", |function| &function.name)
    };
    let mut story: Vec<(String, usize)> = Vec::new();
    for &at in path {
        let name = name(at);
        match story.last_mut() {
            Some((last, count)) if last == name => *count = count.wrapping_add(1),
            _ => story.push((name.to_owned(), 1)),
        }
    }
    Ok(story)
}
