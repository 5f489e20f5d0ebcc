//! One cell is killed and started again a thousand times, by every kind of fault there is, beside Linux and the control
//! loop: nobody else notices, no event is missing, and EL2 has the frames in use that it had before.
//!
//! Walls, `SYSTEM_RESET` and the watchdog are the guest's own doing. QEMU raises no system error and no exit that no control
//! asks for, and nothing damages the bundle: those come from outside, by its gdb stub. Two calls of the guest are diverted
//! to EL2's entry for system errors and to an unknown class; now and then the guest's image is damaged, so that it is not
//! started again until it is whole and a person starts it; and last of all EL2 comes to its end on the guest's CPU, which
//! loses the cell for good, once.

use crate::lifecycle::{SECOND, number};
use crate::linux::linux;
use crate::machine;
use crate::small::{cell, staying};
use crate::touched::{BUNDLE, Diversion, SYSTEM_ERROR, UNKNOWN, break_stop, el2, physical};
use cellwall_cli::bundle::Hash;
use libtest_mimic::Trial;
use scenes::outside::gdb::Stub;
use scenes::outside::listen;
use scenes::stage::{Start, log_file, planned};
use scenes::{Failure, Scene};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// How it dies, and what EL2 says of that.
const KINDS: [(&str, &str); 8] = [
    ("read", "read of 0x0901_0000"),
    ("write", "write to 0x0901_0000"),
    ("fetch", "fetch from 0x0901_0000"),
    ("walk", "0x0901_0000"),
    ("reset", "\"reset\""),
    ("watchdog", "its watchdog was not refreshed"),
    ("unknown", "unexpected exit to EL2: unexpected exception class 0x3f"),
    ("serror", "unexpected exit to EL2: SError"),
];
/// Starts until its image is damaged, or in the end EL2.
const STRETCH: u32 = 50;
/// The control loop's bounds, in virtual microseconds: those are the instructions of all five CPUs. On average over a second,
/// with two hundred ends in it and more; and once. It keeps QEMU's turns short itself (`kit::timer::mark`).
const LATE_US: (u64, u64) = (50, 200);
/// In the guest's image, and nowhere else.
const MARK: &[u8] = b"mortal: dies by ";

pub fn trials() -> Option<Trial> {
    let cycles = std::env::var("ENDURANCE").ok()?.parse().ok()?;
    Some(Trial::test("endurance", move || endurance(cycles).map_err(|failure| failure.to_string().into())))
}

fn endurance(cycles: u32) -> Result<(), Failure> {
    let keys = "watchdog = \"20ms\"\non_fault = \"restart\"\nstart = \"manual\"\n";
    let mortal = cell("mortal", "[2, 3]", "die").replace("16M", "1M") + keys;
    let plan = staying(&[linux("linux", "[0]", "\"128M\"", ""), cell("control", "[1]", ""), mortal]);
    let mut scene = Scene::new("endurance", Start::plan("", machine(3, 5))).limit(3000);
    scene = scene.expect([r"^\[linux\] linux: a shell"]).expect([SECOND]).send("\x1d");
    let stretches = cycles.div_ceil(STRETCH).max(1);
    for stretch in 1..=stretches {
        scene = scene.send("start mortal\r");
        for _ in 0..STRETCH.min(cycles) {
            scene = scene.expect([r"event=cell-started cell=mortal"]);
        }
        let reason = if stretch < stretches { "the kernel's hash does not match" } else { "EL2 lost CPU 2" };
        scene = scene.expect([&format!("event=cell-failed cell=mortal reason=\"{reason}")]);
    }
    scene = scene
        .send("stats mortal\r")
        .expect([r"mortal is failed, starts="])
        .send("focus linux\r")
        .send("echo alive $((6 * 7))\r")
        .expect([r"^\[linux\] alive 42"])
        .expect([SECOND])
        .forbid([r"event=cell-(stopped|failed|restarting) cell=(linux|control)", "dropped=[1-9]"]);
    let (mut command, outside) = planned("endurance", &plan, &machine(3, 5).counted(), Hash::Sha256)?;
    listen(&mut command, &outside.socket);
    let bundle = std::fs::read(log_file("endurance")?.with_extension("itb"))?;
    let place = bundle.windows(MARK.len()).position(|window| window == MARK);
    let place = place.ok_or_else(|| Failure::early("the guest is not in the bundle"))? as u64;
    let mut watch = Watch {
        socket: outside.socket.clone(),
        place: BUNDLE.saturating_add(place),
        stretch: STRETCH.min(cycles),
        left: stretches,
        ..Watch::default()
    };
    scene.script.play(command, &log_file("endurance")?, |line| watch.hear(line))?;
    watch.verdict()
}

/// What was heard.
#[derive(Default)]
struct Watch {
    socket: PathBuf,
    /// Where the guest's image has its mark.
    place: u64,
    /// Starts in a stretch, stretches to come, and starts in this one.
    stretch: u32,
    left: u32,
    so_far: u32,
    /// What the guest said it dies by, and how often that was so.
    dying: Option<&'static (&'static str, &'static str)>,
    deaths: BTreeMap<&'static str, u32>,
    started: u32,
    ended: u32,
    /// How late the control loop was in any second: on average, and once.
    late: Option<(u64, u64)>,
    /// Deadlines it has missed by now.
    missed: u64,
    /// What happened since it last told, and how often.
    happened: BTreeMap<&'static str, u32>,
    /// The pool's account.
    frames: Vec<u8>,
    wrong: Vec<String>,
}

impl Watch {
    fn hear(&mut self, line: &str) {
        if let Err(failure) = self.take(line) {
            self.wrong.push(failure.reason);
        }
    }

    fn take(&mut self, line: &str) -> Result<(), Failure> {
        // The letter that is damaged may be so already where the damage fell between an image's check and its copy.
        if let Some((_, kind)) = line.split_once("ortal: dies by ") {
            self.dying = KINDS.iter().find(|(name, _)| *name == kind.trim());
        } else if line.contains("event=cell-started cell=mortal") {
            self.started = self.started.saturating_add(1);
            self.so_far = self.so_far.saturating_add(1);
            if self.so_far == self.stretch && self.left > 1 {
                self.image(b"M")?;
            }
        } else if line.contains("event=cell-restarting cell=mortal") {
            self.ended = self.ended.saturating_add(1);
            match self.dying.take() {
                Some((kind, reason)) if line.contains(reason) => self.died(kind),
                other => self.wrong.push(format!("{line}: after {other:?}")),
            }
        } else if line.contains("event=cell-failed cell=mortal") {
            if self.so_far < self.stretch {
                self.wrong.push(format!("{line}: after {} starts", self.so_far));
            }
            (self.so_far, self.left) = (0, self.left.saturating_sub(1));
            self.died(if self.left > 0 { "image" } else { "EL2" });
            self.image(b"m")?;
        } else if let Some(late) = number(line, "late_avg_us=").zip(number(line, "late_max_us=")) {
            self.second(line, late);
            if self.left == 1 && self.so_far >= self.stretch {
                break_stop(&self.socket)?;
                self.note("EL2 is broken from outside");
            }
        } else if line.contains("linux: a shell") {
            self.frames = self.account()?;
            self.divert()?;
        } else if line.contains("alive 42") && self.frames != self.account()? {
            self.wrong.push("EL2 has other frames in use than before".to_owned());
        }
        Ok(())
    }

    fn died(&mut self, kind: &'static str) {
        let count = self.deaths.entry(kind).or_default();
        *count = count.saturating_add(1);
        self.note(kind);
    }

    /// Something happened in this second.
    fn note(&mut self, what: &'static str) {
        let count = self.happened.entry(what).or_default();
        *count = count.saturating_add(1);
    }

    /// A second of the control loop is over.
    fn second(&mut self, line: &str, (average, once): (u64, u64)) {
        let before = self.late.unwrap_or_default();
        self.late = Some((before.0.max(average), before.1.max(once)));
        let happened = std::mem::take(&mut self.happened);
        let missed =
            number(line, "deadlines=").zip(number(line, " ticks=")).map_or(1, |(all, served)| all.abs_diff(served));
        if average > LATE_US.0 || once > LATE_US.1 || missed > self.missed {
            self.wrong.push(format!("{line}: the bounds are {LATE_US:?}; in that second: {happened:?}"));
        }
        self.missed = missed;
    }

    /// Damages the guest's image in the bundle, or makes it whole.
    fn image(&mut self, byte: &[u8]) -> Result<(), Failure> {
        self.note("the image is damaged or made whole from outside");
        let mut stub = Stub::connect(&self.socket)?;
        match stub.memory(self.place, 2)?.get(1) {
            Some(b'o') => stub.write(self.place, byte),
            _ => Err(Failure::early("the bundle is not where it was expected")),
        }
    }

    /// Makes of two calls a system error and an exit of no known class.
    fn divert(&mut self) -> Result<(), Failure> {
        self.note("EL2 is diverted from outside");
        // mrs x0, esr_el2; movz x1, #0x5a00, lsl #16; movk x1, #0x5e: HVC #0x5e; cmp x0, x1; b.ne over it.
        let call = [0xd53c_5200, 0xd2ab_4001, 0xf280_0bc1, 0xeb01_001f, 0x5400_00a1];
        // movk x1, #0x3f; cmp x0, x1; b.ne over it.
        let other = [0xf280_07e1, 0xeb01_001f, 0x5400_0061];
        let diversion = Diversion::begin(&self.socket)?.run(&call).run(&SYSTEM_ERROR).to(0x580);
        diversion.run(&other).run(&UNKNOWN).end()
    }

    /// What EL2's pool says of itself, as it lies in memory.
    fn account(&self) -> Result<Vec<u8>, Failure> {
        let mut stub = Stub::connect(&self.socket)?;
        let linked = el2(&mut stub)?;
        let mut account = Vec::new();
        for piece in linked.statics.iter().filter(|piece| piece.name.contains("memory::pool::")) {
            account.extend(stub.memory(physical(&linked, piece.start), piece.end.wrapping_sub(piece.start))?);
        }
        if account.iter().all(|byte| *byte == 0) {
            Err(Failure::early("no account of EL2's pool"))
        } else {
            Ok(account)
        }
    }

    fn verdict(self) -> Result<(), Failure> {
        let Self { started, ended, deaths, late, frames, mut wrong, .. } = self;
        println!(
            "endurance: {started} starts, {ended} ends {deaths:?}, control late by {late:?} us: on average, at most"
        );
        println!("endurance: {} bytes of EL2's account of its frames compared", frames.len());
        if started.checked_sub(ended) != Some(1) {
            wrong.push(format!("{started} starts and {ended} ends"));
        }
        let missing: Vec<_> = KINDS.iter().filter(|(kind, _)| !deaths.contains_key(kind)).collect();
        if !missing.is_empty() {
            wrong.push(format!("never died by {missing:?}"));
        }
        if late.is_none() {
            wrong.push("control told of no second".to_owned());
        }
        if wrong.is_empty() { Ok(()) } else { Err(Failure::early(wrong.join("\n"))) }
    }
}
