//! `cellwall`: from a board's tree to a plan, its proof, its bundle and its run.
//!
//! Owns the command line and the exit codes: 0 done, 1 the plan or an input is at fault (the message says what to
//! change), 2 usage. What the commands do is the library's.

use anyhow::{Context as _, Result, bail, ensure};
use cellwall_cli::bundle::{self, Hash};
use cellwall_cli::map::{self, Map};
use cellwall_cli::plan_file::{self, PlanFile};
use cellwall_cli::platform::Target;
use cellwall_cli::report::{Problem, Report};
use cellwall_cli::{complete, deploy, el2, explain, flatten, inspect, offer, platform, qemu, size, starter, verdict};
use clap::{Args, Parser, Subcommand, ValueEnum};
use indicatif::ProgressBar;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

/// How long a run lasts when nobody watches and nothing else is said.
const UNATTENDED_SECONDS: u64 = 60;

#[derive(Parser)]
#[command(name = "cellwall", version, about = "Checks, builds and runs partition plans", after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

const EXAMPLES: &str = "\
A plan is a cells.toml: it says which cell gets which CPUs, memory and devices of a board.

  board = \"qemu-virt\"
  [[cell]]
  name   = \"hello\"
  cpus   = [0]
  memory = \"64M\"
  kernel = \"Image\"

Examples:
  cargo cellwall board qemu-virt                    What is there to divide?
  cargo cellwall init --board qemu-virt             A first plan, with comments
  cargo cellwall check cells.toml                   Does it hold on the board?
  cargo cellwall map cells.toml -o map.html         Draw it
  cargo cellwall build cells.toml -o cells.itb      One file for the boot loader, in place of an initrd
  cargo cellwall run cells.toml                     Start it in QEMU; Ctrl-A x leaves
  cargo cellwall run cells.toml --seconds 5 --icount --gic 2 > log
  cargo cellwall inspect cells.itb                  What is in it, and is it whole?

Exit codes: 0 done, 1 the plan or an input is at fault, 2 wrong usage.";

const SCHEMA: &str = include_str!("../../docs/cells.schema.json");

#[derive(Subcommand)]
enum Task {
    /// Proves a plan against its board, as EL2 will at boot
    #[command(after_help = "Examples:\n  cargo cellwall check cells.toml\n  \
        cargo cellwall check cells.toml --board bcm2711-rpi-4-b.dtb --format json\n  \
        cargo cellwall check --explain E0107")]
    Check {
        /// The plan, a cells.toml
        #[arg(required_unless_present = "explain")]
        plan: Option<PathBuf>,
        /// Say at length what a code means, instead
        #[arg(long, value_name = "CODE", exclusive = true)]
        explain: Option<String>,
        /// The board's tree, instead of the one QEMU gives
        #[arg(long, value_name = "F.dtb")]
        board: Option<PathBuf>,
        /// For people or for programs
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Checks a plan and makes the bundle of it and its images
    #[command(after_help = "Of several plans EL2 takes the first that holds on the board it runs on.\n\nExamples:\n  \
        cargo cellwall build cells.toml -o cells.itb --hash crc32\n  \
        cargo cellwall build virt.toml rpi4.toml -o cells.itb")]
    Build {
        /// The plan, a cells.toml, or several
        #[arg(required = true, value_name = "PLAN")]
        plans: Vec<PathBuf>,
        /// The bundle to write
        #[arg(short, long, value_name = "cells.itb")]
        output: PathBuf,
        /// The board's tree, instead of the one QEMU gives
        #[arg(long, value_name = "F.dtb")]
        board: Option<PathBuf>,
        /// Do not prove the plan: EL2 will say what is wrong with it
        #[arg(long)]
        unchecked: bool,
        /// What guards the images
        #[arg(long, value_enum, default_value = "sha256")]
        hash: Hash,
    },
    /// Builds EL2 and the bundle, and starts both in QEMU
    #[command(
        after_help = "On a terminal Ctrl-C goes to the board and Ctrl-A x ends QEMU; without one the console is \
        printed and the run ends after --seconds.\n\nExamples:\n  cargo cellwall run cells.toml\n  \
        cargo cellwall run cells.toml --seconds 5 --icount --cpu cortex-a53 -- -d int"
    )]
    Run(Run),
    /// Makes what a board's own firmware starts: an SD card's image, or its files
    #[command(after_help = "Examples:\n  cargo cellwall deploy cells.toml --board rpi4 -o sdcard.img\n  \
        cargo cellwall deploy cells.toml --board rpi4 --variant pl011 -o /media/boot")]
    Deploy {
        /// The plan, a cells.toml
        plan: PathBuf,
        /// A folder of platforms/, instead of the plan's board
        #[arg(long, value_name = "NAME")]
        board: Option<String>,
        /// Another set-up of the board, by name
        #[arg(long, value_name = "NAME")]
        variant: Option<String>,
        /// A file that ends in .img, or a folder
        #[arg(short, long, value_name = "sdcard.img|DIR")]
        output: PathBuf,
        /// EL2's image, ELF or flat, instead of building it
        #[arg(long, value_name = "FILE")]
        image: Option<PathBuf>,
    },
    /// Says what a bundle holds and whether its images are whole
    #[command(after_help = "Example:\n  cargo cellwall inspect cells.itb --format json\n\n\
        `dumpimage -l cells.itb` of u-boot-tools reads it too. Exit code 1: no bundle, or an image is damaged.")]
    Inspect {
        /// The bundle
        bundle: PathBuf,
        /// For people or for programs
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Lists what a board offers to a plan: CPUs, RAM, devices, who can have them
    #[command(after_help = "Devices with + can go to a cell by devices = [\"PATH\"], those with = together \
        with others,\nthose with - to none; each says why.\n\nExamples:\n  cargo cellwall board qemu-virt --gic 2\n  cargo cellwall board bcm2711-rpi-4-b.dtb\n  \
        cargo cellwall board my-board.dts --format json")]
    Board {
        /// A folder of platforms/, or the tree of a board: F.dtb, F.dts
        board: String,
        /// For people or for programs
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
        #[command(flatten)]
        options: qemu::Options,
    },
    /// Writes a starter plan for a board, with comments
    #[command(after_help = "The plan gives two CPUs to two cells that say hello; change it from there.\n\n\
        Examples:\n  cargo cellwall init --board qemu-virt\n  \
        cargo cellwall init --board my-board.dtb --kernel vmlinuz -o my-board.toml")]
    Init {
        /// A folder of platforms/, or the tree of a board: F.dtb, F.dts
        #[arg(long)]
        board: String,
        /// The plan to write; a file that is there is kept
        #[arg(short, long, value_name = "PLAN", default_value = "cells.toml")]
        output: PathBuf,
        /// The cells' kernel, instead of the guest that says hello
        #[arg(long, value_name = "FILE")]
        kernel: Option<PathBuf>,
    },
    /// Draws who owns which CPU, address and interrupt, and who may write what
    #[command(
        after_help = "The ending chooses the form: .svg is the drawing, .html one page with the drawing and the \
        same as tables.\nHovering over a piece tells its rights, writers and the line of the plan.\n\n\
        Example:\n  cargo cellwall map cells.toml -o map.html"
    )]
    Map {
        /// The plan, a cells.toml
        plan: PathBuf,
        /// The drawing to write: .svg or .html
        #[arg(short, long, value_name = "MAP", default_value = "map.html")]
        output: PathBuf,
        /// The board's tree, instead of the one QEMU gives
        #[arg(long, value_name = "F.dtb")]
        board: Option<PathBuf>,
        #[command(flatten)]
        options: qemu::Options,
    },
    /// Prints a JSON Schema of cells.toml, by which editors complete and check it
    #[command(after_help = "Example, for Taplo and the editors that use it:\n  \
        cargo cellwall schema > cells.schema.json\n  \
        and in the plan's first line:  #:schema cells.schema.json")]
    Schema,
    /// Makes a flat binary of an ELF file's segments
    Flatten {
        /// The ELF file
        elf: PathBuf,
        /// The binary to write
        #[arg(short, long, value_name = "BIN")]
        output: PathBuf,
    },
}

#[derive(Args)]
struct Run {
    /// The plan, a cells.toml
    plan: PathBuf,
    /// A folder of platforms/, instead of the plan's board
    #[arg(long, value_name = "NAME")]
    board: Option<String>,
    /// End after so many seconds [default: never on a terminal, else 60]
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// EL2's image, ELF or flat, instead of building it
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Do not prove the plan: EL2 will say what is wrong with it
    #[arg(long)]
    unchecked: bool,
    /// What guards the images
    #[arg(long, value_enum, default_value = "sha256")]
    hash: Hash,
    #[command(flatten)]
    options: qemu::Options,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Task::Check { explain: Some(code), .. } => explain::paragraph(&code).and_then(|text| say(&text)),
        Task::Check { plan, board, format, .. } => check(&plan.unwrap_or_default(), board.as_deref(), format),
        Task::Build { plans, output, board, unchecked, hash } => {
            build(&plans, &output, board.as_deref(), unchecked, hash)
        }
        Task::Run(arguments) => run(arguments),
        Task::Inspect { bundle, format } => show(&bundle, format),
        Task::Deploy { plan, board, variant, output, image } => {
            deployed(&plan, board, variant.as_deref(), &output, image.as_deref())
        }
        Task::Board { board, format, options } => offer(&board, format, &options),
        Task::Init { board, output, kernel } => init(&board, &output, kernel.as_deref()),
        Task::Map { plan, output, board, options } => draw(&plan, &output, board.as_deref(), &options),
        Task::Schema => say(SCHEMA.trim_end()),
        Task::Flatten { elf, output } => flat(&elf, &output),
    };
    done.unwrap_or_else(|error| {
        match error.downcast_ref::<Report>() {
            Some(report) => warn(report),
            None => eprintln!("error: {error:#}"),
        }
        ExitCode::FAILURE
    })
}

fn check(path: &Path, board: Option<&Path>, format: Format) -> Result<ExitCode> {
    let judged = verdict::check(path, board, &qemu::Options::default());
    if format == Format::Text {
        let verdict = judged?;
        warn(&verdict.report);
        return say(&verdict.summary);
    }
    let report = judged.map(|verdict| verdict.report).or_else(anyhow::Error::downcast::<Report>);
    let report = report.unwrap_or_else(|error| Report::new(path, "", vec![Problem::new(format!("{error:#}"))]));
    say(&format!("{:#}", report.json()))?;
    Ok(if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn offer(board: &str, format: Format, options: &qemu::Options) -> Result<ExitCode> {
    let offer = offer::list(&platform::named(board, options)?.tree).with_context(|| board.to_owned())?;
    match format {
        Format::Text => say(offer.to_string().trim_end()),
        Format::Json => say(&serde_json::to_string_pretty(&offer)?),
    }
}

fn init(board: &str, output: &Path, kernel: Option<&Path>) -> Result<ExitCode> {
    let target = platform::named(board, &qemu::Options::default())?;
    starter::write(board, &target, output, kernel)?;
    if is_stream(output) {
        return Ok(ExitCode::SUCCESS);
    }
    let kernel = plan_file::load(output)?;
    let missing = kernel.cells.iter().map(|cell| kernel.resolve(&cell.kernel)).find(|file| !file.exists());
    if let Some(file) = missing {
        return say(&format!(
            "wrote {}; its kernel {} is not there yet: ./x build makes it",
            output.display(),
            file.display()
        ));
    }
    say(&format!("wrote {}", output.display()))?;
    check(output, None, Format::Text)
}

fn draw(path: &Path, output: &Path, board: Option<&Path>, options: &qemu::Options) -> Result<ExitCode> {
    let form = match output.extension().and_then(|ending| ending.to_str()) {
        Some("svg") => map::svg::draw,
        Some("html" | "htm") => map::html::page,
        _ => bail!("{}: a map is a .svg or a .html", output.display()),
    };
    let plan = plan_file::load(path)?;
    let target = platform::target(&plan, board, options)?;
    let plan = complete::complete(plan, &target)?;
    let bytes = bundle::sketch(&plan)?;
    let (report, map) = verdict::sealed(&plan, &bytes, &target, |board, manifest, sealed| {
        Ok(Map::new(&plan, board, manifest, sealed))
    })?;
    warn(&report);
    write(output, form(&map).as_bytes())?;
    wrote(output, "")
}

fn build(paths: &[PathBuf], output: &Path, board: Option<&Path>, unchecked: bool, hash: Hash) -> Result<ExitCode> {
    let (mut parts, mut names) = (Vec::new(), Vec::new());
    for path in paths {
        let plan = plan_file::load(path)?;
        let target = platform::target(&plan, board, &qemu::Options::default());
        // A plan that nobody judges may do without a board, unless it leaves something to it.
        let target = if unchecked { target.ok() } else { Some(target?) };
        names.push(if plan.cells.len() == 1 { "1 cell".to_owned() } else { format!("{} cells", plan.cells.len()) });
        parts.push(bundle(plan, target.as_ref(), !unchecked, hash)?);
    }
    let bytes = bundle::join(&parts);
    write(output, &bytes)?;
    wrote(output, &format!(": {}, {}", names.join(" or "), size::show(bytes.len() as u64)))
}

fn deployed(
    path: &Path,
    board: Option<String>,
    variant: Option<&str>,
    output: &Path,
    image: Option<&Path>,
) -> Result<ExitCode> {
    let mut plan = plan_file::load(path)?;
    if let Some(board) = board {
        plan.board = board;
    }
    let platform = platform::Platform::load(&platform::root()?, &plan.board)?;
    let deploy = deploy::Deploy::of(&platform, variant)?;
    let bytes = bundle(plan, Some(&deploy.target(&platform)?), true, Hash::default())?;
    let image = el2::image(&read(&el2_file(image)?)?)?;
    let files = deploy.files(&platform, &image, &bytes)?;
    if output.extension().is_some_and(|extension| extension == "img") {
        write(output, &deploy::card(&files)?)?;
    } else {
        deploy::write_folder(&files, output)?;
    }
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    say(&format!("wrote {}: {}", output.display(), names.join(", ")))
}

/// The EL2 image that was named, else a new one.
fn el2_file(image: Option<&Path>) -> Result<PathBuf> {
    if let Some(image) = image {
        return Ok(image.to_path_buf());
    }
    let progress = spinner("building EL2");
    let built = el2::build(&platform::root()?)?;
    progress.finish_and_clear();
    Ok(built)
}

/// Makes the bundle of `plan` for a board, proved if it is to be.
fn bundle(plan: PlanFile, target: Option<&Target>, proved: bool, hash: Hash) -> Result<Vec<u8>> {
    let progress = spinner("packing the images");
    let plan = match target {
        Some(target) => complete::complete(plan, target)?,
        None => plan,
    };
    let bytes = bundle::build_telling(&plan, hash, &|doing| progress.set_message(doing))?;
    progress.finish_and_clear();
    if let Some(target) = target.filter(|_| proved) {
        warn(&verdict::judge(&plan, &bytes, target)?.report);
    }
    Ok(bytes)
}

fn run(mut arguments: Run) -> Result<ExitCode> {
    let options = &mut arguments.options;
    options.terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let mut plan = plan_file::load(&arguments.plan)?;
    if let Some(board) = arguments.board {
        plan.board = board;
    }
    if !options.terminal && !plan.spans.contains_key("when_idle") {
        plan.poweroff_when_idle = true;
    }
    let target = platform::target(&plan, None, options)?;
    let bytes = bundle(plan, Some(&target), !arguments.unchecked, arguments.hash)?;
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let (image, cells) = (folder.path().join("cellwall.bin"), folder.path().join("cells.itb"));
    write(&cells, &bytes)?;
    let built = el2_file(arguments.image.as_deref())?;
    write(&image, &el2::image(&read(&built)?).with_context(|| built.display().to_string())?)?;
    let mut command = qemu::command(&target.platform, options, &image, &cells)?;
    let unattended = (!options.terminal).then_some(UNATTENDED_SECONDS);
    let limit = arguments.seconds.or(unattended).map(Duration::from_secs);
    let settings = options.terminal.then(terminal_settings).flatten();
    if options.terminal {
        eprintln!("Ctrl-A x ends QEMU, Ctrl-] opens the monitor of cellwall.");
    }
    let mut child = command.spawn().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let ended = qemu::wait(&mut child, limit);
    if let Some(settings) = settings {
        // QEMU, killed, leaves the terminal raw.
        let _ = Command::new("stty").arg(settings).status();
    }
    if !ended? {
        eprintln!("cellwall: ended after {} seconds", limit.unwrap_or_default().as_secs());
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns what `stty` needs to bring the terminal back.
fn terminal_settings() -> Option<String> {
    let output = Command::new("stty").arg("-g").stdin(Stdio::inherit()).output().ok()?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
}

fn show(path: &Path, format: Format) -> Result<ExitCode> {
    let bundles = inspect::bundles(&read(path)?).with_context(|| path.display().to_string())?;
    match (format, bundles.as_slice()) {
        (Format::Text, all) => all.iter().try_for_each(|bundle| say(bundle.to_string().trim_end()).map(|_| ()))?,
        (Format::Json, [only]) => _ = say(&serde_json::to_string_pretty(only)?)?,
        (Format::Json, all) => _ = say(&serde_json::to_string_pretty(all)?)?,
    }
    let sound = bundles.iter().all(|bundle| bundle.sound);
    ensure!(sound, "{}: an image is damaged; build the bundle again", path.display());
    Ok(ExitCode::SUCCESS)
}

fn flat(elf: &Path, output: &Path) -> Result<ExitCode> {
    let flat = flatten::flatten(&read(elf)?).with_context(|| elf.display().to_string())?;
    write(output, &flat)?;
    wrote(output, &format!(": {}", size::show(flat.len() as u64)))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Tells whether what is written to `path` goes on to somebody: `/dev/stdout`, a pipe.
fn is_stream(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|there| !there.is_file())
}

/// Says what was written, beside it where it is a stream.
fn wrote(path: &Path, what: &str) -> Result<ExitCode> {
    let sentence = format!("wrote {}{what}", path.display());
    if !is_stream(path) {
        return say(&sentence);
    }
    eprintln!("{sentence}");
    Ok(ExitCode::SUCCESS)
}

/// Prints a line; a reader that went away is no panic.
fn say(text: &str) -> Result<ExitCode> {
    writeln!(std::io::stdout(), "{text}").context("cannot write to standard output")?;
    Ok(ExitCode::SUCCESS)
}

fn warn(report: &Report) {
    if !report.problems.is_empty() {
        eprintln!("{}", report.render(std::io::stderr().is_terminal()));
    }
}

/// Shows that something takes its time; nothing where nobody watches.
fn spinner(doing: &'static str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(doing);
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
