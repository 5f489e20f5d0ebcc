//! `cells.toml`: the plan as a person writes it.
//!
//! Owns the file's text and where each key stands in it, so that whatever is found later, here or by the plan's judge,
//! is shown at its line. [`load`] gives a plan whose every key was understood, or a [`Report`] of all that were not;
//! [`draft`] gives both, so that the rest can be judged too. Whether the plan is good is judged by the `plan` crate, on
//! the bundle made from it.

use crate::report::{Problem, Report, Span};
use crate::{kernel, schema};
use manifest::{Console, Dma, Memory};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where keys stand: `cpus`, `memory[1]`; the section's own head is the empty key.
pub type Spans = BTreeMap<String, Span>;

/// A plan whose form is right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanFile {
    /// Where it was read from.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// A folder in `platforms/`, or a `.dtb` file.
    pub board: String,
    /// `when_idle = "poweroff"`.
    pub poweroff_when_idle: bool,
    /// The CPU that serves UART and monitor.
    pub service_cpu: Option<u32>,
    /// The cells in the order written.
    pub cells: Vec<CellFile>,
    /// Of each cell: its form is wrong, so that what it says besides is not to be judged.
    pub malformed: Vec<bool>,
    /// Where the keys outside the cells stand.
    pub spans: Spans,
    /// What the board is like, once [`crate::complete`] has looked.
    pub facts: Vec<u64>,
    /// What completing it left to be said.
    pub notes: Vec<Problem>,
}

/// One `[[cell]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one key of the plan")]
pub struct CellFile {
    /// Its name.
    pub name: String,
    /// Physical CPUs by index in the device tree.
    pub cpus: Vec<u32>,
    /// Its RAM.
    pub memory: Vec<Memory>,
    /// The kernel's file, as written.
    pub kernel: String,
    /// The initial RAM disk's file, as written.
    pub initrd: Option<String>,
    /// Where a raw kernel goes and is entered.
    pub place: kernel::Said,
    /// Its device tree's file, as written, where it is not generated.
    pub dtb: Option<String>,
    /// What is merged into its tree: a file, as written.
    pub overlay: Option<String>,
    /// The tree, once `dtb` and `overlay` are made into one.
    pub tree: Option<Vec<u8>>,
    /// Kernel command line.
    pub bootargs: String,
    /// Device-tree paths, aliases or labels.
    pub devices: Vec<String>,
    /// `devices = "rest"`: all that no other cell names.
    pub rest: bool,
    /// `memory = "rest"`: the largest piece no other cell takes.
    pub all_memory: bool,
    /// What the user says of their DMA.
    pub dma: Dma,
    /// Where its UART leads.
    pub console: Console,
    /// `gic = "passthrough"`.
    pub passthrough: bool,
    /// How often a fault restarts it, and in how many milliseconds; 0 stops it.
    pub on_fault: (u32, u32),
    /// `on_violation = "inject"`.
    pub forgiving: bool,
    /// Its watchdog's time in milliseconds; 0: it has none.
    pub watchdog_ms: u32,
    /// `start = "manual"`.
    pub manual: bool,
    /// Where its keys stand.
    pub spans: Spans,
}

/// Reads the plan at `path`.
///
/// # Errors
/// A [`Report`] of every key that is wrong, or why the file cannot be read.
pub fn load(path: &Path) -> Result<PlanFile, Report> {
    let (plan, problems) = draft(path)?;
    if problems.is_empty() { Ok(plan) } else { Err(plan.report(problems)) }
}

/// Reads the plan at `path` as far as it can be read, and says what is wrong with its form.
///
/// # Errors
/// The file cannot be read, or is no TOML.
pub fn draft(path: &Path) -> Result<(PlanFile, Vec<Problem>), Report> {
    let unreadable = |error| {
        let problem = Problem::new(format!("cannot read the plan {}: {error}", path.display()));
        Report::new(path, "", vec![problem])
    };
    read(path, &std::fs::read_to_string(path).map_err(unreadable)?)
}

/// Reads the plan `text`, as if from `path`.
///
/// # Errors
/// A [`Report`] of every key that is wrong.
pub fn parse(path: &Path, text: &str) -> Result<PlanFile, Report> {
    let (plan, problems) = read(path, text)?;
    if problems.is_empty() { Ok(plan) } else { Err(plan.report(problems)) }
}

fn read(path: &Path, text: &str) -> Result<(PlanFile, Vec<Problem>), Report> {
    let (mut plan, problems) = schema::read(text).map_err(|problems| Report::new(path, text, problems))?;
    path.clone_into(&mut plan.path);
    text.clone_into(&mut plan.text);
    Ok((plan, problems))
}

impl PlanFile {
    /// Returns the file that `name` in the plan means: relative to the plan's folder.
    #[must_use]
    pub fn resolve(&self, name: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(name)
    }

    /// Returns where `key` of a cell, or of the plan, stands; of `memory[1]` at least `memory`, else the section's head.
    #[must_use]
    pub fn span(&self, cell: Option<usize>, key: &str) -> Option<Span> {
        let spans = match cell {
            Some(index) => &self.cells.get(index)?.spans,
            None => &self.spans,
        };
        let whole = key.split_once('[').map_or(key, |(whole, _)| whole);
        [key, whole, ""].into_iter().find_map(|key| spans.get(key)).cloned()
    }

    /// Makes a report on this plan.
    #[must_use]
    pub fn report(&self, problems: Vec<Problem>) -> Report {
        Report::new(&self.path, &self.text, problems)
    }
}
