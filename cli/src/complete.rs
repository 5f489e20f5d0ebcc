//! What a plan leaves to its board, worked out: the rest of the devices, the rest of memory, the cells' own trees.
//!
//! Owns the order: devices, then memory and trees, twice, since each has a part in where the other goes. What comes out
//! says everything by itself, so that EL2 need not work out anything: it proves the plan as if a person had written it.
//! Which device may be given away is decided by the `plan` crate: what it blames is left out, and told.

use crate::bundle;
use crate::cell_dtb;
use crate::plan_file::PlanFile;
use crate::platform::Target;
use crate::report::{Problem, Report};
use crate::sentence;
use crate::verdict::footprint;
use address::PAGE_BYTES;
use board::Board;
use manifest::digest::Software;
use manifest::{Bundle, Dma, Manifest};
use plan::{Class, Finding, Footprint, SealedPlan};
use std::collections::BTreeMap;

/// Works out what `plan` leaves to the board `target`, and notes what that board is like.
///
/// # Errors
/// A [`Report`] of every tree that cannot be used. Whether the plan holds is judged later.
pub fn complete(mut plan: PlanFile, target: &Target) -> Result<PlanFile, Report> {
    let problems = fill(&mut plan, target)?;
    if problems.is_empty() { Ok(plan) } else { Err(plan.report(problems)) }
}

/// Does so as far as it can, and says what is wrong with trees that are brought along.
///
/// # Errors
/// A FIT cannot hold the plan.
pub fn fill(plan: &mut PlanFile, target: &Target) -> Result<Vec<Problem>, Report> {
    let mut problems = Vec::new();
    // A tree that is no board's is told by whoever judges the plan.
    let Ok(board) = Board::parse(&target.tree) else { return Ok(problems) };
    plan.facts = board.facts().to_vec();
    if let Some(cell) = plan.cells.iter().position(|cell| cell.rest) {
        let judge = Judge::new(plan, target)?;
        let (paths, notes) =
            judge.on(&board, |manifest, footprint| rest(cell, &board, manifest, footprint)).unwrap_or_default();
        plan.cells.iter_mut().skip(cell).take(1).for_each(|cell| cell.devices.clone_from(&paths));
        let span = plan.span(Some(cell), "devices");
        plan.notes.extend(notes.into_iter().map(|note| Problem { span: span.clone(), warning: true, ..note }));
    }
    // A tree's size decides where the bundle ends; where memory begins decides what a tree says.
    for _ in 0..2 {
        if let Some(cell) = plan.cells.iter().position(|cell| cell.all_memory) {
            let judge = Judge::new(plan, target)?;
            let size = judge.on(&board, |manifest, footprint| largest(cell, &board, manifest, footprint)).unwrap_or(0);
            plan.cells.iter_mut().skip(cell).take(1).flat_map(|cell| &mut cell.memory).for_each(|run| run.size = size);
        }
        if plan.cells.iter().any(|cell| cell.dtb.is_some() || cell.overlay.is_some()) {
            let judge = Judge::new(plan, target)?;
            let made = judge.on(&board, |manifest, footprint| {
                let sealed = plan::seal_sound_cells(&board, manifest, footprint).ok();
                trees(plan, &board, manifest, sealed.as_ref())
            });
            let (made, wrong) = made.unwrap_or_default();
            plan.cells.iter_mut().zip(made).for_each(|(cell, tree)| cell.tree = tree);
            problems = wrong;
        }
    }
    Ok(problems)
}

/// The plan as EL2 would read it now.
struct Judge<'t> {
    bytes: Vec<u8>,
    target: &'t Target,
}

impl<'t> Judge<'t> {
    fn new(plan: &PlanFile, target: &'t Target) -> Result<Self, Report> {
        Ok(Self { bytes: bundle::draft(plan)?.0, target })
    }

    /// Nothing where the bundle does not fit the board: that is told later.
    fn on<T>(&self, board: &Board<'_>, then: impl FnOnce(&Manifest<'_>, &Footprint) -> T) -> Option<T> {
        let footprint = footprint(board, self.target, self.bytes.len() as u64);
        let read = Bundle::read(&self.bytes, &Software).ok().zip(footprint.ok());
        read.map(|(bundle, footprint)| then(&bundle.manifest, &footprint))
    }
}

/// Judges a plan for its findings alone.
fn findings<'a>(board: &'a Board<'a>, manifest: &Manifest<'a>, footprint: &Footprint) -> Vec<Finding<'a>> {
    match plan::seal_sound_cells(board, manifest, footprint) {
        Ok(plan) => plan.findings,
        Err(findings) => findings,
    }
}

/// Returns the paths of the devices that `cell` gets as the rest, and what is to be said of the others.
fn rest(cell: usize, board: &Board<'_>, manifest: &Manifest<'_>, footprint: &Footprint) -> (Vec<String>, Vec<Problem>) {
    let named: Vec<_> = manifest.cells.iter().flat_map(|cell| &cell.devices).map(|path| board.device(path)).collect();
    let unsaid = manifest.cells.get(cell).is_some_and(|cell| cell.dma == Dma::Unsaid);
    let mut out: BTreeMap<&'static str, Vec<&str>> = BTreeMap::new();
    let mut given = Vec::new();
    for (index, device) in board.devices.iter().enumerate() {
        if device.disabled || device.regions.is_empty() || named.contains(&Some(index)) || board.stdout == Some(index) {
            continue;
        }
        if unsaid && !device.no_dma() {
            out.entry("may master DMA, of which dma says nothing").or_default().push(board.path(device));
        } else {
            given.push(board.path(device));
        }
    }
    // One device less may put the next in the way: the neighbour on its page.
    loop {
        let mut manifest = manifest.clone();
        manifest.cells.iter_mut().skip(cell).take(1).for_each(|cell| cell.devices.clone_from(&given));
        let found = findings(board, &manifest, footprint);
        let blamed = found.iter().filter(|finding| finding.class() != Class::Warning).filter_map(|finding| {
            let said = sentence::say(finding);
            let mine = finding.cell == Some(cell) && said.key == "devices";
            let name = if mine { finding.names[2] } else { finding.names[3] };
            let blamed = mine || finding.other == Some(cell);
            let why = match said.code {
                "E0304" | "E0313" | "E0402" => "EL2 keeps, or are not to be had without one that it keeps",
                "E0305" | "E0308" | "E0401" => "share a page or an interrupt with another cell's",
                "E0307" => "share a page with one that is left out",
                _ => "cannot be given to any cell",
            };
            given.iter().position(|path| blamed && *path == name).map(|index| (index, why))
        });
        let mut blamed: Vec<_> = blamed.collect();
        blamed.sort_unstable();
        blamed.dedup_by_key(|(index, _)| *index);
        if blamed.is_empty() {
            break;
        }
        for (index, why) in blamed.into_iter().rev() {
            out.entry(why).or_default().push(given.remove(index));
        }
    }
    let name = manifest.cells.get(cell).map_or("", |cell| cell.name);
    let notes = out.into_iter().map(|(why, paths)| {
        let count = paths.len();
        let (some, more) = (paths.iter().take(4).copied().collect::<Vec<_>>().join(", "), count.saturating_sub(4));
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let message = format!("cell {name} does not get {count} devices of the rest, which {why}: {some}{more}");
        Problem::new(message).code("E0320").help("name them in a list if they are meant")
    });
    let notes = notes.collect();
    (given.into_iter().map(str::to_owned).collect(), notes)
}

/// Returns the most memory for which room is left in the only run of `cell`, in steps of 2 MiB, of pages where that is less.
fn largest(cell: usize, board: &Board<'_>, manifest: &Manifest<'_>, footprint: &Footprint) -> u64 {
    let mut manifest = manifest.clone();
    let mut size = 0;
    for bit in (PAGE_BYTES.trailing_zeros()..plan::IPA_BITS).rev() {
        let more = size | 1_u64 << bit;
        if size >= 2 << 20 && more & ((2 << 20) - 1) != 0 {
            break;
        }
        manifest.cells.iter_mut().skip(cell).take(1).flat_map(|cell| &mut cell.memory).for_each(|run| run.size = more);
        let found = findings(board, &manifest, footprint);
        if !found.iter().any(|finding| [0x0204, 0x0210].contains(&finding.code())) {
            size = more;
        }
    }
    size
}

/// Makes the trees of the cells that bring one, or a part of one.
fn trees(
    plan: &PlanFile,
    board: &Board<'_>,
    manifest: &Manifest<'_>,
    sealed: Option<&SealedPlan<'_>>,
) -> (Vec<Option<Vec<u8>>>, Vec<Problem>) {
    let (mut trees, mut problems) = (Vec::new(), Vec::new());
    for ((index, file), cell) in plan.cells.iter().enumerate().zip(&manifest.cells) {
        let sealed = sealed.and_then(|plan| plan.cell(index));
        let made = sealed.map(|sealed| cell_dtb::make(plan, file, board, cell, sealed)).transpose();
        let refuse = |error: anyhow::Error| {
            let key = if file.overlay.is_some() { "overlay" } else { "dtb" };
            let problem = Problem::new(format!("cell {}: {error:#}", cell.name));
            problems.push(problem.at(plan.span(Some(index), key)).code("E0706"));
            None
        };
        trees.push(made.map_or_else(refuse, Option::flatten));
    }
    (trees, problems)
}
