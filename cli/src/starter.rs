//! A first plan for a board: two cells that hold, and comments that say what else there is.
//!
//! Owns the text. What it says of the board comes from its [`offer`].

use crate::offer::{self, Offer};
use crate::platform::{self, Target};
use crate::size;
use anyhow::{Context as _, Result, ensure};
use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

/// How many devices are shown; `cellwall board` shows all.
const SHOWN: usize = 12;

/// Writes a starter plan for the board that the person called `board` to `output`.
///
/// # Errors
/// Where the file is there already, or the board cannot have a plan.
pub fn write(board: &str, target: &Target, output: &Path, kernel: Option<&Path>) -> Result<()> {
    ensure!(!output.is_file(), "{} is there already; choose another name with -o", output.display());
    let offer = offer::list(&target.tree).with_context(|| board.to_owned())?;
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let board = if platform::is_tree(board) { from(folder, Path::new(board))? } else { board.to_owned() };
    let hello = platform::root()?.join("build/guests/hello.bin");
    let kernel = from(folder, kernel.unwrap_or(&hello))?;
    let text = text(&offer, &board, &kernel)?;
    std::fs::write(output, text).with_context(|| format!("cannot write {}", output.display()))
}

/// Returns `file` as seen from `folder`.
fn from(folder: &Path, file: &Path) -> Result<String> {
    let absolute = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path));
    let (folder, file) = (absolute(folder)?, absolute(file)?);
    let (folder, whole): (Vec<Component<'_>>, Vec<Component<'_>>) =
        (folder.components().collect(), file.components().collect());
    let shared = folder.iter().zip(&whole).take_while(|(a, b)| a == b).count();
    let up = folder.iter().skip(shared).map(|_| Component::ParentDir);
    let path: PathBuf = up.chain(whole.iter().skip(shared).copied()).collect();
    Ok(path.display().to_string())
}

fn text(offer: &Offer, board: &str, kernel: &str) -> Result<String> {
    let ram: u64 = offer.ram.iter().fold(0, |sum, bank| sum.saturating_add(bank.size));
    ensure!(
        ram > 0,
        "the board's tree tells of no RAM, since firmware fills it in: take the tree of the running board \
         (Linux shows it as /sys/firmware/fdt)"
    );
    let usable: Vec<usize> = offer
        .cpus
        .iter()
        .filter(|cpu| !cpu.disabled && (cpu.index == 0 || cpu.start != "unknown"))
        .map(|cpu| cpu.index)
        .collect();
    // The first serves the board where nobody else does.
    let cells: Vec<(&str, usize)> = ["left", "right"].into_iter().zip(usable.iter().copied()).collect();
    ensure!(!cells.is_empty(), "the board has no CPU that a cell can have");
    let memory = (ram >> 4).clamp(1 << 20, 64 << 20) >> 20;
    // The virtual UART stands in for the board's, interrupt and all.
    let uart = offer.devices.iter().find(|item| Some(&item.path) == offer.console.as_ref());
    let console = if uart.is_some_and(|uart| !uart.interrupts.is_empty()) { "virtual" } else { "none" };
    let mut text = String::new();
    let name = if offer.model.is_empty() { &offer.compatible } else { &offer.model };
    writeln!(text, "# Who owns what on {name}. `cargo cellwall check` proves it, `cargo cellwall run` starts it.")?;
    writeln!(text, "# All keys: docs/plan.md, or `cargo cellwall schema` for an editor that completes them.")?;
    writeln!(text, "board = {}", quoted(board))?;
    writeln!(text, "# when_idle = \"poweroff\"    # when no cell runs any more; \"stay\" keeps the monitor")?;
    for (index, (cell, cpu)) in cells.iter().enumerate() {
        writeln!(text, "\n[[cell]]\nname    = \"{cell}\"")?;
        let all: Vec<String> = usable.iter().map(ToString::to_string).collect();
        let hint = if index == 0 {
            format!("    # the board has {}; each goes to one cell", all.join(", "))
        } else {
            String::new()
        };
        writeln!(text, "cpus    = [{cpu}]{hint}")?;
        let hint = if index == 0 { format!("  # of {}", size::show(ram)) } else { String::new() };
        writeln!(text, "memory  = \"{memory}M\"{hint}")?;
        let hint = if index == 0 { "  # Image, gzip'd, EFI zboot or ELF" } else { "" };
        writeln!(text, "kernel  = {}{hint}", quoted(kernel))?;
        writeln!(text, "console = \"{console}\"")?;
        if index == 0 {
            writeln!(text, "# initrd   = \"initrd.cpio.gz\"")?;
            writeln!(text, "# bootargs = \"console=ttyAMA0\"")?;
            devices(&mut text, offer)?;
        }
    }
    Ok(text)
}

/// Writes what devices there are, as comments.
fn devices(text: &mut String, offer: &Offer) -> Result<()> {
    let free = || offer.devices.iter().filter(|item| item.refused.is_none());
    let (safe, masters): (Vec<_>, Vec<_>) = free().partition(|item| item.dma == "none");
    if free().next().is_none() {
        return Ok(());
    }
    let shown: Vec<_> = safe.iter().chain(&masters).take(SHOWN).collect();
    writeln!(text, "# devices = [            # registers and interrupts that become this cell's own")?;
    for item in &shown {
        let dma = if item.dma == "none" { "" } else { ", needs dma" };
        writeln!(text, "#     {},    # {}{dma}", quoted(&item.path), item.compatible)?;
    }
    writeln!(text, "# ]")?;
    let more = free().count().saturating_sub(shown.len());
    if more > 0 {
        writeln!(text, "# and {more} more: cargo cellwall board")?;
    }
    if !masters.is_empty() {
        writeln!(text, "# dma = \"none\"           # your word that they reach no memory by themselves")?;
    }
    Ok(())
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
