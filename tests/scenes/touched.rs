//! What no guest can bring about on QEMU is brought about from outside, through its gdb stub: EL2's own end on a CPU, system
//! errors, exits that no control asks for, a bundle damaged behind the back of a running cell. It costs one cell.

use crate::lifecycle::{SECOND, crasher};
use crate::small::{cell, staying};
use crate::{DRIVEN, machine};
use cellwall_cli::bundle::Hash;
use libtest_mimic::Trial;
use scenes::audit::image::Image;
use scenes::outside::gdb::Stub;
use scenes::outside::listen;
use scenes::stage::{Start, elf, log_file, planned, root};
use scenes::{Failure, Scene};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// Where QEMU's board has the image, and the bundle.
const IMAGE: u64 = 0x4020_0000;
pub const BUNDLE: u64 = 0x4800_0000;

pub fn trials() -> Vec<Trial> {
    let scenes = [broken_el2, broken_service, system_error, unexpected_exit, spoilt_bundle];
    scenes.iter().flat_map(|scene| DRIVEN.iter().map(move |&gic| scene(gic))).collect()
}

/// `movz x0, #0xbe00, lsl #16; msr esr_el2, x0`: EC 0x2f.
pub const SYSTEM_ERROR: [u32; 2] = [0xd2b7_c000, 0xd51c_5200];
/// The same with 0xfc00: EC 0x3f.
pub const UNKNOWN: [u32; 2] = [0xd2bf_8000, 0xd51c_5200];

/// Reaches into the machine, by the socket of its gdb stub.
type Touch = fn(&Path) -> Result<(), Failure>;

/// QEMU's board and the plan, with a gdb stub; in turn, at the first line that holds one's words, each touch is made.
fn touched(name: &str, gic: u32, plan: String, scene: Scene, touches: Vec<(&'static str, Touch)>) -> Trial {
    let name = format!("{name}_gicv{gic}");
    Trial::test(name.clone(), move || {
        let result = planned(&name, &plan, &machine(gic, 4), Hash::Sha256).and_then(|(mut command, outside)| {
            listen(&mut command, &outside.socket);
            let (mut left, mut result) = (touches.iter(), Ok(()));
            let mut next = left.next();
            let on_line = |heard: &str| {
                if let Some((words, touch)) = next
                    && heard.contains(words)
                    && result.is_ok()
                {
                    result = touch(&outside.socket);
                    next = left.next();
                }
            };
            scene.script.play(command, &log_file(&name)?, on_line)?;
            result?;
            next.map_or(Ok(()), |(words, _)| Err(Failure::early(format!("never touched at `{words}`"))))
        });
        result.map_err(|failure| failure.to_string().into())
    })
}

/// A scene that is to be touched.
fn scene() -> Scene {
    Scene::new("", Start::plan("", machine(3, 4)))
}

/// EL2 is where it is expected (a reason code may stand behind); returns its image's ELF file.
pub fn el2(stub: &mut Stub) -> Result<Image, Failure> {
    let image = std::fs::read(root().join("build/cellwall.bin"))?;
    if stub.memory(IMAGE, 0x30)? != image.get(..0x30).unwrap_or_default() {
        return Err(Failure::early("EL2 is not where it was expected"));
    }
    Image::read(&elf(), &root()).map_err(|error| Failure::early(format!("{error:#}")))
}

/// Where in memory the linked address is.
pub fn physical(linked: &Image, address: u64) -> u64 {
    let head = linked.sections.iter().map(|section| section.start).min().unwrap_or(0);
    address.wrapping_sub(head).wrapping_add(IMAGE)
}

/// Breaks `trap::stop`: whoever is to be stopped for what it did meets an instruction that is none.
pub fn break_stop(socket: &Path) -> Result<(), Failure> {
    let mut stub = Stub::connect(socket)?;
    let linked = el2(&mut stub)?;
    let stop = linked.functions.iter().find(|function| function.name == "cellwall::trap::stop");
    let stop = stop.ok_or_else(|| Failure::early("no trap::stop"))?.start;
    stub.write(physical(&linked, stop), &[0, 0, 0, 0])
}

/// The cell `mortal` touches what is not its own, and EL2 comes to its end on CPU 1: that cell and that CPU alone are lost.
fn lost() -> Scene {
    scene()
        .expect([r"mortal: which state"])
        .send("\x1dfocus mortal\r")
        .expect([r"input goes to mortal"])
        .send("read\r")
        .expect([r#"event=cpu-lost cpu=1 reason="EL2 fault: vector [0-9]+, ESR 0x[0-9a-f]+, .*""#])
        .expect([r#"event=cell-failed cell=mortal reason="EL2 lost CPU 1""#])
        .forbid([r"event=(cell-(stopped|failed|restarting)|cpu-lost) .*cell=control", r"event=cpu-lost cpu=[023]"])
}

/// EL2 meets an instruction of its own that is none, on the CPU of the cell that it is stopping: that costs the cell, and
/// nobody else.
fn broken_el2(gic: u32) -> Trial {
    let cells = [cell("control", "[0]", ""), cell("mortal", "[1, 2]", "ask")];
    let scene = lost().expect([SECOND]).expect([SECOND]).send("\x1dstart mortal\r").expect([r"mortal is failed"]);
    let name = "an_end_of_el2_on_a_cells_cpu_costs_that_cell";
    touched(name, gic, staying(&cells), scene, vec![("which state", break_stop)])
}

/// The same on the CPU that serves the console: it says so itself, its last words; the console is silent from then on, and
/// the other cell is still served.
fn broken_service(gic: u32) -> Trial {
    let cells = [cell("control", "[0]", ""), cell("mortal", "[1]", "ask")];
    // The deadline that CPU 0's guest has set: a control loop sets a new one each millisecond.
    let goes_on: Touch = |socket| {
        let deadline = || {
            let mut stub = Stub::connect(socket)?;
            stub.turn_to(0)?;
            stub.register("CNTV_CVAL_EL0")
        };
        let first: u64 = deadline()?;
        for _ in 0..100 {
            thread::sleep(Duration::from_millis(50));
            if deadline()? != first {
                return Ok(());
            }
        }
        Err(Failure::early("the other cell is at a standstill"))
    };
    let name = "an_end_of_el2_on_the_service_cpu_is_said_and_costs_that_cell";
    let plan = format!("service_cpu = 1\n{}", staying(&cells));
    touched(name, gic, plan, lost(), vec![("which state", break_stop), ("event=cell-failed", goes_on)])
}

/// A diversion before the vectors' entry for guests' synchronous exits (DDI 0487 D1.3.1).
pub struct Diversion {
    stub: Stub,
    vectors: u64,
    code: Vec<u32>,
}

impl Diversion {
    const SYNCHRONOUS: u64 = 0x400;
    /// From the image's head: code that all CPUs have run, for the last time.
    const SPARE: u64 = 0x100;
    /// `ldp x0, x1, [sp], #16`
    const RESTORE: u32 = 0xa8c1_07e0;

    /// Begins one, with x0 and x1 free.
    pub fn begin(socket: &Path) -> Result<Self, Failure> {
        let mut stub = Stub::connect(socket)?;
        let linked = el2(&mut stub)?;
        stub.turn_to(1)?;
        let vectors = physical(&linked, stub.register("VBAR_EL2")?).wrapping_sub(IMAGE);
        let code = vec![0xa9bf_07e0]; // stp x0, x1, [sp, #-16]!
        Ok(Self { stub, vectors, code })
    }

    /// Runs these instructions.
    pub fn run(mut self, instructions: &[u32]) -> Self {
        self.code.extend(instructions);
        self
    }

    /// Goes on at another of the vectors: three instructions.
    pub fn to(mut self, vector: u64) -> Self {
        self.code.push(Self::RESTORE);
        self.jump(self.vectors.wrapping_add(vector));
        self
    }

    fn jump(&mut self, to: u64) {
        let here = Self::SPARE.wrapping_add(4_u64.wrapping_mul(self.code.len() as u64));
        self.code.push(branch(here, to));
    }

    /// Puts it in its place: what comes to its end does what the entry began with, and goes on behind that.
    pub fn end(mut self) -> Result<(), Failure> {
        let entry = self.vectors.wrapping_add(Self::SYNCHRONOUS);
        let first = self.stub.device(IMAGE.wrapping_add(entry))?;
        self.code.extend([Self::RESTORE, first]);
        self.jump(entry.wrapping_add(4));
        let bytes: Vec<u8> = self.code.iter().flat_map(|word: &u32| word.to_le_bytes()).collect();
        self.stub.write(IMAGE.wrapping_add(Self::SPARE), &bytes)?;
        self.stub.write(IMAGE.wrapping_add(entry), &branch(entry, Self::SPARE).to_le_bytes())
    }
}

/// Whether this is CPU 1, else over so many instructions.
fn on_cpu_1(over: u32) -> [u32; 4] {
    [
        0xd538_00a0,                             // mrs x0, mpidr_el1
        0x9240_1c00,                             // and x0, x0, #0xff
        0xf100_041f,                             // cmp x0, #1
        0x5400_0001 | over.wrapping_add(1) << 5, // b.ne
    ]
}

/// `b`, by offsets.
fn branch(from: u64, to: u64) -> u32 {
    let words = u32::try_from(to.wrapping_sub(from) >> 2 & 0x03ff_ffff).unwrap_or(0);
    0x1400_0000 | words
}

/// The vectors' entry for system errors is taken: QEMU raises none by itself. The cell's policy decides, as for any fault.
fn system_error(gic: u32) -> Trial {
    let raise: Touch = |socket| Diversion::begin(socket)?.run(&on_cpu_1(4)).run(&SYSTEM_ERROR).to(0x580).end();
    let reason = "unexpected exit to EL2: SError, syndrome 0xbe000000";
    faults("a_system_error_costs_one_cell", gic, reason, "errors=2", raise)
}

/// An exit of a class that is nobody's.
fn unexpected_exit(gic: u32) -> Trial {
    let raise: Touch = |socket| Diversion::begin(socket)?.run(&on_cpu_1(2)).run(&UNKNOWN).end();
    faults(
        "an_exit_of_no_known_class_costs_one_cell",
        gic,
        "unexpected exit to EL2: .* 0x3f, syndrome 0xfc000000",
        "errors=0",
        raise,
    )
}

/// A cell that meets it at every turn is started again once, then it has failed.
fn faults(name: &str, gic: u32, reason: &str, counted: &str, raise: Touch) -> Trial {
    let mortal = cell("mortal", "[1]", "ask") + "on_fault = { restart = 1, within = \"60s\" }\n";
    let scene = scene()
        .expect([&format!(r#"event=cell-restarting cell=mortal reason="{reason}" vcpu=0 pc=0x4"#)])
        .expect([r"event=cell-started cell=mortal"])
        .expect([&format!(r#"event=cell-failed cell=mortal reason="{reason}" vcpu=0 pc=0x4"#)])
        .expect([SECOND])
        .expect([SECOND])
        .send("\x1dstats mortal\r")
        .expect([&format!(r"  vcpu 0: exits calls=0 .* {counted}$")])
        .forbid(["event=cell-(stopped|failed|restarting) cell=control", "event=cpu-lost"]);
    let plan = format!("service_cpu = 2\n{}", staying(&[cell("control", "[0]", ""), mortal]));
    touched(name, gic, plan, scene, vec![("which state", raise)])
}

/// The image is damaged behind the back of a running cell: it is not started from it again.
fn spoilt_bundle(gic: u32) -> Trial {
    let cells = [cell("control", "[0]", ""), crasher("on_fault = \"restart\"")];
    let scene = scene()
        .expect([r#"event=cell-failed cell=crasher reason="the kernel's hash does not match.*""#])
        .expect([SECOND])
        .forbid(["event=cell-(stopped|failed|restarting) cell=control"]);
    let spoil: Touch = |socket| {
        let mut stub = Stub::connect(socket)?;
        let memory = stub.memory(BUNDLE, 1 << 20)?;
        let words = b"attempting ";
        let place = memory.windows(words.len()).position(|window| window == words);
        let place = place.ok_or_else(|| Failure::early("no bundle"))? as u64;
        stub.write(BUNDLE.saturating_add(place), b"A")
    };
    let name = "an_image_that_was_damaged_meanwhile_is_not_started_again";
    touched(name, gic, staying(&cells), scene, vec![("cell-restarting cell=crasher", spoil)])
}
