//! Shows that what judges EL2 can fail: for each entry of `tests/breaks.toml` EL2 is broken in a copy of the sources,
//! built, and the class of attacks, the neighbour or the scene that it concerns must go red. Part of `./x test --full`;
//! `breaks WORD` takes those with that word in `by`.

use anyhow as _;
use cellwall_cli as _;
use libtest_mimic as _;
use scenes::breaks;
use scenes::script::Failure;
use scenes::stage;
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

/// The EL2 image's target.
const TARGET: &str = "aarch64-unknown-none-softfloat";

fn main() -> ExitCode {
    match run() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(survivors) => {
            eprintln!("breaks: {survivors} went unnoticed");
            ExitCode::FAILURE
        }
        Err(failure) => {
            eprintln!("breaks: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<u32, Failure> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| stage::root().join("target"), Into::into);
    let folder = target.join("breaks");
    // Whoever judges is today's.
    let own = Command::new("cargo")
        .current_dir(stage::root())
        .args(["build", "--quiet", "-p", "scenes", "--bins"])
        .status()?;
    if !own.success() {
        return Err(Failure::early("what judges does not build"));
    }
    let word = env::args().nth(1).unwrap_or_default();
    let mut survivors = 0_u32;
    for one in breaks::all()?.into_iter().filter(|one| one.by.contains(&word)) {
        let tree = folder.join("tree");
        copy(&tree)?;
        let file = tree.join(&one.file);
        let source = fs::read_to_string(&file)?;
        fs::write(&file, one.apply(&source)?)?;
        let image = build(&tree, &folder)?;
        let output = judge(&one.by)?.env("CELLWALL_IMAGE", &image).env("CELLWALL_BUILT", "1").output()?;
        let status = output.status;
        println!("{:<22} {:<11} {}", one.by, if status.success() { "UNNOTICED" } else { "goes red" }, one.why);
        if !status.success() {
            println!("{:<22} {}", "", reason(&String::from_utf8_lossy(&output.stdout)));
        }
        survivors = survivors.saturating_add(u32::from(status.success()));
    }
    Ok(survivors)
}

/// The command that must fail.
fn judge(by: &str) -> Result<Command, Failure> {
    let mut words = by.split(' ');
    let (tool, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut command = if tool == "scene" {
        let mut command = Command::new("cargo");
        command.current_dir(stage::root()).args(["test", "--quiet", "-p", "scenes", "--test", "scenes", "--", name]);
        command
    } else {
        let mut command = Command::new(env::current_exe()?.with_file_name(tool));
        command.args(["--gic", "3", "--only", name]);
        command
    };
    command.args(words);
    Ok(command)
}

/// What the one who noticed says.
fn reason(said: &str) -> &str {
    let mut lines = said.lines().skip_while(|line| !line.starts_with("---- "));
    let scene = lines.nth(1);
    let told = said.lines().find_map(|line| Some(line.split_once(" FAILED: ").or(line.split_once("restarts  "))?.1));
    scene.or(told).unwrap_or("no reason given")
}

/// The sources as git knows them; a file is written only where it differs, so that little is built anew.
fn copy(tree: &Path) -> Result<(), Failure> {
    let list = Command::new("git").arg("-C").arg(stage::root()).args(["ls-files", "-z"]).output()?;
    for name in String::from_utf8_lossy(&list.stdout).split('\0').filter(|name| !name.is_empty()) {
        let (from, to) = (stage::root().join(name), tree.join(name));
        let Ok(bytes) = fs::read(from) else { continue };
        if fs::read(&to).is_ok_and(|old| old == bytes) {
            continue;
        }
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&to, bytes)?;
    }
    Ok(())
}

/// Builds the EL2 image of that tree.
fn build(tree: &Path, folder: &Path) -> Result<std::path::PathBuf, Failure> {
    let target = folder.join("target");
    let status = Command::new("cargo")
        .current_dir(tree)
        .env("CARGO_TARGET_DIR", &target)
        .args(["build", "--quiet", "--release", "-p", "cellwall", "--target", TARGET])
        .status()?;
    if !status.success() {
        return Err(Failure::early("a broken tree must still build"));
    }
    let image = folder.join("cellwall.bin");
    let bytes = fs::read(target.join(TARGET).join("release/cellwall"))?;
    fs::write(&image, cellwall_cli::flatten::flatten(&bytes).map_err(|error| Failure::early(format!("{error:#}")))?)?;
    Ok(image)
}
