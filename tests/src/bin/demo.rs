//! The watcher of `./x demo` where nobody sits at a terminal: plays a demo's plans, shows their console, and ends when
//! Linux, the control loop and the trespasser have each done their part. Exit 0 only if all did.

use cellwall_cli as _;
use libtest_mimic as _;
use scenes::script::{Failure, Script, Step};
use scenes::stage::{self, Machine, Start};
use std::env;
use std::fs;
use std::process::ExitCode;
use std::time::Duration;

/// What must be seen, and how the summary calls it.
type Parts = &'static [(&'static str, &'static str)];

/// One plan and what must be seen of it.
struct Act {
    plan: &'static str,
    disk: bool,
    parts: Parts,
}

const LINUX: (&str, &str) = ("linux: userspace reached", "Linux reached its user space");
const TWO: (&str, &str) = ("linux: nproc=2", "Linux runs on 2 CPUs");
const STOPPED: (&str, &str) =
    (r#"event=cell-stopped cell=trespasser reason=".*linux.*""#, "the trespasser was stopped, the owner named");

const FIRST_LIGHT: Act = Act {
    plan: "demos/first-light/cells.toml",
    disk: true,
    parts: &[
        LINUX,
        TWO,
        (r"^\[linux\] linux: disk says: hello from the disk", "Linux read its own disk"),
        STOPPED,
        (r"^\[control\] control: reached 20000 ticks", "the control loop served 20 000 ticks meanwhile"),
    ],
};

const TICKS: (&str, &str) = ("control: reached 8000 ticks", "the control loop served 8000 ticks meanwhile");
const RPI4: [Act; 2] = [
    Act {
        plan: "demos/rpi4/cells.toml",
        disk: false,
        parts: &[LINUX, TWO, (r"\[linux\] .*125 Level +uart-pl011", "on an emulated UART"), STOPPED, TICKS],
    },
    Act {
        plan: "demos/rpi4/passthrough.toml",
        disk: false,
        parts: &[LINUX, TWO, (r"linux: .*153 Level +uart-pl011", "on the board's own UART"), TICKS],
    },
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
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] | ["--gic", "3"] => FIRST_LIGHT.play(3),
        ["--gic", "2"] => FIRST_LIGHT.play(2),
        ["--board", "rpi4"] => RPI4.iter().try_for_each(|act| act.play(2)),
        _ => Err(Failure::early("usage: demo [--gic 2|3 | --board rpi4]")),
    }
}

impl Act {
    fn play(&self, gic: u32) -> Result<(), Failure> {
        let plan = fs::read_to_string(stage::root().join(self.plan))?;
        let plan = plan.replace("../../build", &stage::root().join("build").display().to_string());
        println!("==> {}", self.plan);
        let machine = Machine { gic, disk: self.disk, ..Machine::default() };
        let start = Start::plan(&plan, machine);
        let patterns: Vec<_> = self.parts.iter().map(|(pattern, _)| *pattern).collect();
        let mut script = Script { steps: vec![Step::expect(&patterns)], ..Script::default() };
        script.limit = Duration::from_mins(5);

        let mut lines: Vec<(String, String)> = Vec::new();
        let log = stage::log_file("demo")?;
        let watched = scenes::script::patterns(&patterns);
        let result = script.play(start.command("demo")?, &log, |line| {
            println!("{line}");
            for (pattern, (_, part)) in watched.iter().zip(self.parts) {
                if pattern.is_match(line) && !lines.iter().any(|(known, _)| known == part) {
                    lines.push(((*part).to_owned(), line.to_owned()));
                }
            }
        });
        println!("\n==> what each cell did");
        for (_, part) in self.parts {
            match lines.iter().find(|(known, _)| known == part) {
                Some((_, line)) => println!("  yes  {part}\n         {line}"),
                None => println!("  NO   {part}"),
            }
        }
        println!("  the whole console is in {}", log.display());
        result
    }
}
