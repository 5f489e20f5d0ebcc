//! Linux from its first instruction to its first program: bare, and as a cell with the very same device tree.
//!
//! The kernel's own clock tells, at one tick an instruction, EL2's included: what a cell takes more is what EL2 costs it.

use crate::script::{Failure, Script, Step, patterns};
use crate::stage::{self, CellTree, Machine, planned, root};
use cellwall_cli::bundle::Hash;
use std::fs;
use std::process::Command;
use std::time::Duration;

/// A tick of the counter is one instruction.
const CPU: &str = "cortex-a72,cntfrq=1000000000";
const BOOTARGS: &str = "console=ttyAMA0 quiet panic=-1 nokaslr times poweroff";
/// What a cell may take more, in parts of a million.
const LIMIT_PPM: i64 = 300;

/// Prints what both take, on either GIC; true if the cell is within its limit.
///
/// # Errors
/// A plan is refused, or Linux did not come so far.
pub fn compare() -> Result<bool, Failure> {
    let mut all_within = true;
    for gic in [3, 2] {
        let [bare, cell] = measure(gic)?;
        let more = cell.saturating_sub(bare).saturating_mul(1_000_000).checked_div(bare).unwrap_or(i64::MAX);
        println!(
            "Linux to its first program, GICv{gic}: {bare} thousand instructions bare, {cell} as a cell, EL2 included: \
             {more} parts of a million more, at most {LIMIT_PPM}{}",
            if more > LIMIT_PPM { "  <- TOO MUCH" } else { "" }
        );
        all_within &= more <= LIMIT_PPM;
    }
    Ok(all_within)
}

/// Thousand instructions that Linux takes on that GIC, bare and as a cell.
///
/// # Errors
/// A plan is refused, or Linux did not come so far.
pub fn measure(gic: u32) -> Result<[i64; 2], Failure> {
    let machine = Machine { gic, cpus: 1, cpu: Some(CPU), memory_mib: Some(512), ..Machine::default() }.counted();
    let text = format!(
        "board = \"qemu-virt\"\nwhen_idle = \"poweroff\"\n\n[[cell]]\nname = \"linux\"\ncpus = [0]\n\
             memory = [{{ size = \"128M\", at = 0x4800_0000 }}]\n\
             kernel = \"{{vmlinuz}}\"\ninitrd = \"{{initrd}}\"\nbootargs = \"{BOOTARGS}\"\n"
    );
    let name = format!("bench_linux_gicv{gic}");
    let seen = stage::cell_tree(&name, &text, &machine)?;
    let bare = bare(&name, gic, &seen)?;
    let bare = microseconds(&format!("{name}_bare"), bare)?;
    let cell = microseconds(&format!("{name}_cell"), planned(&name, &text, &machine, Hash::Sha256)?.0)?;
    Ok([bare, cell])
}

/// The bare machine, everything where the cell has it, since where images lie makes a difference to Linux; RAM begins
/// below, where QEMU leaves a tree nobody reads.
fn bare(name: &str, gic: u32, seen: &CellTree) -> Result<Command, Failure> {
    let [tree, stub] = ["dtb", "stub"].map(|kind| Ok::<_, Failure>(stage::log_file(name)?.with_extension(kind)));
    let (tree, stub) = (tree?, stub?);
    fs::write(&tree, &seen.bytes)?;
    // ldr x0, #16; ldr x4, #20; br x4; nop
    let code = [0x5800_0080_u32, 0x5800_00a4, 0xd61f_0080, 0xd503_201f].map(u32::to_le_bytes);
    fs::write(&stub, [code.as_flattened(), [seen.at, seen.kernel].map(u64::to_le_bytes).as_flattened()].concat())?;
    let linux = root().join("build/linux");
    let mut bare = Command::new("qemu-system-aarch64");
    bare.args(["-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio", "-m", "256M", "-smp", "1"]);
    bare.args(["-M", &format!("virt,gic-version={gic}"), "-cpu", CPU, "-icount", "shift=0,sleep=off"]);
    let files = [(tree, seen.at), (linux.join("vmlinuz"), seen.kernel), (linux.join("initrd.cpio.gz"), seen.initrd)];
    for (file, at) in files {
        bare.args(["-device", &format!("loader,file={},addr={at:#x},force-raw=on", file.display())]);
    }
    bare.args(["-device", &format!("loader,file={},addr=0,force-raw=on,cpu-num=0", stub.display())]);
    Ok(bare)
}

/// Boots Linux and returns by its own clock when it began its first program.
fn microseconds(name: &str, command: Command) -> Result<i64, Failure> {
    let event = patterns(&[r"linux: init began after (\d+)\.(\d{6}) s"]);
    let mut found = None;
    let mut script = Script { steps: vec![Step::expect(&["linux: init began after"]), Step::End], ..Script::default() };
    script.limit = Duration::from_mins(4);
    script.play(command, &stage::log_file(name)?, |line| {
        let Some(time) = event.first().and_then(|event| event.captures(line)) else { return };
        found = format!("{}{}", &time[1], &time[2]).parse().ok();
    })?;
    found.ok_or_else(|| Failure::early(format!("{name}: no time")))
}
