//! Whether a cell can tell what its neighbour does (invariant 9): the canary's exits, in order, and every instruction EL2
//! executes for each of them, beside a neighbour that merely spins and beside hostile ones.
//!
//! QEMU logs exceptions (`-d int`) and EL2's instructions (`-d exec`, one a block, filtered to where EL2 is linked). What
//! the canary's CPU enters EL2 for is compared exit by exit, address by address; interrupts of the board would come by
//! time, and there are none on its CPU: any that came is a difference too.

use crate::script::{Failure, Script, Step, patterns};
use crate::stage::{self, EL2, Machine};
use cellwall_cli::bundle::Hash;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A neighbour: its name, what it does, its keys and boot arguments.
pub struct Neighbour {
    /// For the report.
    pub name: &'static str,
    /// The attempt and its arguments.
    pub bootargs: &'static str,
    /// Its memory: the less, the sooner it starts again.
    pub memory: &'static str,
    /// Further keys of its cell.
    pub keys: &'static str,
}

/// Rounds of the canary: long enough that a neighbour that is killed begins anew throughout.
const ROUNDS: u32 = 240;
/// Restarts that must be seen of a neighbour that is to be restarted, and exceptions of any hostile one: it ran meanwhile.
const RESTARTS: u64 = 5;
const BESIDE: u64 = 200;

/// The one all are compared with.
pub const QUIET: Neighbour = Neighbour { name: "spins", bootargs: "attempt=spin", memory: "8M", keys: "" };

/// The hostile ones.
pub const HOSTILE: &[Neighbour] = &[
    Neighbour { name: "storm", bootargs: "attempt=storm times=1000000", memory: "8M", keys: "" },
    Neighbour { name: "registers", bootargs: "attempt=registers", memory: "8M", keys: "" },
    Neighbour {
        name: "random",
        bootargs: "attempt=random words=1000000",
        memory: "8M",
        keys: "on_violation = \"inject\"\n",
    },
    Neighbour {
        name: "sweep",
        bootargs: "attempt=sweep from=0 to=0xc0000000",
        memory: "8M",
        keys: "on_violation = \"inject\"\n",
    },
    Neighbour { name: "offsets", bootargs: "attempt=offsets", memory: "8M", keys: "" },
    Neighbour { name: "function-ids", bootargs: "attempt=function-ids", memory: "8M", keys: "" },
    Neighbour {
        name: "restarts",
        bootargs: "attempt=touch access=write address=0x09020010",
        memory: "1M",
        keys: "on_fault = \"restart\"\n",
    },
];

/// Why the canary entered EL2, and what EL2 did.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Exit {
    /// QEMU's name of the exception.
    pub kind: String,
    /// `ESR_EL2`, where it is one that has one.
    pub esr: u64,
    /// `ELR_EL2`.
    pub elr: u64,
    /// The addresses EL2 executed.
    pub path: Vec<u64>,
}

/// What one run says of the canary.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Record {
    /// Its exits but for the last, which ends it.
    pub exits: Vec<Exit>,
    /// Its lines.
    pub console: Vec<String>,
    /// How often its neighbour was seen to be restarted.
    pub restarts: u64,
    /// Exceptions of its neighbour, at any level, until it was done.
    pub beside: u64,
}

impl Record {
    /// EL2's instructions in all exits.
    #[must_use]
    pub fn instructions(&self) -> usize {
        self.exits.iter().map(|exit| exit.path.len()).sum()
    }

    /// The first difference from another record, if there is one.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self.console != other.console {
            return Some("the lines differ".to_owned());
        }
        for (index, (mine, its)) in self.exits.iter().zip(&other.exits).enumerate() {
            if mine != its {
                let step = mine.path.iter().zip(&its.path).position(|(mine, its)| mine != its);
                let at = step.and_then(|step| Some((mine.path.get(step)?, its.path.get(step)?)));
                return Some(format!(
                    "exit {index}: {} esr={:#x} elr={:#x}, {} instructions; {} esr={:#x} elr={:#x}, {}; apart at {at:x?}",
                    mine.kind,
                    mine.esr,
                    mine.elr,
                    mine.path.len(),
                    its.kind,
                    its.esr,
                    its.elr,
                    its.path.len()
                ));
            }
        }
        let (mine, its) = (self.exits.len(), other.exits.len());
        (mine != its).then(|| format!("{mine} exits and {its}"))
    }
}

/// Plays the canary beside that neighbour.
///
/// # Errors
/// The canary did not come to its end.
pub fn play(neighbour: &Neighbour, gic: u32) -> Result<Record, Failure> {
    let name = format!("interference_{}_gicv{gic}", neighbour.name);
    // CPU 2 serves the console, and is no cell's.
    let plan = format!(
        "board = \"qemu-virt\"\nwhen_idle = \"stay\"\nservice_cpu = 2\n\n[[cell]]\nname = \"canary\"\ncpus = [0]\n\
         memory = \"2M\"\nkernel = \"{{canary}}\"\nbootargs = \"rounds={ROUNDS}\"\n\n[[cell]]\nname = \"neighbour\"\ncpus = [1]\n\
         memory = \"{}\"\nkernel = \"{{attacker}}\"\nbootargs = \"{}\"\n{}",
        neighbour.memory, neighbour.bootargs, neighbour.keys
    );
    let machine = Machine { gic, cpus: 3, cpu: Some("neoverse-n1"), ..Machine::default() }.counted();
    let (usual, _) = stage::planned(&name, &plan, &machine, Hash::Crc32)?;
    let mut command = taking_turns(&stage::stepped(&usual));
    let log = stage::log_file(&name)?.with_extension("trace");
    let filter = format!("{:#x}+{:#x}", EL2.0, EL2.1);
    command.args(["-d", "int,exec,nochain", "-dfilter", &filter, "-D"]).arg(&log);
    let steps = vec![Step::expect(&[r"^\[canary\] canary: done", "event=cell-stopped cell=canary reason=\"off\""])];
    let forbidden = patterns(&["PANIC", "event=cpu-lost", "verdict=BREACH"]);
    let script = Script { steps, forbidden, limit: Duration::from_mins(5) };
    let (mut console, mut restarts) = (Vec::new(), 0_u64);
    script.play(command, &stage::log_file(&name)?, |line| {
        console.extend(line.strip_prefix("[canary] ").map(str::to_owned));
        restarts = restarts.saturating_add(u64::from(line.contains("event=cell-restarting cell=neighbour")));
    })?;
    let (exits, beside) = follow(&log)?;
    std::fs::remove_file(&log)?;
    let enough = if neighbour.keys.contains("restart") { restarts >= RESTARTS } else { beside >= BESIDE };
    if !enough && neighbour.name != QUIET.name {
        return Err(Failure::early(format!("{name}: nothing beside it: {beside} exceptions, {restarts} restarts")));
    }
    Ok(Record { exits, console, restarts, beside })
}

/// QEMU lets a CPU run for up to 100 ms before it turns to the next. At an instruction a nanosecond the canary would be
/// done within one turn, and none of its neighbours would have run beside it: so an instruction takes a microsecond, and
/// a turn some ten thousand of them. The canary never looks at time.
fn taking_turns(plain: &Command) -> Command {
    let mut command = Command::new(plain.get_program());
    command.args(plain.get_args().map(|argument| match argument.to_str() {
        Some("shift=0,sleep=off") => "shift=10,sleep=off".into(),
        _ => argument.to_owned(),
    }));
    command
}

/// Reads what CPU 0 entered EL2 for from below, and what was executed there; and how many exceptions CPU 1 had.
fn follow(log: &Path) -> Result<(Vec<Exit>, u64), Failure> {
    let mut exits: Vec<Exit> = Vec::new();
    let mut beside = 0_u64;
    // The exception being told, and whether it is of CPU 0's cell.
    let (mut told, mut inside) = (Exit::default(), false);
    let number = |text: &str| u64::from_str_radix(text.trim().trim_start_matches("0x"), 16).unwrap_or(0);
    for line in BufReader::new(File::open(log)?).lines() {
        let line = line?;
        if let Some(rest) = line.strip_prefix("Trace ") {
            let (cpu, at) = (rest.split(':').next(), rest.split('/').nth(1).map(number));
            if let (Some("0"), Some(at), Some(exit), true) = (cpu, at, exits.last_mut(), inside)
                && exit.path.last() != Some(&at)
            {
                exit.path.push(at);
            }
        } else if let Some(rest) = line.strip_prefix("Taking exception ") {
            beside = beside.saturating_add(u64::from(rest.ends_with("on CPU 1")));
            told = Exit { kind: rest.to_owned(), ..Exit::default() };
        } else if let Some(rest) = line.strip_prefix("...with ESR ") {
            told.esr = rest.split('/').nth(1).map_or(0, number);
        } else if let Some(rest) = line.strip_prefix("...with ELR ") {
            told.elr = number(rest);
        } else if line.starts_with("...to EL") && told.kind.ends_with("on CPU 0") {
            inside = line.starts_with("...to EL2");
            if inside {
                exits.push(std::mem::take(&mut told));
            }
        }
    }
    // The last one ends the cell; what its CPU does then is not for it.
    exits.pop();
    Ok((exits, beside))
}
