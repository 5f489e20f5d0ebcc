//! Boards as `platforms/` describes them: how to start one, and where its loader puts things.
//!
//! Owns `platform.toml` and the rule that makes a [`Footprint`] of it; all differences between boards are data there or
//! in the device tree. The tree comes from `--board`, from the plan, or from QEMU for its exact options.

use crate::deploy::Deploy;
use crate::plan_file::PlanFile;
use crate::report::Problem;
use crate::{qemu, size, suggest};
use address::{Address as _, PhysAddr, Region};
use anyhow::{Context as _, Result, bail, ensure};
use plan::Footprint;
use serde::{Deserialize, Deserializer, de};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One `platform.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platform {
    /// One line for people.
    pub description: String,
    /// How many INTIDs its GIC implements, which no tree says; EL2 asks the GIC itself.
    pub interrupts: Option<u32>,
    /// Its folder.
    #[serde(skip)]
    pub folder: PathBuf,
    /// The file its tree is made of, where QEMU has none of its own for it.
    pub tree: Option<TreeFile>,
    /// How QEMU starts it, where QEMU can.
    pub qemu: Option<Qemu>,
    /// Where its loader puts things.
    #[serde(default)]
    pub placement: Placement,
    /// What its own firmware starts.
    pub deploy: Option<Deploy>,
}

/// A tree in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreeFile {
    /// The vendor's, from the project's folder.
    pub file: PathBuf,
    /// What changes it, in the platform's folder.
    #[serde(default)]
    pub overlays: Vec<PathBuf>,
}

/// How QEMU starts a board.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Qemu {
    /// QEMU's name.
    pub program: String,
    /// `-M`; `{gic}` stands for the version.
    pub machine: String,
    /// The GIC's version unless asked for another.
    pub gic: u32,
    /// `-cpu` likewise.
    pub cpu: String,
    /// `-smp` likewise.
    pub smp: u32,
    /// `-m` likewise.
    pub memory: String,
    /// How many UARTs share the console, where it is not one.
    #[serde(default = "one")]
    pub uarts: u32,
    /// What QEMU's model lacks of the tree's file, in the platform's folder.
    #[serde(default)]
    pub overlays: Vec<PathBuf>,
    /// What else it needs.
    #[serde(default)]
    pub args: Vec<String>,
}

fn one() -> u32 {
    1
}

/// Where a loader puts image, bundle and tree: offsets from the start of RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placement {
    /// EL2's image.
    pub image: ImageRule,
    /// The bundle.
    #[serde(default)]
    pub bundle: BundleRule,
    /// The tree, behind the bundle.
    #[serde(default)]
    pub tree: TreeRule,
    /// Instead of both: the tree ends here, within its megabyte, and the bundle below that.
    #[serde(default, deserialize_with = "some_bytes")]
    pub top: Option<u64>,
}

/// Where EL2's image goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageRule {
    /// Offset.
    #[serde(deserialize_with = "bytes")]
    pub at: u64,
    /// The most it takes, bss and pool included.
    #[serde(deserialize_with = "bytes")]
    pub size: u64,
}

/// Where the bundle goes: whichever is lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleRule {
    /// This offset.
    #[serde(deserialize_with = "bytes")]
    pub at: u64,
    /// Or this part of RAM.
    pub ram_divisor: u64,
}

/// Where the tree goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreeRule {
    /// The next multiple of this.
    #[serde(deserialize_with = "bytes")]
    pub align: u64,
}

impl Default for Placement {
    /// As QEMU does: the best guess for a board known by its tree only.
    fn default() -> Self {
        Self {
            image: ImageRule { at: 2 << 20, size: 2 << 20 },
            bundle: BundleRule::default(),
            tree: TreeRule::default(),
            top: None,
        }
    }
}

impl Default for BundleRule {
    fn default() -> Self {
        Self { at: 128 << 20, ram_divisor: 2 }
    }
}

impl Default for TreeRule {
    fn default() -> Self {
        Self { align: 2 << 20 }
    }
}

impl Placement {
    /// Returns what image, bundle and tree take of the RAM bank `ram`; nothing where they do not fit.
    #[must_use]
    pub fn footprint(&self, ram: Region<PhysAddr>, bundle_bytes: u64, tree_bytes: u64) -> Option<Footprint> {
        let base = ram.base();
        let image = Region::new(base.checked_add(self.image.at)?, self.image.size)?;
        if let Some(top) = self.top {
            const MEGABYTE: u64 = 1 << 20;
            let end = base.checked_add(top)?;
            let below = base.checked_add(top.checked_sub(tree_bytes)?)?.align_down(MEGABYTE);
            let start = below.get().checked_sub(bundle_bytes)?;
            let bundle = Region::from_ends(PhysAddr::at(start).align_down(MEGABYTE), below)?;
            let footprint = Footprint { image, bundle, tree: Region::from_ends(below, end)? };
            return (ram.encloses(bundle) && ram.contains(below) && image.end() <= bundle.base()).then_some(footprint);
        }
        let offset = self.bundle.at.min(ram.size().checked_div(self.bundle.ram_divisor)?);
        let bundle = Region::new(base.checked_add(offset)?.align_up(address::PAGE_BYTES)?, bundle_bytes)?;
        let tree = Region::new(bundle.end().align_up(self.tree.align)?, tree_bytes)?;
        let fits = [image, bundle, tree].iter().all(|piece| ram.encloses(*piece)) && !image.overlaps(bundle);
        fits.then_some(Footprint { image, bundle, tree })
    }
}

impl Platform {
    /// Reads the platform `name` of the project at `root`.
    ///
    /// # Errors
    /// Names the platforms there are, or what is wrong with this one.
    pub fn load(root: &Path, name: &str) -> Result<Self> {
        let folder = root.join("platforms");
        let path = folder.join(name).join("platform.toml");
        let plain = !name.is_empty() && !name.contains(['/', '\\', '.']);
        let Some(text) = plain.then(|| std::fs::read_to_string(&path).ok()).flatten() else {
            let mut names: Vec<String> = std::fs::read_dir(&folder)
                .with_context(|| format!("cannot read {}", folder.display()))?
                .filter_map(|entry| entry.ok().filter(|entry| entry.path().join("platform.toml").is_file()))
                .filter_map(|entry| entry.file_name().into_string().ok())
                .collect();
            names.sort();
            // "raspberrypi4" is how its description begins.
            let letters = |text: &str| text.to_lowercase().replace([' ', '-', '_', '\''], "");
            let told = |board: &&String| {
                Self::load(root, board).is_ok_and(|it| letters(&it.description).contains(&letters(name)))
            };
            let described = || names.iter().find(told).map(String::as_str).filter(|_| plain);
            let near = suggest::nearest(name, names.iter().map(String::as_str)).or_else(described);
            let near = near.map_or_else(String::new, |near| format!(", did you mean \"{near}\"?"));
            bail!("there is no board \"{name}\"; platforms/ has {}{near}", names.join(", "));
        };
        let platform: Self = toml::from_str(&text).with_context(|| format!("{} is wrong", path.display()))?;
        Ok(Self { folder: folder.join(name), ..platform })
    }
}

/// What a plan is judged against: a board's description and its tree.
#[derive(Clone, Debug)]
pub struct Target {
    /// The description.
    pub platform: Platform,
    /// The flattened tree.
    pub tree: Vec<u8>,
}

/// Finds the board of `plan`: its tree is `tree` if given, else the plan's own file, else what QEMU has.
///
/// # Errors
/// A [`Report`](crate::report::Report) where the plan names no board there is; else why there is no tree.
pub fn target(plan: &PlanFile, tree: Option<&Path>, options: &qemu::Options) -> Result<Target> {
    let wrong = |error: anyhow::Error| {
        let problem = Problem::new(format!("{error:#}"));
        anyhow::Error::from(plan.report(vec![problem.at(plan.span(None, "board")).code("E0007")]))
    };
    if is_tree(&plan.board) {
        let platform = Platform::default();
        let tree = match tree {
            Some(path) => read_tree(path)?,
            None => read_tree(&plan.resolve(&plan.board)).map_err(wrong)?,
        };
        return Ok(Target { platform, tree });
    }
    let platform = Platform::load(&root()?, &plan.board).map_err(wrong)?;
    let tree = match tree {
        Some(path) => read_tree(path)?,
        None => qemu::dump_tree(&platform, options)?,
    };
    Ok(Target { platform, tree })
}

/// Finds the board that a person names: a tree's file, or a folder of `platforms/`.
///
/// # Errors
/// Where it is neither, or has no tree.
pub fn named(board: &str, options: &qemu::Options) -> Result<Target> {
    if is_tree(board) || Path::new(board).is_file() {
        return Ok(Target { platform: Platform::default(), tree: read_tree(Path::new(board))? });
    }
    let platform = Platform::load(&root()?, board)?;
    let tree = qemu::dump_tree(&platform, options)?;
    Ok(Target { platform, tree })
}

/// Tells whether a board's name is that of a tree's file.
#[must_use]
pub fn is_tree(board: &str) -> bool {
    Path::new(board).extension().is_some_and(|extension| extension == "dtb" || extension == "dts")
}

/// Reads a tree, compiled by `dtc` where it is a source, `.dts` or `.dtso`.
///
/// # Errors
/// Where it cannot be read or compiled.
pub fn read_tree(path: &Path) -> Result<Vec<u8>> {
    if path.extension().is_none_or(|extension| extension != "dts" && extension != "dtso") {
        return std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    }
    // With -@ the labels stay, and a plan can name devices by them.
    let mut dtc = Command::new("dtc");
    dtc.args(["-q", "-@", "-I", "dts", "-O", "dtb"]).arg(path).stdin(Stdio::null());
    let output = match dtc.output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!(
                "{} is a tree's source and dtc is missing: install device-tree-compiler, or name a .dtb",
                path.display()
            )
        }
        output => output.context("cannot start dtc")?,
    };
    let said = String::from_utf8_lossy(&output.stderr);
    let advice = "a source with #include lines goes through the C preprocessor first; its .dtb is the easier way";
    ensure!(output.status.success(), "dtc refuses {} ({advice}): {}", path.display(), said.trim());
    Ok(output.stdout)
}

/// Returns the project's folder: the one with `platforms/`, above this package, the program or where we stand.
///
/// # Errors
/// Where it is not found.
pub fn root() -> Result<PathBuf> {
    let places = [
        std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from),
        std::env::current_exe().ok(),
        std::env::current_dir().ok(),
        Some(PathBuf::from(env!("CARGO_MANIFEST_DIR"))),
    ];
    places
        .iter()
        .flatten()
        .flat_map(|place| place.ancestors())
        .find(|folder| folder.join("platforms").is_dir() && folder.join("Cargo.toml").is_file())
        .map(Path::to_owned)
        .context("cannot find the project's folder, the one with platforms/ in it")
}

fn some_bytes<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    bytes(from).map(Some)
}

fn bytes<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let text = String::deserialize(from)?;
    size::parse(&text).ok_or_else(|| de::Error::custom(format!("\"{text}\" is no size such as \"2M\"")))
}
