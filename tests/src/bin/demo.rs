//! The watcher of `./x demo` where nobody sits at a terminal: plays `demos/first-light`, shows its console, and ends
//! when Linux, the control loop and the trespasser have each done their part. Exit 0 only if all did.

use cellwall_cli as _;
use libtest_mimic as _;
use scenes::script::{Failure, Script, Step};
use scenes::stage::{self, Machine, Start};
use std::env;
use std::fs;
use std::process::ExitCode;
use std::time::Duration;

/// What must be seen, and how the summary calls it.
const PARTS: &[(&str, &str)] = &[
    (r"^\[linux\] linux: userspace reached", "Linux reached its user space"),
    (r"^\[linux\] linux: nproc=2$", "Linux runs on 2 CPUs"),
    (r"^\[linux\] linux: disk says: hello from the disk", "Linux read its own disk"),
    (r#"event=cell-stopped cell=trespasser reason=".*linux.*""#, "the trespasser was stopped, the owner named"),
    (r"^\[control\] control: reached 20000 ticks", "the control loop served 20 000 ticks meanwhile"),
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("demo: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let mut arguments = env::args().skip(1);
    let gic = match (arguments.next().as_deref(), arguments.next().as_deref()) {
        (None, _) | (Some("--gic"), Some("3")) => 3,
        (Some("--gic"), Some("2")) => 2,
        _ => return Err(Failure::early("usage: demo [--gic 2|3]")),
    };
    let plan = fs::read_to_string(stage::root().join("demos/first-light/cells.toml"))?;
    let plan = plan.replace("../../build", &stage::root().join("build").display().to_string());
    let machine = Machine { gic, ..Machine::default() }.with_disk();
    let start = Start::plan(&plan, machine);
    let patterns: Vec<_> = PARTS.iter().map(|(pattern, _)| *pattern).collect();
    let mut script = Script { steps: vec![Step::expect(&patterns)], ..Script::default() };
    script.limit = Duration::from_mins(5);

    let mut lines: Vec<(String, String)> = Vec::new();
    let log = stage::log_file("demo")?;
    let watched = scenes::script::patterns(&patterns);
    let result = script.play(start.command("demo")?, &log, |line| {
        println!("{line}");
        for (pattern, (_, part)) in watched.iter().zip(PARTS) {
            if pattern.is_match(line) && !lines.iter().any(|(known, _)| known == part) {
                lines.push(((*part).to_owned(), line.to_owned()));
            }
        }
    });
    println!("\n==> what each cell did");
    for (_, part) in PARTS {
        match lines.iter().find(|(known, _)| known == part) {
            Some((_, line)) => println!("  yes  {part}\n         {line}"),
            None => println!("  NO   {part}"),
        }
    }
    println!("  the whole console is in {}", log.display());
    result
}
