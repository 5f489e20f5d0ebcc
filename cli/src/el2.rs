//! The EL2 image: built from this workspace, made flat.
//!
//! Cargo says where the ELF file is; the flat binary is written beside it, as `cellwall.bin`.

use crate::flatten;
use crate::image::Header;
use anyhow::{Context as _, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The image's target: no floating-point registers, which are the guests'.
const TARGET: &str = "aarch64-unknown-none-softfloat";

/// Builds the image of the project at `root`; returns the flat binary's path.
///
/// # Errors
/// Where cargo fails, or what it made is no `Image`.
pub fn build(root: &Path) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root)
        .args(["build", "--quiet", "--package", "cellwall", "--release", "--target", TARGET])
        .arg("--message-format=json-render-diagnostics")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    ensure!(output.status.success(), "the EL2 image does not build");
    let said = String::from_utf8_lossy(&output.stdout);
    let built = said
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
        .context("cargo built no EL2 image")?;
    let flat = built.with_extension("bin");
    std::fs::write(&flat, image(&std::fs::read(&built)?)?)
        .with_context(|| format!("cannot write {}", flat.display()))?;
    Ok(flat)
}

/// Makes an arm64 `Image` of a file that is one, or an ELF file that holds one.
///
/// # Errors
/// Where it is neither.
pub fn image(file: &[u8]) -> Result<Vec<u8>> {
    let flat = if file.starts_with(b"\x7fELF") { flatten::flatten(file)? } else { file.to_vec() };
    Header::parse(&flat).context("the EL2 image cannot be started")?;
    Ok(flat)
}
