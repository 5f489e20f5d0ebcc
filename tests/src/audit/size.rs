//! Bytes of the image and lines of the sources, against `tests/limits.toml`.

use crate::audit::image::{Image, Section};
use crate::audit::sources::{self, File};
use anyhow::{Context as _, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The limits; each is the most there may be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    text_and_rodata_bytes: u64,
    boot_instructions: u64,
    el2_kib: u64,
    sloc: u64,
    longest_file_lines: u64,
    median_file_lines: u64,
    unsafe_without_safety: u64,
    unsafe_outside_src: u64,
    files_without_doc: u64,
}

/// Prints the measures; true if all are within their limits. `boots` are files with what `tests/boot-cost` printed.
///
/// # Errors
/// If sources or limits cannot be read.
pub fn measure(image: &Image, root: &Path, boots: &[String]) -> Result<bool> {
    let limits = std::fs::read_to_string(root.join("tests/limits.toml")).context("cannot read tests/limits.toml")?;
    let limits: Limits = toml::from_str(&limits).context("in tests/limits.toml")?;
    let fixed = image.sections.iter().filter(|part| !part.writable).map(|part| part.bytes).sum();
    let mut all_within = within("text and read-only data, bytes", fixed, limits.text_and_rodata_bytes);
    let writable: Vec<&Section> = image.sections.iter().filter(|part| part.writable && part.bytes > 0).collect();
    let writable = writable.iter().map(|part| format!("{} {}", part.name, part.bytes)).collect::<Vec<_>>();
    println!("  memory beside it: {}", writable.join(", "));
    for (name, bytes) in by_crate(image) {
        println!("  {bytes:7}  {name}");
    }

    for file in boots {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
        let number = |behind: &str| {
            let line =
                text.lines().find(|line| line.contains(behind)).with_context(|| format!("{file}: no{behind}"))?;
            let number = line.split(' ').next().unwrap_or_default();
            number.parse().with_context(|| format!("{file}: {line}"))
        };
        let gic = Path::new(file).file_name().unwrap_or_default().to_string_lossy();
        let (cost, kib) = (number(" instructions from reset")?, number(" KiB of EL2")?);
        all_within &= within(&format!("instructions from reset to a guest, {gic}"), cost, limits.boot_instructions);
        all_within &= within(&format!("KiB of EL2 besides cell and bundle, {gic}"), kib, limits.el2_kib);
    }

    let (src, crates) = (sources::below(&root.join("src"))?, sources::below(&root.join("crates"))?);
    let cli = sources::below(&root.join("cli"))?;
    let sum = |files: &[File], of: fn(&File) -> usize| files.iter().map(of).sum::<usize>() as u64;
    let (image_lines, crate_lines) = (sum(&src, |file| file.sloc), sum(&crates, |file| file.sloc));
    all_within &= within("lines of code in src and crates", image_lines.saturating_add(crate_lines), limits.sloc);
    println!("  {image_lines:7}  src\n  {crate_lines:7}  crates");

    let (duties, safeties) = (sum(&src, |file| file.duties), sum(&src, |file| file.safeties));
    println!("unsafe blocks and implementations in src: {duties}, with SAFETY: {safeties}");
    let bare = src.iter().flat_map(|file| file.bare.iter().map(|line| format!("{}:{line}", file.path)));
    all_within &= listed("unsafe without SAFETY in src", bare, limits.unsafe_without_safety);
    let outside = crates.iter().chain(&cli).filter(|file| file.unsafes > 0).map(|file| file.path.clone());
    all_within &= listed("files with unsafe in crates and cli", outside, limits.unsafe_outside_src);

    let mut files: Vec<&File> = src.iter().chain(&crates).chain(&cli).collect();
    files.sort_by_key(|file| file.lines);
    let lines = |file: Option<&&File>| file.map_or(0, |file| file.lines as u64);
    if let Some(longest) = files.last() {
        println!("longest file: {}", longest.path);
    }
    all_within &= within("longest file, lines", lines(files.last()), limits.longest_file_lines);
    all_within &= within("median file, lines", lines(files.get(files.len() / 2)), limits.median_file_lines);
    let bare = files.iter().filter(|file| !file.documented).map(|file| file.path.clone());
    all_within &= listed("files that do not open with //!", bare, limits.files_without_doc);
    Ok(all_within)
}

/// Prints `value` and its limit.
fn within(what: &str, value: u64, most: u64) -> bool {
    println!("{what}: {value} of at most {most}{}", if value > most { "  <- TOO MUCH" } else { "" });
    value <= most
}

/// Prints how many there are, and if too many, which.
fn listed(what: &str, these: impl Iterator<Item = String>, most: u64) -> bool {
    let these: Vec<String> = these.collect();
    let holds = within(what, these.len() as u64, most);
    if !holds {
        for one in these {
            println!("  {one}");
        }
    }
    holds
}

/// Bytes of code by the crate a function is of, the largest first.
fn by_crate(image: &Image) -> Vec<(String, u64)> {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for function in &image.functions {
        let sum = sums.entry(crate_of(&function.name)).or_default();
        *sum = sum.saturating_add(function.end.saturating_sub(function.start));
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    sums
}

/// The crate in a demangled name: the first path's first part.
fn crate_of(name: &str) -> String {
    if name.starts_with("OUTLINED_FUNCTION") {
        return "(shared by outlining)".to_owned();
    }
    let Some((head, _)) = name.split_once("::") else { return "(assembly)".to_owned() };
    let start = head.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at.saturating_add(1));
    head.get(start..).unwrap_or(head).to_owned()
}

#[cfg(test)]
mod tests {
    use super::crate_of;

    #[test]
    fn a_name_tells_its_crate() {
        assert_eq!(crate_of("vgic::lists::<impl vgic::Vgic>::load"), "vgic");
        assert_eq!(crate_of("<&T as core::fmt::Display>::fmt"), "core");
        assert_eq!(crate_of("<cellwall::trap::abort::Named as core::fmt::Display>::fmt"), "cellwall");
        assert_eq!(crate_of("memcpy"), "(assembly)");
    }
}
