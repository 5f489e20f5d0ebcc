//! What took time to make, kept: unpacked kernels, hashes of files, QEMU's trees.
//!
//! Owns `target/cellwall/` of the project. A key names everything the content depends on ([`identity`] stands for a
//! file); what is lost is made again, and where there is no project's folder nothing is kept.

use crate::platform;
use manifest::digest::{Hasher as _, Software};
use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The most files kept; the oldest go first.
const MOST: usize = 128;

/// A file changed less than this ago may change again unseen: clocks of file systems tick slowly.
const SETTLED: Duration = Duration::from_secs(1);

/// Returns what was kept under `key`.
#[must_use]
pub fn get(key: &str) -> Option<Vec<u8>> {
    std::fs::read(place(key)?).ok()
}

/// Keeps `content` under `key`, if it can.
pub fn put(key: &str, content: &[u8]) {
    let Some(place) = place(key) else { return };
    let Some(folder) = place.parent() else { return };
    let _ = std::fs::create_dir_all(folder);
    prune(folder);
    // Whole or not at all: another process may read it.
    if let Ok(mut file) = tempfile::NamedTempFile::new_in(folder)
        && std::io::Write::write_all(&mut file, content).is_ok()
    {
        let _ = file.persist(place);
    }
}

/// Returns what is kept under `key`, or else makes and keeps it.
///
/// # Errors
/// Those of `make`.
pub fn get_or<E>(key: Option<&str>, make: impl FnOnce() -> Result<Vec<u8>, E>) -> Result<Vec<u8>, E> {
    if let Some(kept) = key.and_then(get) {
        return Ok(kept);
    }
    let content = make()?;
    if let Some(key) = key {
        put(key, &content);
    }
    Ok(content)
}

/// Returns a text that changes when the file at `path` does; nothing where that cannot be relied on.
#[must_use]
pub fn identity(path: &Path) -> Option<String> {
    let meta = std::fs::metadata(path).ok()?;
    let age = SystemTime::now().duration_since(meta.modified().ok()?).ok()?;
    (age > SETTLED).then(|| {
        let (changed, inode) =
            (meta.ctime_nsec().saturating_add(meta.ctime().saturating_mul(1_000_000_000)), meta.ino());
        let written = meta.mtime_nsec().saturating_add(meta.mtime().saturating_mul(1_000_000_000));
        format!("{}:{inode}:{}:{}:{written}:{changed}", path.display(), meta.dev(), meta.len())
    })
}

/// Returns the [`identity`] of the program that `name` would start.
#[must_use]
pub fn program(name: &str) -> Option<String> {
    std::env::split_paths(&std::env::var_os("PATH")?).find_map(|folder| identity(&folder.join(name)))
}

fn place(key: &str) -> Option<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.or_else(|| Some(platform::root().ok()?.join("target")))?;
    let mut name = String::new();
    for byte in Software.sha256(format!("{} {key}", env!("CARGO_PKG_VERSION")).as_bytes()).iter().take(16) {
        let _ = write!(name, "{byte:02x}");
    }
    Some(target.join("cellwall").join(name))
}

fn prune(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let dated = |entry: std::fs::DirEntry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()));
    let mut files: Vec<(SystemTime, PathBuf)> = entries.filter_map(|entry| dated(entry.ok()?)).collect();
    files.sort();
    for (_, path) in files.iter().take(files.len().saturating_sub(MOST)) {
        let _ = std::fs::remove_file(path);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_not_made_again() {
        let key = format!("test {:?}", SystemTime::now());
        let made = get_or::<()>(Some(&key), || Ok(vec![1, 2])).unwrap();
        let kept = get_or::<()>(Some(&key), || Ok(vec![3])).unwrap();
        assert_eq!((made, kept), (vec![1, 2], vec![1, 2]));
    }

    #[test]
    fn a_file_just_written_has_no_identity_to_rely_on() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(identity(file.path()), None);
        assert!(identity(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml").as_path()).is_some());
    }
}
