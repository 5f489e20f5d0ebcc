//! The device tree of a board whose tree is a file: the base from its vendor, changed by the overlays of its folder.
//!
//! Owns nothing but the order: base, then each overlay by `dtc` and `fdtoverlay`. What a board or its model lacks is said
//! there, a reason a line, and nowhere in code.

use crate::platform::{Platform, root};
use anyhow::{Context as _, Result, ensure};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Makes the tree of `platform` with `more` overlays as file `made`; nothing where the board has its tree from elsewhere.
///
/// # Errors
/// The base or a tool is missing, or an overlay does not apply.
pub fn make(platform: &Platform, more: &[PathBuf], made: &Path) -> Result<Option<PathBuf>> {
    let Some(tree) = &platform.tree else { return Ok(None) };
    let base = root()?.join(&tree.file);
    ensure!(base.is_file(), "{} is missing: platforms/fetch makes it", base.display());
    let mut overlays = Vec::new();
    for (index, source) in tree.overlays.iter().chain(more).enumerate() {
        let (source, overlay) = (platform.folder.join(source), made.with_extension(format!("{index}.dtbo")));
        let words = ["-q", "-@", "-I", "dts", "-O", "dtb", "-o"].map(OsStr::new);
        run("dtc", words.into_iter().chain([overlay.as_os_str(), source.as_os_str()]))?;
        overlays.push(overlay);
    }
    if overlays.is_empty() {
        std::fs::copy(&base, made).with_context(|| format!("cannot copy {}", base.display()))?;
    } else {
        merge(&base, &overlays, made)?;
    }
    Ok(Some(made.to_path_buf()))
}

/// Merges `overlays` into `base`, as file `made`.
///
/// # Errors
/// `fdtoverlay` is missing, or an overlay does not apply.
pub fn merge(base: &Path, overlays: &[PathBuf], made: &Path) -> Result<()> {
    let words = [OsStr::new("-i"), base.as_os_str(), OsStr::new("-o"), made.as_os_str()];
    run("fdtoverlay", words.into_iter().chain(overlays.iter().map(|overlay| overlay.as_os_str())))
}

fn run<'a>(program: &str, words: impl Iterator<Item = &'a OsStr>) -> Result<()> {
    let output = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {program}: install device-tree-compiler"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} failed: {}", said.trim());
    Ok(())
}
