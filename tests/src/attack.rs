//! The attack suite: one cell tries everything of one class, counted, beside a victim that goes on checking what is its
//! own. A class holds when the attacker came through it, tried at least as much as it must, and the victim was intact
//! after it. Deterministic: QEMU counts instructions.

use crate::outside;
use crate::script::{self, Failure, Script, Step};
use crate::stage::{self, Machine};
use cellwall_cli::bundle::Hash;
use std::collections::BTreeMap;
use std::time::Duration;

/// One class of attempts.
pub struct Class {
    /// The attacker's name for it.
    pub name: &'static str,
    /// What is tried.
    pub what: &'static str,
    /// What must stop it, for the report.
    pub held_by: &'static str,
    /// Further boot arguments, of the routine run and of the long one.
    pub arguments: [&'static str; 2],
    /// The fewest attempts of the routine run.
    pub least: u64,
}

/// All of them.
pub const CLASSES: &[Class] = &[
    Class {
        name: "registers",
        what: "every system-register and system-instruction encoding, read and written",
        held_by: "EL2's trap controls; undefined at EL1",
        arguments: ["", ""],
        least: 149_000,
    },
    Class {
        name: "random",
        what: "seeded random instruction words at EL1 and EL0, registers at others' property",
        held_by: "stage 2, trap controls",
        arguments: ["words=20000", "words=1000000 seed=7"],
        least: 20_000,
    },
    Class {
        name: "sweep",
        what: "pages at all edges and a sample to the IPA limit and beyond, 21 kinds of access",
        held_by: "stage 2",
        arguments: ["", "sample=400"],
        least: 9_000,
    },
    Class {
        name: "walk-pages",
        what: "page tables in such pages and in emulated devices: loads, stores, fetches, AT through them",
        held_by: "stage 2, which walks are subject to",
        arguments: ["", "sample=400"],
        least: 2_500,
    },
    Class {
        name: "offsets",
        what: "every emulated device's offsets at each width, read and written",
        held_by: "the virtual GIC and UART",
        arguments: ["stride=17", ""],
        least: 100_000,
    },
    Class {
        name: "sgi-targets",
        what: "SGIs to every target",
        held_by: "the SGI filter",
        arguments: ["", ""],
        least: 32_768,
    },
    Class {
        name: "cpu-ids",
        what: "CPU_ON and AFFINITY_INFO of every affinity",
        held_by: "PSCI answered by EL2",
        arguments: ["", ""],
        least: 139_000,
    },
    Class {
        name: "function-ids",
        what: "HVC and SMC function ids of all owners, hostile arguments",
        held_by: "SMCCC answered by EL2",
        arguments: ["", ""],
        least: 53_000,
    },
    Class {
        name: "race",
        what: "CPU_ON of one CPU from two others at once",
        held_by: "one atomic exchange a CPU",
        arguments: ["rounds=1000", "rounds=20000"],
        least: 2_000,
    },
    Class {
        name: "storm",
        what: "exits and interrupts of each kind at the highest rate: calls, registers, WFI, SGIs, timer, PMU",
        held_by: "bounded handlers; no lock and no CPU shared by cells",
        arguments: ["", "times=100000"],
        least: 50_000,
    },
    Class {
        name: "board-pages",
        what: "every page of the board's devices and of its first RAM, 21 kinds of access",
        held_by: "stage 2",
        arguments: ["from=0x08000000 to=0x0b000000 step=0x4000", "from=0x0 to=0xc0000000"],
        least: 60_000,
    },
];

/// What became of a class.
pub struct Outcome {
    /// How many attempts, by what became of them: `count` is all.
    pub tally: BTreeMap<String, u64>,
    /// Violations that EL2 judged.
    pub violations: u64,
}

/// What nobody may say.
const NEVER: &[&str] = &[
    "verdict=BREACH",
    "victim: BROKEN",
    r"event=cell-stopped cell=victim",
    "PANIC",
    "panicked",
    "event=cpu-lost",
    // It ends by itself, or EL2 took for a fault what is none.
    r#"event=cell-stopped cell=attacker reason="(?:[^o]|o[^f])"#,
];

impl Class {
    /// The plan: the victim on CPU 0 with a device and identity memory, the attacker on CPU 1.
    fn plan(&self, full: bool, passthrough: bool) -> String {
        let gic = if passthrough { "passthrough" } else { "virtual" };
        let [routine, long] = self.arguments;
        let arguments = if full { long } else { routine };
        let cpus = if self.name == "race" { "1, 2, 3" } else { "1" };
        let attempt = if self.name == "board-pages" { "sweep" } else { self.name };
        format!(
            r#"board = "qemu-virt"
when_idle = "stay"

[[cell]]
name = "victim"
cpus = [0]
memory = [{{ size = "16M", at = 0x6000_0000, identity = true }}]
kernel = "{{victim}}"
devices = ["/pl031@9010000"]
dma = "none"
gic = "{gic}"

[[cell]]
name = "attacker"
cpus = [{cpus}]
memory = "16M"
kernel = "{{attacker}}"
on_violation = "inject"
gic = "{gic}"
bootargs = "after_ms=200 attempt={attempt} {arguments}"
"#
        )
    }

    /// Plays it; `passthrough`: attacker and victim both have `gic = "passthrough"`.
    ///
    /// # Errors
    /// Something went through, the victim lost something, or less was tried than must be.
    pub fn play(&self, gic: u32, full: bool, passthrough: bool) -> Result<Outcome, Failure> {
        let scene = format!("attack_{}{}_gicv{gic}", self.name, if passthrough { "_passthrough" } else { "" });
        // A CPU with LSE, so that atomics are tried too.
        let cpus = 2_u32.saturating_add(passthrough.into());
        let machine = Machine { gic, cpus, cpu: Some("neoverse-n1"), ..Machine::default() };
        // Races need a host thread for each CPU.
        let machine = match self.name {
            "race" => Machine { cpus: cpus.saturating_add(2), threads: true, ..machine },
            _ => machine.counted(),
        };
        let (mut command, outside) = stage::planned(&scene, &self.plan(full, passthrough), &machine, Hash::Sha256)?;
        outside::listen(&mut command, &outside.socket);
        let intact = || Step::expect(&[r"^\[victim\] victim: intact rounds="]);
        let tally = r"^\[attacker\] attacker: attempt=[a-z-]+ verdict=tally .*";
        let steps = vec![
            // Until it is started, EL2 may still have the other cell's RAM mapped: it was filling it.
            Step::expect(&[r"^\[victim\] victim: watching", "event=cell-started cell=attacker "]),
            Step::Look(outside.clone()),
            Step::expect(&[tally, r#"event=cell-stopped cell=attacker reason="off""#]),
            intact(),
            intact(),
            Step::Look(outside),
        ];
        let limit = Duration::from_secs(if full { 1800 } else { 180 });
        let script = Script { steps, forbidden: script::patterns(NEVER), limit };
        let mut outcome = Outcome { tally: BTreeMap::new(), violations: 0 };
        script.play(command, &stage::log_file(&scene)?, |line| outcome.note(line))?;
        let count = outcome.tally.get("count").copied().unwrap_or(0);
        // With GICv2 passed through, the CPU interface has one page.
        if count < if passthrough { self.least / 2 } else { self.least } {
            return Err(Failure::early(format!("{scene}: {count} attempts of at least {}", self.least)));
        }
        Ok(outcome)
    }
}

impl Outcome {
    fn note(&mut self, line: &str) {
        if line.contains("event=violation") {
            self.violations = self.violations.saturating_add(1);
        }
        let Some((_, tally)) = line.split_once("verdict=tally ") else { return };
        for (name, number) in tally.split_whitespace().filter_map(|word| word.split_once('=')) {
            self.tally.insert(name.to_owned(), number.parse().unwrap_or(0));
        }
    }
}
