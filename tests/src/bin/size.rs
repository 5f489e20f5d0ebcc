//! `./x size ELF`: lines of code of `src` and `crates`, and what of the EL2 image is text and read-only data, against
//! their limits. Blank lines, comments and tests (`tests/`, `tests.rs`, what follows `#[cfg(test)]`) are not counted.
//! Exit 1 beyond a limit.

use cellwall_cli as _;
use libtest_mimic as _;
use regex_lite as _;
use scenes::stage::root;
use std::fs;
use std::io::{Error, Result};
use std::path::Path;
use std::process::ExitCode;

const MOST_LINES: usize = 10_000;
const MOST_BYTES: u64 = 96 * 1024;

fn main() -> ExitCode {
    match measure() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("size: beyond its limit");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("size: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<bool> {
    let elf = std::env::args().nth(1).ok_or_else(|| Error::other("usage: size ELF"))?;
    let (image, crates) = (lines_below(&root().join("src"))?, lines_below(&root().join("crates"))?);
    let lines = image.saturating_add(crates);
    let bytes = read_only(&fs::read(elf)?).ok_or_else(|| Error::other("this is no 64-bit ELF file"))?;
    println!("lines of code: {lines} of at most {MOST_LINES} (src {image}, crates {crates})");
    println!("text and read-only data: {bytes} bytes of at most {MOST_BYTES}");
    Ok(lines <= MOST_LINES && bytes <= MOST_BYTES)
}

fn lines_below(folder: &Path) -> Result<usize> {
    let mut sum = 0_usize;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        let extension = path.extension().unwrap_or_default();
        if path.is_dir() && name != "tests" {
            sum = sum.saturating_add(lines_below(&path)?);
        } else if name != "tests.rs" && (extension == "rs" || extension == "S") {
            sum = sum.saturating_add(lines_of(&fs::read_to_string(&path)?));
        }
    }
    Ok(sum)
}

fn lines_of(text: &str) -> usize {
    let code = text.lines().map(str::trim).take_while(|line| *line != "#[cfg(test)]");
    code.filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

/// Bytes in the file of all loaded segments that are not writable (ELF-64, "Program header").
fn read_only(elf: &[u8]) -> Option<u64> {
    let number = |at: u64, size: u64| {
        let at = usize::try_from(at).ok()?;
        let bytes = elf.get(at..at.checked_add(usize::try_from(size).ok()?)?)?;
        Some(bytes.iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte)))
    };
    let (first, count) = (number(32, 8)?, number(56, 2)?);
    (0..count).try_fold(0_u64, |sum, index| {
        let header = index.checked_mul(56)?.checked_add(first)?;
        let (kind, flags) = (number(header, 4)?, number(header.checked_add(4)?, 4)?);
        let bytes = number(header.checked_add(32)?, 8)?;
        if kind == 1 && flags & 2 == 0 { sum.checked_add(bytes) } else { Some(sum) }
    })
}
