//! Records a session with the monitor: plays a plan, types what follows, and writes what the console said into
//! `docs/monitor.md`. `cargo run -p scenes --bin session`, after `./x build`; counted instructions, so that two recordings
//! of the same image differ by nothing but where they were typed.

use anyhow as _;
use cellwall_cli as _;
use libtest_mimic as _;
use scenes::script::{Failure, Script, Step};
use scenes::stage::{self, Machine, Start};
use std::fmt::Write as _;
use std::fs;
use std::process::ExitCode;
use std::time::Duration;

/// A control loop, a cell with two vCPUs, and one that touches what it may not each time it starts.
const PLAN: &str = r#"board = "qemu-virt"
service_cpu = 4

[[cell]]
name = "control"
cpus = [0]
memory = "16M"
kernel = "{control}"

[[cell]]
name = "hello"
cpus = [1, 2]
memory = "16M"
kernel = "{hello}"
bootargs = "stay"

[[cell]]
name = "crasher"
cpus = [3]
memory = "16M"
kernel = "{attacker}"
bootargs = "attempt=wall address=0x09010000 after_ms=50"
on_fault = { restart = 2, within = "60s" }
"#;

/// What is typed, and what is waited for before the next.
const TYPED: [(&str, &str); 10] = [
    ("\x1dcells\r", r"crasher +failed"),
    ("stats crasher\r", r"vcpu 0: left at"),
    ("stop hello\r", r"event=cell-stopped cell=hello"),
    ("regs hello\r", r"vcpu 1: pc="),
    ("start hello\r", r"hello: done"),
    ("restart hello\r", r"hello: done"),
    ("stats hello\r", r"hello is running"),
    ("statz hello\r", r"lists the commands"),
    ("log\r", r"event=cell-restarting cell=hello"),
    ("help\r", r"Ctrl-\]  "),
];

fn main() -> ExitCode {
    match record() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("session: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn record() -> Result<(), Failure> {
    let machine = Machine { cpus: 5, ..Machine::default() }.counted();
    let mut steps = vec![Step::expect(&["event=cell-failed cell=crasher", "hello: done"])];
    for (text, answer) in TYPED {
        steps.push(Step::Send(text.as_bytes().to_vec()));
        steps.push(Step::expect(&[answer]));
    }
    let script = Script { steps, limit: Duration::from_mins(2), ..Script::default() };
    let mut said = String::new();
    script.play(Start::plan(PLAN, machine).command("session")?, &stage::log_file("session")?, |line| {
        let _ = writeln!(said, "{line}");
    })?;
    let text = format!(
        "# A session with the monitor\n\n\
         Recorded on QEMU's board by `cargo run -p scenes --bin session`, which types it and writes this file; the\nconsole \
         is as it came. The plan:\n\n```toml\n{PLAN}```\n\n\
         `crasher` touches the board's clock, which is nobody's, 50 ms after each start: its budget is two restarts, then\n\
         it has failed. `Ctrl-]` opened the monitor; what was typed stands behind `>`.\n\n\
         `stats` tells the starts (`restarts`: those of faults since a person started it), how long it is up or how long its CPUs\n\
         took to come out, what the console dropped of its output; of each vCPU its exits since the board was switched on, and\n\
         with what it left its guest last. Each exit is one of `calls` (HVC, SMC), `aborts` (stage 2 refused: emulated devices,\n\
         holes, walls, a zap), `traps` (other instructions that trap: system registers, among them SGIs of GICv3; WFI where\n\
         interrupts are passed through), `interrupts` (with the service CPU's own, if it is a cell's), `errors` (`SError`).\n\n\
         ```\n{said}```\n"
    );
    fs::write(stage::root().join("docs/monitor.md"), text)?;
    Ok(())
}
