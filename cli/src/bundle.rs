//! Writing a bundle: a plan and the files it names, as a FIT.
//!
//! Owns the order of the file: the tree first, then the payloads, the plan's first, each at a multiple of 64 bytes; the
//! same inputs give the same bytes. What is written here is read by `manifest::Bundle::read`, on the desk and by EL2. A
//! file that two cells name is stored once.
//!
//! U-Boot, `doc/usage/fit/source_file_format.rst`.

use crate::kernel::{self, Place, Said};
use crate::plan_file::PlanFile;
use crate::report::{Problem, Report};
use crate::{cache, platform};
use anyhow::{Context as _, Result};
use manifest::digest::{Hasher as _, Software};
use manifest::{Cell, Console, Dma, Image, Kernel, Manifest, PLAN, VERSION};
use std::convert::Infallible;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use vm_fdt::FdtWriter;

/// Payloads start at multiples of this: one cache line.
const ALIGNMENT: usize = 64;
/// Bundles of one file likewise.
pub const PAGE: usize = 4096;

/// Which hash guards the images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Hash {
    /// Finds intent too.
    #[default]
    Sha256,
    /// Finds accidents, fast.
    Crc32,
}

/// A file in the bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Node name under `/images`.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// `kernel` or `ramdisk`.
    pub kind: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Reads the files `plan` names and makes the bundle of both.
///
/// # Errors
/// A [`Report`] of every file that cannot be used.
pub fn build(plan: &PlanFile, hash: Hash) -> Result<Vec<u8>, Report> {
    whole(plan, pack(plan, Some(hash), &|_| ())?)
}

/// Does the same and says what it is about: `packing vmlinuz`.
///
/// # Errors
/// A [`Report`] of every file that cannot be used.
pub fn build_telling(plan: &PlanFile, hash: Hash, tell: &dyn Fn(String)) -> Result<Vec<u8>, Report> {
    whole(plan, pack(plan, Some(hash), tell)?)
}

/// Makes a bundle to be judged and not booted: the same, but its images' hashes are not worked out.
///
/// # Errors
/// A [`Report`] of every file that cannot be used.
pub fn sketch(plan: &PlanFile) -> Result<Vec<u8>, Report> {
    whole(plan, pack(plan, None, &|_| ())?)
}

/// Makes such a bundle with nearly nothing in place of what cannot be used, and says what that is.
///
/// # Errors
/// A FIT cannot hold the plan.
pub fn draft(plan: &PlanFile) -> Result<(Vec<u8>, Vec<Problem>), Report> {
    pack(plan, None, &|_| ())
}

fn whole(plan: &PlanFile, (bundle, problems): (Vec<u8>, Vec<Problem>)) -> Result<Vec<u8>, Report> {
    if problems.is_empty() { Ok(bundle) } else { Err(plan.report(problems)) }
}

fn pack(plan: &PlanFile, hash: Option<Hash>, tell: &dyn Fn(String)) -> Result<(Vec<u8>, Vec<Problem>), Report> {
    let mut files = Files::default();
    let mut chosen = Vec::new();
    let mut problems = Vec::new();
    for (index, cell) in plan.cells.iter().enumerate() {
        tell(format!("packing {}", cell.kernel));
        let kernel = files.kernel(plan.resolve(&cell.kernel), cell.place);
        let initrd = cell.initrd.as_ref().map(|name| files.other(plan.resolve(name), RAMDISK)).transpose();
        let dtb = match (&cell.tree, &cell.dtb) {
            (Some(tree), _) => {
                let made = (plan.path.clone(), format!("tree of {}", cell.name));
                Ok(Some(files.add(made, "device tree", TREE.0, tree.clone())))
            }
            (None, Some(name)) => files.other(plan.resolve(name), TREE).map(Some),
            (None, None) => Ok(None),
        };
        let mut refuse = |key, error: &anyhow::Error| {
            let problem = Problem::new(format!("cell {}: {error:#}", cell.name));
            let missing = error.root_cause().downcast_ref().is_some_and(|io: &Error| io.kind() == ErrorKind::NotFound);
            let help = missing.then(|| "files are looked for beside the plan, not where the command runs".to_owned());
            problems.push(Problem { help, ..problem.at(plan.span(Some(index), key)).code("E0006") });
        };
        // A plan without a kernel was told so.
        kernel.as_ref().err().filter(|_| !cell.kernel.is_empty()).into_iter().for_each(|error| refuse("kernel", error));
        initrd.as_ref().err().into_iter().for_each(|error| refuse("initrd", error));
        dtb.as_ref().err().into_iter().for_each(|error| refuse("dtb", error));
        let kernel = kernel.unwrap_or_else(|_| files.stand_in());
        chosen.push((kernel, initrd.unwrap_or_default(), dtb.unwrap_or_default()));
        let unfinished = [("devices", cell.rest), ("memory", cell.all_memory), ("overlay", cell.overlay.is_some())];
        for (key, _) in unfinished.iter().filter(|(_, unfinished)| *unfinished && plan.facts.is_empty()) {
            let problem =
                Problem::new(format!("cell {}: {key} depends on the board, and its tree is missing", cell.name));
            let problem = problem.at(plan.span(Some(index), key)).code("E0007");
            problems.push(problem.help("say by --board F.dtb which board it is"));
        }
    }
    let image = |index: usize| {
        let file = files.artifacts.get(index);
        file.map(|file| Image { name: &file.name, size: file.bytes.len() as u64 }).unwrap_or_default()
    };
    let cells = plan.cells.iter().zip(&chosen).map(|(cell, ((kernel, place), initrd, dtb))| Cell {
        name: &cell.name,
        cpus: cell.cpus.clone(),
        memory: cell.memory.clone(),
        kernel: Kernel {
            image: image(*kernel),
            text_offset: place.text_offset,
            image_size: place.size,
            load: place.load,
            entry: place.entry,
        },
        initrd: initrd.map(image),
        dtb: dtb.map(image),
        bootargs: &cell.bootargs,
        devices: cell.devices.iter().map(String::as_str).collect(),
        dma: cell.dma,
        console: cell.console,
        passthrough: cell.passthrough,
        restarts: cell.on_fault.0,
        within_ms: cell.on_fault.1,
        forgiving: cell.forgiving,
        watchdog_ms: cell.watchdog_ms,
        manual: cell.manual,
    });
    let manifest = Manifest {
        board: &plan.board,
        poweroff_when_idle: plan.poweroff_when_idle,
        service_cpu: plan.service_cpu,
        cells: cells.collect(),
        facts: plan.facts.clone(),
    };
    let sources = files.artifacts.iter().zip(&files.sources);
    let digests = sources.map(|(artifact, path)| match hash {
        Some(hash) => {
            tell(format!("hashing {}", artifact.name));
            if artifact.kind == TREE.0 { digest(&artifact.bytes, hash) } else { kept_digest(artifact, &path.0, hash) }
        }
        None => vec![0; 32],
    });
    let digests: Vec<Vec<u8>> = digests.collect();
    match lay_out(&manifest, &files.artifacts, hash.unwrap_or_default(), &digests) {
        Ok(bundle) => Ok((bundle, problems)),
        Err(error) => Err(plan.report([problems, vec![Problem::new(format!("{error:#}"))]].concat())),
    }
}

/// Joins bundles into one file: each begins a page, and EL2 takes the first whose plan holds.
#[must_use]
pub fn join(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut whole = Vec::new();
    for part in parts {
        whole.resize(whole.len().next_multiple_of(PAGE), 0);
        whole.extend(part);
    }
    whole
}

/// Makes the bundle of a plan and its images.
///
/// # Errors
/// Where a FIT cannot hold them: larger than 4 GiB, text with NUL.
pub fn write(manifest: &Manifest<'_>, artifacts: &[Artifact], hash: Hash) -> Result<Vec<u8>> {
    let digests: Vec<Vec<u8>> = artifacts.iter().map(|artifact| digest(&artifact.bytes, hash)).collect();
    lay_out(manifest, artifacts, hash, &digests)
}

fn lay_out(manifest: &Manifest<'_>, artifacts: &[Artifact], hash: Hash, digests: &[Vec<u8>]) -> Result<Vec<u8>> {
    let too_large = "the bundle would be larger than the 4 GiB a FIT can hold";
    let plan = words(manifest, artifacts)?;
    let description = format!("plan for {}, version {VERSION}", manifest.board);
    let plan = Artifact { name: PLAN.to_owned(), description, kind: "firmware", bytes: plan };
    // The last of the images, and the first behind the tree: a bundle cut short there is none.
    let all: Vec<&Artifact> = artifacts.iter().chain([&plan]).collect();
    let digests = [digests, &[digest(&plan.bytes, hash)]].concat();
    let order: Vec<usize> = std::iter::once(artifacts.len()).chain(0..artifacts.len()).collect();
    // The tree has the same size wherever the payloads lie: once to learn it, once for good.
    let mut positions = vec![0; all.len()];
    let mut end = tree(manifest, &all, hash, &digests, &positions)?.len();
    for &index in &order {
        let Some((artifact, position)) = all.get(index).zip(positions.get_mut(index)) else { continue };
        let start = end.checked_next_multiple_of(ALIGNMENT).context(too_large)?;
        *position = u32::try_from(start).context(too_large)?;
        end = start.checked_add(artifact.bytes.len()).context(too_large)?;
    }
    u32::try_from(end).context(too_large)?;
    let mut bundle = tree(manifest, &all, hash, &digests, &positions)?;
    for artifact in order.iter().filter_map(|index| all.get(*index)) {
        bundle.resize(bundle.len().next_multiple_of(ALIGNMENT), 0);
        bundle.extend_from_slice(&artifact.bytes);
    }
    Ok(bundle)
}

/// Hashes an artifact, unless that of the same file is still known.
fn kept_digest(artifact: &Artifact, source: &Path, hash: Hash) -> Vec<u8> {
    let key = cache::identity(source).map(|file| format!("{hash:?} of {} {file}", artifact.kind));
    let made = cache::get_or(key.as_deref(), || Ok::<_, Infallible>(digest(&artifact.bytes, hash)));
    made.unwrap_or_else(|never| match never {})
}

fn digest(bytes: &[u8], hash: Hash) -> Vec<u8> {
    match hash {
        Hash::Sha256 => Software.sha256(bytes).to_vec(),
        Hash::Crc32 => Software.crc32(bytes).to_be_bytes().to_vec(),
    }
}

/// Writes the tree of the FIT.
fn tree(
    manifest: &Manifest<'_>,
    artifacts: &[&Artifact],
    hash: Hash,
    digests: &[Vec<u8>],
    positions: &[u32],
) -> Result<Vec<u8>> {
    let mut fdt = FdtWriter::new()?;
    let root = fdt.begin_node("")?;
    fdt.property_string("description", &format!("Cellwall bundle for {}", manifest.board))?;
    // Bundles of the same inputs are the same.
    fdt.property_u32("timestamp", 0)?;
    fdt.property_u32("#address-cells", 1)?;

    let images = fdt.begin_node("images")?;
    for ((artifact, digest), position) in artifacts.iter().zip(digests).zip(positions) {
        let image = fdt.begin_node(&artifact.name)?;
        fdt.property_string("description", &artifact.description)?;
        fdt.property_string("type", artifact.kind)?;
        fdt.property_string("arch", "arm64")?;
        fdt.property_string("os", "linux")?;
        fdt.property_string("compression", "none")?;
        fdt.property_u32("data-position", *position)?;
        fdt.property_u32("data-size", u32::try_from(artifact.bytes.len())?)?;
        let node = fdt.begin_node("hash-1")?;
        fdt.property_string("algo", if hash == Hash::Crc32 { "crc32" } else { "sha256" })?;
        fdt.property("value", digest)?;
        fdt.end_node(node)?;
        fdt.end_node(image)?;
    }
    fdt.end_node(images)?;

    let configurations = fdt.begin_node("configurations")?;
    if !manifest.cells.is_empty() {
        fdt.property_string("default", "cell-0")?;
    }
    for (index, cell) in manifest.cells.iter().enumerate() {
        let node = fdt.begin_node(&format!("cell-{index}"))?;
        fdt.property_string("description", cell.name)?;
        fdt.property_string("kernel", cell.kernel.image.name)?;
        if let Some(initrd) = cell.initrd {
            fdt.property_string("ramdisk", initrd.name)?;
        }
        if let Some(dtb) = cell.dtb {
            fdt.property_string("fdt", dtb.name)?;
        }
        fdt.end_node(node)?;
    }
    fdt.end_node(configurations)?;

    fdt.end_node(root)?;
    Ok(fdt.finish()?)
}

/// Writes the plan; `manifest::words` reads it, and says what stands where.
fn words(manifest: &Manifest<'_>, artifacts: &[Artifact]) -> Result<Vec<u8>> {
    let place = |image: Option<Image<'_>>| {
        let Some(Image { name, .. }) = image else { return Ok(0) };
        let mut places = (1_u64..).zip(artifacts).filter(|(_, artifact)| artifact.name == name);
        places.next().map(|(place, _)| place).with_context(|| format!("no image {name}"))
    };
    let mut words = Words(Vec::new());
    words.number(VERSION);
    words.text(manifest.board);
    words.number(manifest.poweroff_when_idle.into());
    words.list(manifest.service_cpu, |words, cpu| words.number(cpu.into()));
    words.number(manifest.cells.len() as u64);
    for cell in &manifest.cells {
        words.text(cell.name);
        words.list(&cell.cpus, |words, cpu| words.number((*cpu).into()));
        words.list(&cell.memory, |words, run| {
            words.number(run.size);
            words.list(run.at, Words::number);
            words.number(run.identity.into());
        });
        words.number(place(Some(cell.kernel.image))?);
        words.number(cell.kernel.text_offset);
        words.number(cell.kernel.image_size);
        words.list(cell.kernel.load, Words::number);
        words.list(cell.kernel.entry, Words::number);
        words.number(place(cell.initrd)?);
        words.number(place(cell.dtb)?);
        words.text(cell.bootargs);
        words.list(&cell.devices, |words, device| words.text(device));
        words.number(match cell.dma {
            Dma::Unsaid => 0,
            Dma::None => 1,
            Dma::Trusted => 2,
        });
        words.number(match cell.console {
            Console::Virtual => 0,
            Console::Passthrough => 1,
            Console::None => 2,
        });
        words.number(cell.passthrough.into());
        words.number(cell.restarts.into());
        words.number(cell.within_ms.into());
        words.number(cell.forgiving.into());
        words.number(cell.watchdog_ms.into());
        words.number(cell.manual.into());
    }
    words.list(&manifest.facts, |words, fact| words.number(*fact));
    Ok(words.0)
}

/// A plan while it is written.
struct Words(Vec<u8>);

impl Words {
    fn number(&mut self, number: u64) {
        self.0.extend(number.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend(text.bytes());
    }

    fn list<I: IntoIterator<IntoIter: ExactSizeIterator>>(&mut self, items: I, item: impl Fn(&mut Self, I::Item)) {
        let items = items.into_iter();
        self.number(items.len() as u64);
        items.for_each(|one| item(self, one));
    }
}

/// FIT's type of an initrd, and words for it.
const RAMDISK: (&str, &str) = ("ramdisk", "initial RAM disk");
/// The same of a device tree.
const TREE: (&str, &str) = ("flat_dt", "device tree");

/// The files of a plan, each once.
#[derive(Default)]
struct Files {
    artifacts: Vec<Artifact>,
    /// Of each artifact: its file, and what was made of it.
    sources: Vec<(PathBuf, String)>,
    /// Of the kernels: file, what the plan says of its place, artifact and place.
    kernels: Vec<(PathBuf, Said, (usize, Place))>,
}

impl Files {
    fn kernel(&mut self, path: PathBuf, said: Said) -> Result<(usize, Place)> {
        if let Some((.., known)) = self.kernels.iter().find(|(file, place, _)| *file == path && *place == said) {
            return Ok(*known);
        }
        let kernel = kernel::load(&path, said)?;
        let source = (path.clone(), "kernel".to_owned());
        let known = self.sources.iter().position(|known| *known == source);
        let index = known.unwrap_or_else(|| {
            let name = kernel.form.clone();
            self.add(source, &name, "kernel", kernel.bytes)
        });
        self.kernels.push((path, said, (index, kernel.place)));
        Ok((index, kernel.place))
    }

    fn other(&mut self, path: PathBuf, (kind, words): (&'static str, &str)) -> Result<usize> {
        let source = (path, kind.to_owned());
        if let Some(index) = self.sources.iter().position(|known| *known == source) {
            return Ok(index);
        }
        let read = |path: &Path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        let bytes = if kind == TREE.0 { platform::read_tree(&source.0)? } else { read(&source.0)? };
        Ok(self.add(source, words, kind, bytes))
    }

    /// Adds what the smallest kernel would be.
    fn stand_in(&mut self) -> (usize, Place) {
        let source = (PathBuf::new(), "kernel".to_owned());
        (self.add(source, "missing", "kernel", vec![0; 4096]), Place { size: 4096, ..Place::default() })
    }

    fn add(&mut self, source: (PathBuf, String), words: &str, kind: &'static str, bytes: Vec<u8>) -> usize {
        // A tree is no file's, but its cell's.
        let file = source.0.file_name().filter(|_| !source.1.contains(' '));
        let file = file.map_or_else(|| source.1.replace(' ', "-"), |file| file.to_string_lossy().into_owned());
        let stem = node_name(&file, kind);
        let taken = |name: &str| name == PLAN || self.artifacts.iter().any(|artifact| artifact.name == name);
        let numbered = (2_u32..).map(|number| format!("{stem}-{number}"));
        let name = std::iter::once(stem.clone()).chain(numbered).find(|name| !taken(name)).unwrap_or(stem);
        self.artifacts.push(Artifact { name, description: format!("{file}: {words}"), kind, bytes });
        self.sources.push(source);
        self.artifacts.len().saturating_sub(1)
    }
}

/// Makes a node name of a file's: at most 31 bytes with a number behind, a letter first (Devicetree Specification 2.2.1).
fn node_name(file: &str, kind: &str) -> String {
    let good = |c: char| if c.is_ascii_alphanumeric() || "._+-".contains(c) { c } else { '-' };
    let name: String = file.chars().map(good).take(24).collect();
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { kind.to_owned() }
}
