//! Attacks: one cell attempts what it must not, another, the victim, watches over its memory, its interrupts and its
//! distributor state. Each verdict is the victim's: intact after the attempt, and never broken.

use crate::small::{cell_of, ending, staying};
use crate::{DRIVEN, machine, on_each};
use libtest_mimic::Trial;
use scenes::Scene;
use scenes::attack::{CLASSES, Class};
use scenes::stage::{Machine, Start};

/// What nobody may say.
const NEVER: [&str; 3] = [
    "verdict=BREACH",
    "victim: BROKEN",
    r"event=cell-stopped cell=victim reason=\x22(?:read|write|fetch|unexpected|SError)",
];
/// The victim's word after an attempt: a round that had begun during it, and one more.
const INTACT: [&str; 1] = [r"^\[victim\] victim: intact rounds="];
const AFTER_MS: u32 = 300;

/// The suite's classes, on each interrupt controller.
pub fn trials() -> Vec<Trial> {
    let classes = CLASSES.iter().flat_map(|class| DRIVEN.iter().map(move |&gic| (class, gic)));
    let play = |(class, gic): (&'static Class, u32)| {
        Trial::test(format!("attack_{}_gicv{gic}", class.name), move || {
            class.play(gic, false, false).map(|_| ()).map_err(|failure| failure.to_string().into())
        })
    };
    classes.map(play).collect()
}

pub fn scenes() -> Vec<Scene> {
    let survived = [
        ("interrupts_of_others_are_out_of_reach", &["spi", "ppi", "sgi"][..]),
        ("calls_reach_neither_firmware_nor_other_cpus", &["cpu-on", "smc", "hvc", "immediates"][..]),
        ("instructions_reach_neither_el2_nor_other_caches", &["set-way", "el2-registers", "el1-registers", "wait"][..]),
        ("holes_and_blind_accesses_give_external_aborts", &["holes", "no-syndrome", "walks"][..]),
    ];
    let survived = survived
        .into_iter()
        .flat_map(|(name, attempts)| on_each(|gic| survive(name, attempts, machine(gic, 2).counted())));
    let threads = on_each(|gic| {
        let machine = Machine { threads: true, ..machine(gic, 2) };
        survive("interrupts_of_others_are_out_of_reach_on_host_threads", &["spi", "ppi", "sgi"], machine)
    });
    let stopped = [
        ("foreign_devices_are_walls", devices as fn(u32) -> Vec<Touch>),
        ("foreign_and_free_ram_are_walls_for_identity_memory", ram),
        ("frames_of_the_interrupt_controller_are_walls", frames),
    ];
    let stopped = stopped.into_iter().flat_map(|(name, touches)| on_each(|gic| stop(name, &touches(gic), gic)));
    survived.chain(threads).chain(stopped).chain(on_each(flood)).collect()
}

/// Cells write more than the console carries, without a look whether there is room: what is dropped is their own, and said.
fn flood(gic: u32) -> Scene {
    let mut cells = vec![victim("")];
    cells.extend(
        (1..4).map(|n| cell_of(&format!("flood{n}"), "attacker", &format!("[{n}]"), "attempt=flood after_ms=200")),
    );
    let plan = format!("service_cpu = 4\n{}", staying(&cells));
    Scene::new("a_flood_of_output_costs_who_floods", Start::plan(&plan, machine(gic, 5).counted()))
        .expect([r"^\[victim\] victim: watching"])
        .expect([r"^\[flood1\] \.{63}$", r"^\[flood2\] \.{63}$", r"^\[flood3\] \.{63}$"])
        .expect([r"event=console-full cell=flood[1-3] dropped=[1-9]"])
        .expect([
            r"event=cell-stopped cell=flood1",
            r"event=cell-stopped cell=flood2",
            r"event=cell-stopped cell=flood3",
        ])
        .expect(INTACT)
        .send("\x1dstats victim\r")
        .expect([r"victim is running.* console_dropped=0"])
        .forbid(NEVER)
        .forbid(["event=console-full cell=victim"])
}

/// The victim on CPU 0: its memory where the board has it, a device with a shared interrupt.
fn victim(bootargs: &str) -> String {
    let cell = cell_of("victim", "victim", "[0]", bootargs)
        .replace("\"16M\"", "[{ size = \"16M\", at = 0x6000_0000, identity = true }]");
    format!("{cell}devices = [\"/pl031@9010000\"]\ndma = \"none\"\n")
}

/// Attempts the attacker survives, one after the other in one boot: each against a victim that goes on checking. The
/// attacker ends by an SMC that must end its own cell only, and the victim by itself.
fn survive(name: &str, attempts: &[&str], machine: Machine) -> Scene {
    let bootargs = format!("after_ms={AFTER_MS} attempt={}", attempts.join(","));
    let cells = [victim("rounds=20"), cell_of("attacker", "attacker", "[1]", &bootargs)];
    let mut scene = Scene::new(name, Start::plan(&ending(&cells), machine)).expect([r"^\[victim\] victim: watching"]);
    // EL2's lines and a cell's come in no certain order.
    let mut steps: Vec<String> = attempts
        .iter()
        .map(|attempt| {
            format!(r"^\[attacker\] attacker: attempt={attempt} verdict=(?:no-effect|refused|aborted|undefined) ")
        })
        .chain([
            r"^\[attacker\] attacker: done".to_owned(),
            r#"event=cell-stopped cell=attacker reason="off""#.to_owned(),
        ])
        .collect();
    if attempts.contains(&"no-syndrome") {
        steps.push(r#"event=no-syndrome cell=attacker ipa=.* help="use plain ldr/str"#.to_owned());
        steps.push(r#"event=hole cell=attacker access="fetch from 0x0a10_0008""#.to_owned());
    }
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    scene.script.steps.push(scenes::Step::expect(&steps));
    scene.expect(INTACT).expect(INTACT).expect([r"^\[victim\] victim: done rounds=20"]).forbid(NEVER).ends()
}

/// One access that stops the cell that tries it.
struct Touch {
    /// Also the cell's name.
    name: &'static str,
    address: u64,
    access: &'static str,
    /// Whether the attacker's memory is where the board has it.
    identity: bool,
    /// Owner and thing, as the stop's reason names them.
    owner: &'static str,
}

fn touch(name: &'static str, access: &'static str, address: u64, owner: &'static str) -> Touch {
    Touch { name, address, access, identity: false, owner }
}

/// The board's clock is the victim's; its buttons, its flash and its slots are nobody's.
fn devices(_: u32) -> Vec<Touch> {
    const OWNER: &str = r"cell victim \(/pl031@9010000\)";
    vec![
        touch("clock-read", "read", 0x0901_0000, OWNER),
        touch("clock-write", "write", 0x0901_0008, OWNER),
        touch("clock-fetch", "fetch", 0x0901_0000, OWNER),
        touch("clock-walk", "walk", 0x0901_0000, OWNER),
        touch("slot-write", "write", 0x0a00_0050, "nobody"),
        touch("fw-cfg-write", "write", 0x0902_0010, "nobody"),
    ]
}

/// For a cell whose addresses are the board's, RAM is a wall: the victim's, EL2's, nobody's.
fn ram(_: u32) -> Vec<Touch> {
    let list = vec![
        touch("ram-read", "read", 0x6080_0000, r"cell victim \(RAM\)"),
        touch("ram-write", "write", 0x6080_0008, r"cell victim \(RAM\)"),
        touch("ram-fetch", "fetch", 0x6000_0000, r"cell victim \(RAM\)"),
        touch("ram-walk", "walk", 0x6080_0000, r"cell victim \(RAM\)"),
        touch("el2-write", "write", 0x4020_0000, "the hypervisor"),
        touch("el2-fetch", "fetch", 0x4020_0000, "the hypervisor"),
        touch("free-read", "read", 0x5f00_0000, "nobody"),
    ];
    list.into_iter().map(|touch| Touch { identity: true, ..touch }).collect()
}

/// What EL2 alone drives: the virtual interface (GICv2); other CPUs' redistributors, the ITS and its doorbell (GICv3).
fn frames(gic: u32) -> Vec<Touch> {
    if gic == 2 {
        vec![
            touch("gich-read", "read", 0x0803_0000, r"the hypervisor \(GICH\)"),
            touch("gich-write", "write", 0x0803_0100, r"the hypervisor \(GICH\)"),
            touch("gich-fetch", "fetch", 0x0803_0000, r"the hypervisor \(GICH\)"),
            touch("gicv-read", "read", 0x0804_000c, r"the hypervisor \(GICV\)"),
            touch("gicv-write", "write", 0x0804_0000, r"the hypervisor \(GICV\)"),
            touch("v2m-write", "write", 0x0802_0040, r"the hypervisor \(GICv2m\)"),
        ]
    } else {
        vec![
            touch("gicr-read", "read", 0x080c_0008, r"the hypervisor \(GICR\)"),
            touch("gicr-write", "write", 0x080d_0180, r"the hypervisor \(GICR\)"),
            touch("gicr-fetch", "fetch", 0x080c_0000, r"the hypervisor \(GICR\)"),
            touch("its-read", "read", 0x0808_0000, r"the hypervisor \(ITS\)"),
            touch("its-write", "write", 0x0808_0080, r"the hypervisor \(ITS\)"),
            touch("its-msi", "write", 0x0809_0040, r"the hypervisor \(ITS\)"),
        ]
    }
}

/// As many attackers as touches, each on a CPU of its own beside the same victim.
fn stop(name: &str, touches: &[Touch], gic: u32) -> Scene {
    let mut cells = vec![victim("")];
    // Some are stopped before the victim has said a word.
    let mut stops = vec![r"^\[victim\] victim: watching".to_owned()];
    for (cpu, touch) in (1_u64..).zip(touches) {
        let Touch { name, address, access, identity, owner } = touch;
        let bootargs = format!("attempt={name} after_ms={AFTER_MS} access={access} address={address:#x}");
        let cell = cell_of(name, "attacker", &format!("[{cpu}]"), &bootargs);
        let place = 0x7000_0000_u64.saturating_add(cpu << 24);
        let memory = format!("[{{ size = \"16M\", at = {place:#x}, identity = true }}]");
        cells.push(if *identity { cell.replace("\"16M\"", &memory) } else { cell });
        let verb = match *access {
            "write" => "write to",
            "fetch" => "fetch from",
            _ => "read of",
        };
        let digits = format!("{:x}", address & 0xffff);
        stops.push(format!(
            r#"event=cell-stopped cell={name} reason="{verb} 0x[0-9a-f_]*{digits}, owned by (?:{owner})"#
        ));
    }
    let mut stops: Vec<&str> = stops.iter().map(String::as_str).collect();
    let cpus = u32::try_from(cells.len()).unwrap_or(8);
    let mut scene = Scene::new(name, Start::plan(&staying(&cells), machine(gic, cpus).counted()));
    // Under load the victim may begin behind the last of them.
    stops.push(r"^\[victim\] victim: watching");
    scene.script.steps.push(scenes::Step::expect(&stops));
    scene.expect(INTACT).expect(INTACT).forbid(NEVER)
}
