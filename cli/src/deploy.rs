//! What a board's own firmware starts: the files of an SD card, as a folder or as an image.
//!
//! Owns the card: an MBR with one FAT32 partition, the firmware's files, EL2's image, the bundle, the tree. Which files
//! and names a board wants is `[deploy]` of its `platform.toml`; the plan is proved for where that firmware puts things.
//! The image file is made as long as its `image_size`: firmware that puts the bundle right behind the file must not put
//! it into bss. Sources: Linux `Documentation/arch/arm64/booting.rst`; the Raspberry Pi's `config.txt` documentation.

use crate::board_tree;
use crate::image::Header;
use crate::platform::{Placement, Platform, Target, root};
use anyhow::{Context as _, Result};
use fatfs::{Date, DateTime, FatType, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

/// `[deploy]` of a `platform.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deploy {
    /// Names on the card of EL2's image, the bundle and the tree.
    pub image: String,
    /// The bundle's.
    pub bundle: String,
    /// The tree's.
    pub tree: String,
    /// The other files: name on the card, and where it is from the project's folder.
    pub files: BTreeMap<String, PathBuf>,
    /// Overlays for the tree on the card, in the platform's folder.
    #[serde(default)]
    pub overlays: Vec<PathBuf>,
    /// What the firmware adds to that tree, as an overlay: for the proof.
    pub firmware: PathBuf,
    /// Where the firmware puts things.
    pub placement: Placement,
    /// Another set-up of the same board: files and overlays that come on top.
    #[serde(default)]
    pub variant: BTreeMap<String, Variant>,
}

/// `[deploy.variant.NAME]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// As in [`Deploy`]; the same name takes the other's place.
    #[serde(default)]
    pub files: BTreeMap<String, PathBuf>,
    /// As in [`Deploy`].
    #[serde(default)]
    pub overlays: Vec<PathBuf>,
}

impl Deploy {
    /// Finds how `platform` is deployed, in that variant if one is named.
    ///
    /// # Errors
    /// The platform is not deployed, or has no such variant.
    pub fn of(platform: &Platform, variant: Option<&str>) -> Result<Self> {
        let none =
            || format!("{} starts from no card that is known: its platform.toml has no [deploy]", platform.description);
        let mut deploy = platform.deploy.clone().with_context(none)?;
        if let Some(name) = variant {
            let names: Vec<&str> = deploy.variant.keys().map(String::as_str).collect();
            let names = format!("there is no variant \"{name}\"; the board has {}", names.join(", "));
            let variant = deploy.variant.remove(name).context(names)?;
            deploy.files.extend(variant.files);
            deploy.overlays.extend(variant.overlays);
        }
        Ok(deploy)
    }

    /// Returns what a plan is proved against: the tree as the firmware hands it over, and where things lie then.
    ///
    /// # Errors
    /// The tree cannot be made.
    pub fn target(&self, platform: &Platform) -> Result<Target> {
        let overlays: Vec<PathBuf> = self.overlays.iter().chain([&self.firmware]).cloned().collect();
        let platform = Platform { placement: self.placement, ..platform.clone() };
        Ok(Target { tree: made_tree(&platform, &overlays)?, platform })
    }

    /// Collects the card's files.
    ///
    /// # Errors
    /// One is missing, or EL2's image is none.
    pub fn files(&self, platform: &Platform, image: &[u8], bundle: &[u8]) -> Result<BTreeMap<String, Vec<u8>>> {
        let mut files = BTreeMap::new();
        for (name, path) in &self.files {
            let path = root()?.join(path);
            let read = std::fs::read(&path);
            let file =
                read.with_context(|| format!("cannot read {}: platforms/fetch makes build/boards", path.display()))?;
            files.insert(name.clone(), file);
        }
        files.insert(self.image.clone(), whole(image)?);
        files.insert(self.bundle.clone(), bundle.to_vec());
        files.insert(self.tree.clone(), made_tree(platform, &self.overlays)?);
        Ok(files)
    }
}

fn made_tree(platform: &Platform, overlays: &[PathBuf]) -> Result<Vec<u8>> {
    let folder = tempfile::tempdir()?;
    let made = board_tree::make(platform, overlays, &folder.path().join("board.dtb"))?;
    Ok(std::fs::read(made.context("this board's platform.toml has no [tree]")?)?)
}

/// Makes the image as long as it is in memory.
///
/// # Errors
/// It is no `Image`.
pub fn whole(image: &[u8]) -> Result<Vec<u8>> {
    let header = Header::parse(image).context("the EL2 image cannot be started")?;
    let mut image = image.to_vec();
    image.resize(usize::try_from(header.image_size)?.max(image.len()), 0);
    Ok(image)
}

/// Writes the files into a folder.
///
/// # Errors
/// It cannot be written.
pub fn write_folder(files: &BTreeMap<String, Vec<u8>>, folder: &Path) -> Result<()> {
    for (name, bytes) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Every file is of one day: the same files make the same card.
#[derive(Debug)]
struct SameDay;

impl TimeProvider for SameDay {
    fn get_current_date(&self) -> Date {
        Date { year: 2026, month: 1, day: 1 }
    }

    fn get_current_date_time(&self) -> DateTime {
        DateTime { date: self.get_current_date(), time: Time { hour: 0, min: 0, sec: 0, millis: 0 } }
    }
}

const SECTOR: usize = 512;
/// The partition begins at 1 MiB.
const FIRST: usize = 2048;
/// FAT32 has at least 65525 clusters; with a sector each this is the next size of a card.
const LEAST: usize = 128 << 20;

/// Makes the card's image: MBR, one FAT32 partition.
///
/// # Errors
/// It gets too large for an MBR.
pub fn card(files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>> {
    let sum = files.values().fold(0_usize, |sum, file| sum.saturating_add(file.len()));
    // Room for the tables and for another bundle; a power of two, as cards are and QEMU insists on.
    let size = sum.saturating_mul(2).max(LEAST).next_power_of_two();
    let mut image = vec![0; size];
    let (start, partition) = image.split_at_mut(FIRST.saturating_mul(SECTOR));
    let sectors = u32::try_from(partition.len().checked_div(SECTOR).context("no size")?)?;
    // One entry: active, FAT32 by block address (type 0x0c), first sector, sectors; cylinders say "by address".
    let first = u32::try_from(FIRST)?.to_le_bytes();
    let entry = [&[0x80, 0xfe, 0xff, 0xff, 0x0c, 0xfe, 0xff, 0xff], &first[..], &sectors.to_le_bytes()].concat();
    for (at, bytes) in [(446, entry.as_slice()), (510, &[0x55, 0xaa])] {
        start.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = *from);
    }
    let options = FormatVolumeOptions::new().fat_type(FatType::Fat32).volume_label(*b"CELLWALL   ");
    fatfs::format_volume(Cursor::new(&mut *partition), options.bytes_per_cluster(512).total_sectors(sectors))?;
    let volume = FileSystem::new(Cursor::new(partition), FsOptions::new().time_provider(&SameDay))?;
    for (name, bytes) in files {
        let mut folder = volume.root_dir();
        let mut parts: Vec<&str> = name.split('/').collect();
        let file = parts.pop().context("a file without a name")?;
        for part in parts {
            folder = folder.create_dir(part)?;
        }
        folder.create_file(file)?.write_all(bytes)?;
    }
    volume.unmount()?;
    Ok(image)
}
