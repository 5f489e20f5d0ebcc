//! What a scene boots, and the QEMU command that boots it.
//!
//! Plans go the user's way: the text is written out as `cells.toml`, built into a bundle and started by the same
//! code as `cargo cellwall run`. A guest alone goes to plain QEMU at EL1: what it does there is what it must do in
//! a cell. `CELLWALL_IMAGE` names another EL2 image than the one in `build/`. Cells name their guests by placeholders: `{hello}`, `{control}`, `{attacker}`, `{vmlinuz}`, `{initrd}`.

use crate::Failure;
use crate::outside::Outside;
use address::Address;
use anyhow::Context as _;
use cellwall_cli::{bundle, complete, plan_file, platform, qemu, verdict};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What changes a built bundle before it boots.
pub type Tamper = fn(&mut Vec<u8>);

/// What boots.
#[derive(Clone, Debug)]
pub enum Start {
    /// EL2 with a plan.
    Plan {
        /// The text of its `cells.toml`, with placeholders.
        text: String,
        /// The board's options.
        machine: Machine,
        /// Done to the bundle after it was built.
        tamper: Option<Tamper>,
    },
    /// One of our guests at EL1, without EL2.
    Guest {
        /// Its name.
        name: &'static str,
        /// Its boot arguments.
        bootargs: &'static str,
        /// The machine's options.
        machine: Machine,
    },
}

/// QEMU's options.
#[derive(Clone, Debug)]
pub struct Machine {
    /// GIC version.
    pub gic: u32,
    /// CPUs.
    pub cpus: u32,
    /// The CPU model, the board's own if none.
    pub cpu: Option<&'static str>,
    /// RAM in MiB, the board's own if none.
    pub memory_mib: Option<u32>,
    /// Deterministic, one instruction a nanosecond.
    pub icount: bool,
    /// One host thread for each CPU instead of one for all: finds races, at the price of stalls.
    pub threads: bool,
    /// Whether the Linux guest's disk is in the last virtio slot.
    pub disk: bool,
}

impl Default for Machine {
    fn default() -> Self {
        Self { gic: 3, cpus: 4, cpu: None, memory_mib: None, icount: false, threads: false, disk: false }
    }
}

impl Machine {
    /// With the Linux guest's disk.
    #[must_use]
    pub fn with_disk(self) -> Self {
        Self { disk: true, ..self }
    }

    /// Deterministic: time is instructions, so that ticks can be judged.
    #[must_use]
    pub fn counted(self) -> Self {
        Self { icount: true, ..self }
    }

    /// The same as `cargo cellwall run` takes; the disk is a copy, since QEMU locks it.
    fn options(&self, disk: &Path) -> Result<qemu::Options, Failure> {
        if self.disk {
            fs::copy(root().join("build/linux/disk.img"), disk)?;
        }
        let mut extra = vec!["-no-reboot".to_owned()];
        if !self.icount {
            extra.extend(["-accel".to_owned(), self.accelerator().to_owned()]);
        }
        Ok(qemu::Options {
            icount: self.icount,
            gic: Some(self.gic),
            cpu: self.cpu.map(str::to_owned),
            smp: Some(self.cpus),
            memory: self.memory_mib.map(|size| format!("{size}M")),
            drives: self.disk.then(|| disk.to_path_buf()).into_iter().collect(),
            extra,
            ..qemu::Options::default()
        })
    }

    fn accelerator(&self) -> &'static str {
        if self.threads { "tcg,thread=multi" } else { "tcg,thread=single" }
    }
}

/// The project's folder.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// The linked EL2 image.
#[must_use]
pub fn elf() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("aarch64-unknown-none-softfloat/release/cellwall")
}

fn scenes_folder() -> Result<PathBuf, Failure> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let folder = target.join("scenes");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Where the console of the scene of that name is kept.
///
/// # Errors
/// The folder cannot be made.
pub fn log_file(name: &str) -> Result<PathBuf, Failure> {
    Ok(scenes_folder()?.join(format!("{name}.log")))
}

/// Builds guests, Linux guest and EL2 image, unless `./x` has just done so.
///
/// # Errors
/// The build failed.
pub fn prepare() -> Result<(), Failure> {
    if env::var_os("CELLWALL_BUILT").is_some() {
        return Ok(());
    }
    for (program, argument) in [("x", "build"), ("platforms/fetch", "")] {
        let status =
            Command::new(root().join(program)).args(Some(argument).filter(|word| !word.is_empty())).status()?;
        if !status.success() {
            return Err(Failure::early(format!("`{program} {argument}` failed")));
        }
    }
    Ok(())
}

impl Start {
    /// Boots EL2 with a plan.
    #[must_use]
    pub fn plan(text: &str, machine: Machine) -> Self {
        Self::Plan { text: text.to_owned(), machine, tamper: None }
    }

    /// Boots EL2 with a plan whose bundle is changed after it was built.
    #[must_use]
    pub fn tampered(text: &str, machine: Machine, tamper: Tamper) -> Self {
        Self::Plan { text: text.to_owned(), machine, tamper: Some(tamper) }
    }

    /// The command that boots it; its files are named after the scene.
    ///
    /// # Errors
    /// The plan is at fault, or a file is missing.
    pub fn command(&self, scene: &str) -> Result<Command, Failure> {
        match self {
            Self::Plan { text, machine, tamper } => {
                let (command, _) = planned(scene, text, machine, bundle::Hash::Sha256)?;
                if let Some(tamper) = tamper {
                    let path = scenes_folder()?.join(format!("{scene}.itb"));
                    let mut bytes = fs::read(&path)?;
                    tamper(&mut bytes);
                    fs::write(path, bytes)?;
                }
                Ok(command)
            }
            Self::Guest { name, bootargs, machine } => Ok(guest_command(name, bootargs, machine)),
        }
    }
}

/// The plan's text with the placeholders filled in.
#[must_use]
pub fn fill(text: &str) -> String {
    let build = root().join("build");
    let mut text = text.to_owned();
    for (name, path) in [
        ("{hello}", "guests/hello"),
        ("{control}", "guests/control"),
        ("{attacker}", "guests/attacker"),
        ("{victim}", "guests/victim"),
        ("{mortal}", "guests/mortal"),
        ("{bench}", "guests/bench"),
        ("{canary}", "guests/canary"),
        ("{conform}", "guests/conform"),
        ("{vmlinuz}", "linux/vmlinuz"),
        ("{initrd}", "linux/initrd.cpio.gz"),
    ] {
        text = text.replace(name, &build.join(path).display().to_string());
    }
    text
}

/// The command that boots a plan, and what may be seen of it from outside.
///
/// # Errors
/// The plan is at fault, or a file is missing.
pub fn planned(scene: &str, text: &str, machine: &Machine, hash: bundle::Hash) -> Result<(Command, Outside), Failure> {
    let folder = scenes_folder()?;
    let (plan_path, bundle_path) = (folder.join(format!("{scene}.toml")), folder.join(format!("{scene}.itb")));
    fs::write(&plan_path, fill(text))?;
    let early = |error: anyhow::Error| Failure::early(format!("{error:#}"));
    let plan = plan_file::load(&plan_path).map_err(Failure::early)?;
    let options = machine.options(&folder.join(format!("{scene}.img")))?;
    let target = platform::target(&plan, None, &options).map_err(early)?;
    let plan = complete::complete(plan, &target).map_err(Failure::early)?;
    let bytes = bundle::build(&plan, hash).map_err(Failure::early)?;
    let (_, outside) =
        verdict::sealed(&plan, &bytes, &target, |board, _, sealed| Ok(Outside::of(board, sealed))).map_err(early)?;
    fs::write(&bundle_path, bytes)?;
    let image = env::var_os("CELLWALL_IMAGE").map_or_else(|| root().join("build/cellwall.bin"), PathBuf::from);
    Ok((qemu::command(&target.platform, &options, &image, &bundle_path).map_err(early)?, outside))
}

/// What a cell's guest is entered with: its device tree, and where it and the images lie.
#[derive(Clone, Debug)]
pub struct CellTree {
    /// The tree.
    pub bytes: Vec<u8>,
    /// Its IPA.
    pub at: u64,
    /// The kernel's IPA.
    pub kernel: u64,
    /// The initrd's IPA, or 0.
    pub initrd: u64,
}

/// The device tree that EL2 makes for the plan's first cell: the desk makes the same.
///
/// # Errors
/// The plan is at fault.
pub fn cell_tree(scene: &str, text: &str, machine: &Machine) -> Result<CellTree, Failure> {
    let path = scenes_folder()?.join(format!("{scene}.toml"));
    fs::write(&path, fill(text))?;
    let early = |error: anyhow::Error| Failure::early(format!("{error:#}"));
    let plan = plan_file::load(&path).map_err(Failure::early)?;
    let target = platform::target(&plan, None, &machine.options(&path)?).map_err(early)?;
    let plan = complete::complete(plan, &target).map_err(Failure::early)?;
    let bytes = bundle::build(&plan, bundle::Hash::Crc32).map_err(Failure::early)?;
    let made = verdict::sealed(&plan, &bytes, &target, |board, manifest, sealed| {
        let (cell, spec) = sealed.cells.first().zip(manifest.cells.first()).context("the plan has no cell")?;
        let initrd = cell.initrd.map_or(0, |initrd| initrd.base().get());
        let [kernel, at] = [cell.kernel, cell.tree.base()].map(Address::get);
        Ok(CellTree { bytes: cell_tree::build(board, cell, spec), at, kernel, initrd })
    });
    made.map(|(_, tree)| tree).map_err(early)
}

/// Where EL2 is linked, and how far it may reach: what `-dfilter` lets through of a [`stepped`] run.
pub const EL2: (u64, u64) = (0xff80_0000_0000, 0x20_0000);

/// The same command with one instruction a block, so that `-d exec` logs each.
#[must_use]
pub fn stepped(plain: &Command) -> Command {
    let mut command = Command::new(plain.get_program());
    command.args(plain.get_args().map(|argument| match argument.to_str() {
        Some("tcg,thread=single") => "tcg,thread=single,one-insn-per-tb=on".into(),
        _ => argument.to_owned(),
    }));
    command
}

fn guest_command(name: &str, bootargs: &str, machine: &Machine) -> Command {
    let mut command = Command::new("qemu-system-aarch64");
    command.args(["-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio", "-m", "128M"]);
    command.args(["-M", &format!("virt,gic-version={}", machine.gic), "-smp", &machine.cpus.to_string()]);
    command.args(["-cpu", machine.cpu.unwrap_or("cortex-a72"), "-accel", machine.accelerator()]);
    if machine.icount {
        command.args(["-icount", "shift=0,sleep=off"]);
    }
    command.arg("-kernel").arg(root().join(format!("build/guests/{name}.bin"))).args(["-append", bootargs]);
    command
}
