//! QEMU's command line, its device tree, and a run of it.
//!
//! Owns how [`Options`] become arguments; what a board needs comes from its `platform.toml`. The tree of exactly these
//! options is QEMU's own (`dumpdtb`). QEMU may ignore polite signals: it is ended by SIGKILL.

use crate::board_tree;
use crate::cache;
use crate::platform::{Platform, Qemu};
use anyhow::{Context as _, Result, ensure};
use manifest::digest::{Hasher as _, Software};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What a run may choose; the rest is the platform's.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Options {
    /// One instruction a nanosecond, no wall clock: the same run every time
    #[arg(long)]
    pub icount: bool,
    /// Version of the GIC
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..=4))]
    pub gic: Option<u32>,
    /// CPU model, as QEMU names it
    #[arg(long, value_name = "MODEL")]
    pub cpu: Option<String>,
    /// Number of CPUs
    #[arg(long, value_name = "N")]
    pub smp: Option<u32>,
    /// Size of RAM, as QEMU writes it: 2G
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// A disk: the file becomes a virtio-blk device on virtio-mmio (may be repeated)
    #[arg(long = "drive", value_name = "FILE")]
    pub drives: Vec<PathBuf>,
    /// The terminal is a person's: Ctrl-C goes to the board, Ctrl-A x ends QEMU
    #[arg(skip)]
    pub terminal: bool,
    /// More arguments for QEMU
    #[arg(last = true, value_name = "QEMU ARGS")]
    pub extra: Vec<String>,
}

/// Returns the command that starts `image` with `bundle`, its UART on standard input and output. Where the board's tree is a
/// file, it is made beside the bundle.
///
/// # Errors
/// Where QEMU does not know the board.
pub fn command(platform: &Platform, options: &Options, image: &Path, bundle: &Path) -> Result<Command> {
    let qemu = known(platform)?;
    let mut command = Command::new(&qemu.program);
    command.args(machine(qemu, options)?);
    let mux = if options.terminal || qemu.uarts > 1 { ",mux=on" } else { "" };
    command.args(["-chardev", &format!("stdio,id=uart,signal=off{mux}")]);
    (0..qemu.uarts).for_each(|_| {
        command.args(["-serial", "chardev:uart"]);
    });
    if let Some(tree) = board_tree::make(platform, &qemu.overlays, &bundle.with_extension("dtb"))? {
        command.arg("-dtb").arg(tree);
    }
    if options.terminal {
        command.args(["-mon", "chardev=uart,mode=readline"]);
    }
    command.arg("-kernel").arg(image).arg("-initrd").arg(bundle).args(&options.extra);
    Ok(command)
}

/// Asks QEMU for the device tree it would give with these options.
///
/// # Errors
/// Where QEMU is missing or refuses the options.
pub fn dump_tree(platform: &Platform, options: &Options) -> Result<Vec<u8>> {
    let qemu = known(platform)?;
    let folder = tempfile::tempdir()?;
    let made = board_tree::make(platform, &qemu.overlays, &folder.path().join("base.dtb"))?;
    let base = made.as_ref().map(std::fs::read).transpose()?.unwrap_or_default();
    // The same program with the same options says the same (`dtb-randomness=off`); what a person adds may name files.
    let arguments = [machine(qemu, options)?, options.extra.clone()].concat();
    let program = cache::program(&qemu.program).filter(|_| options.extra.is_empty());
    let key = program.map(|program| format!("tree of {program} {arguments:?} {:x?}", Software.sha256(&base)));
    cache::get_or(key.as_deref(), || {
        let file = folder.path().join("board.dtb");
        let mut command = Command::new(&qemu.program);
        if let Some(tree) = &made {
            command.arg("-dtb").arg(tree);
        }
        // Some models tell how CPUs are started only where they have a kernel to start.
        let kernel = folder.path().join("kernel");
        std::fs::write(&kernel, [0; 4])?;
        let output = command
            .args(&arguments)
            .arg("-kernel")
            .arg(kernel)
            .args(["-machine", &format!("dumpdtb={}", file.display())])
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot start {}; is it installed?", qemu.program))?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{} refuses these options: {}", qemu.program, said.trim());
        std::fs::read(file).with_context(|| format!("{} wrote no device tree", qemu.program))
    })
}

/// Waits for QEMU to end, or ends it after `limit`; returns whether it ended by itself.
///
/// # Errors
/// Where it failed.
pub fn wait(child: &mut Child, limit: Option<Duration>) -> Result<bool> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "QEMU failed: {status}");
            return Ok(true);
        }
        if limit.is_some_and(|limit| start.elapsed() >= limit) {
            child.kill()?;
            child.wait()?;
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn known(platform: &Platform) -> Result<&Qemu> {
    platform.qemu.as_ref().context("QEMU cannot start this board: no platform.toml with [qemu] describes it")
}

/// Everything that decides what the board is.
fn machine(qemu: &Qemu, options: &Options) -> Result<Vec<String>> {
    let gic = options.gic.unwrap_or(qemu.gic);
    ensure!(gic == qemu.gic || qemu.machine.contains("{gic}"), "this board's GIC is version {}", qemu.gic);
    let smp = options.smp.unwrap_or(qemu.smp);
    let mut args = vec![
        "-M".to_owned(),
        qemu.machine.replace("{gic}", &gic.to_string()),
        "-cpu".to_owned(),
        options.cpu.clone().unwrap_or_else(|| qemu.cpu.clone()),
        "-smp".to_owned(),
        smp.to_string(),
        "-m".to_owned(),
        options.memory.clone().unwrap_or_else(|| qemu.memory.clone()),
    ];
    args.extend(qemu.args.iter().cloned());
    if options.icount {
        let exact = ["-icount", "shift=0,sleep=off", "-rtc", "base=2025-01-01,clock=vm", "-accel", "tcg,thread=single"];
        args.extend(exact.map(str::to_owned));
    }
    for (index, file) in options.drives.iter().enumerate() {
        // A comma in a file name is doubled in QEMU's options.
        let file = file.display().to_string().replace(',', ",,");
        args.extend(["-drive".to_owned(), format!("if=none,format=raw,id=d{index},file={file}")]);
        args.extend(["-device".to_owned(), format!("virtio-blk-device,drive=d{index}")]);
    }
    Ok(args)
}
