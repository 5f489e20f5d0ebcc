//! Boot that finds no UART to speak on: the reason code it leaves in x0 and at offset 0x30 of the image, read by QEMU's
//! monitor.

use crate::boot::flip;
use crate::corpus::{damage, size};
use crate::matrix::is_full;
use libtest_mimic::Trial;
use scenes::Failure;
use scenes::stage::{log_file, root};
use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// Where the scenes of QEMU's virt put the image.
pub const IMAGE: u64 = 0x4020_0000;
const STUB: u64 = 0x5000_0000;
const TREE: u64 = 0x4400_0000;
/// Offset of the word in the image.
const WORD: u64 = 0x30;
const LIMIT: Duration = Duration::from_secs(20);

/// `-M` of a board with EL2.
pub const VIRT: &str = "virt,virtualization=on,gic-version=3";

/// A loader that QEMU has not: it puts the image into RAM and enters it by a stub, at the level the machine starts at.
pub struct Loader<'a> {
    /// `-M`.
    pub machine: &'a str,
    /// Where the image goes.
    pub image: u64,
    /// x0, 0 if none is given.
    pub tree: Option<u64>,
    /// Further files and where they go.
    pub files: &'a [(PathBuf, u64)],
}

impl Loader<'_> {
    /// The command; its stub is named after the scene.
    pub fn command(&self, name: &str) -> Result<Command, Failure> {
        let mut command = Command::new("qemu-system-aarch64");
        command.args(["-M", self.machine, "-cpu", "cortex-a72", "-m", "2G", "-display", "none", "-nodefaults"]);
        let mut load = |file: &Path, at: u64, enter: &str| {
            let file = file.display();
            command.args(["-device", &format!("loader,file={file},addr={at:#x},force-raw=on{enter}")]);
        };
        load(&image(), self.image, "");
        self.files.iter().for_each(|(file, at)| load(file, *at, ""));
        let stub = log_file(name)?.with_extension("stub");
        // ldr x0, #16; ldr x1, #20; br x1; nop
        let code = [0x5800_0080_u32, 0x5800_00a1, 0xd61f_0020, 0xd503_201f].map(u32::to_le_bytes);
        let literals = [self.tree.unwrap_or(0), self.image].map(u64::to_le_bytes);
        fs::write(&stub, [code.as_flattened(), literals.as_flattened()].concat())?;
        load(&stub, STUB, ",cpu-num=0");
        Ok(command)
    }
}

/// The EL2 image.
pub fn image() -> PathBuf {
    std::env::var_os("CELLWALL_IMAGE").map_or_else(|| root().join("build/cellwall.bin"), PathBuf::from)
}

/// Writes QEMU's tree for `args` to `file`.
pub fn dump_tree(file: &Path, args: &[impl AsRef<OsStr>]) -> Result<(), Failure> {
    let dump = format!("dumpdtb={}", file.display());
    let output = Command::new("qemu-system-aarch64").args(args).args(["-machine", &dump]).output()?;
    if output.status.success() { Ok(()) } else { Err(Failure::early(String::from_utf8_lossy(&output.stderr))) }
}

pub fn trials() -> Vec<Trial> {
    let entered = |name: &'static str, machine: &'static str, tree: Option<u64>, code: u64| {
        Trial::test(name, move || {
            Ok(leaves(Loader { machine, image: IMAGE, tree, files: &[] }.command(name)?, IMAGE, code)?)
        })
    };
    vec![
        entered("boot_code_el1_without_tree", "virt,gic-version=3", None, 0xce11_0001),
        entered("boot_code_el3_without_tree", "virt,secure=on,virtualization=on", None, 0xce11_0001),
        entered("boot_code_el3_without_tree_or_el2", "virt,secure=on", None, 0xce11_0001),
        entered("boot_code_x0_is_0", VIRT, None, 0xce11_0002),
        entered("boot_code_x0_is_no_tree", VIRT, Some(TREE), 0xce11_0002),
        entered("boot_code_x0_is_odd", VIRT, Some(0x4000_0004), 0xce11_0002),
        entered("boot_code_x0_is_past_all_addresses", VIRT, Some(u64::MAX << 12), 0xce11_0002),
        entered("boot_code_x0_is_no_memory", VIRT, Some(0xdea_d000_0000), 0xce11_0005),
        entered("boot_code_el1_x0_is_no_memory", "virt,gic-version=3", Some(0xdea_d000_0000), 0xce11_0005),
        Trial::test("boot_code_raspi4b_without_dtb", || {
            let mut command = Command::new("qemu-system-aarch64");
            command.args(["-M", "raspi4b", "-display", "none", "-nodefaults", "-kernel"]).arg(image());
            Ok(leaves(command, 0x20_0000, 0xce11_0002)?)
        }),
        broken("boot_code_tree_cut_short", |tree| tree.iter_mut().skip(2048).for_each(|byte| *byte = 0)),
        broken("boot_code_tree_too_long", |tree| tree.iter_mut().skip(4).take(4).for_each(|byte| *byte = 0xff)),
        broken("boot_code_tree_with_a_stray_token", |tree| flip(tree, b"\0\0\0\x03\0\0\0\x04\0\0\0")),
        Trial::test("boot_code_whatever_is_wrong_with_the_tree", || {
            let name = "boot_code_whatever_is_wrong_with_the_tree";
            Ok(damaged_trees(name, if is_full() { 200 } else { 20 })?)
        }),
        Trial::test("boot_code_beside_a_sentence", || {
            let mut command = Command::new("qemu-system-aarch64");
            command.args(["-M", VIRT, "-cpu", "cortex-a72", "-m", "1G", "-display", "none", "-nodefaults", "-kernel"]);
            Ok(leaves(command.arg(image()), IMAGE, 0xce11_0004)?)
        }),
    ]
}

/// A tree that is changed for the worse.
fn broken(name: &'static str, change: fn(&mut [u8])) -> Trial {
    Trial::test(name, move || {
        let file = log_file(name)?.with_extension("dtb");
        dump_tree(&file, &["-M", VIRT, "-cpu", "cortex-a72", "-display", "none", "-nodefaults"])?;
        let mut tree = fs::read(&file)?;
        change(&mut tree);
        fs::write(&file, tree)?;
        let loader = Loader { machine: VIRT, image: IMAGE, tree: Some(TREE), files: &[(file, TREE)] };
        Ok(leaves(loader.command(name)?, IMAGE, 0xce11_0003)?)
    })
}

/// Boots with so many trees, each damaged in another way: boot ends, and leaves a code.
fn damaged_trees(name: &str, count: usize) -> Result<(), Failure> {
    let file = log_file(name)?.with_extension("dtb");
    dump_tree(&file, &["-M", VIRT, "-cpu", "cortex-a72", "-display", "none", "-nodefaults"])?;
    let (good, mut state) = (fs::read(&file)?, 0x9e37_79b9_7f4a_7c15);
    for round in 0..count {
        fs::write(&file, damage(&good, size(&good), round, &mut state))?;
        let loader = Loader { machine: VIRT, image: IMAGE, tree: Some(TREE), files: &[(file.clone(), TREE)] };
        let codes: Vec<u64> = (0xce11_0001..=0xce11_0005).collect();
        leaves_one(loader.command(name)?, IMAGE, &codes)
            .map_err(|failure| Failure { reason: format!("tree {round}: {}", failure.reason), ..failure })?;
    }
    Ok(())
}

/// Ends QEMU whatever happens.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already; either way it is gone afterwards.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks QEMU's monitor until `code` stands in x0 and in the image's word.
fn leaves(command: impl std::borrow::BorrowMut<Command>, image: u64, code: u64) -> Result<(), Failure> {
    leaves_one(command, image, &[code])
}

/// Does the same for one of `codes`.
fn leaves_one(mut command: impl std::borrow::BorrowMut<Command>, image: u64, codes: &[u64]) -> Result<(), Failure> {
    let word = image.saturating_add(WORD);
    let question = format!("info registers\nxp /1gx {word:#x}\n");
    let left = |answer: &str, code: &u64| {
        let wanted = [format!("X00={code:016x}"), format!("{word:016x}: {code:#018x}")];
        wanted.iter().all(|wanted| answer.contains(wanted))
    };
    let command = command.borrow_mut().args(["-monitor", "stdio"]);
    let mut qemu = Running(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?);
    let (Some(mut monitor), Some(said)) = (qemu.0.stdin.take(), qemu.0.stdout.take()) else {
        return Err(Failure::early("QEMU's monitor has no pipes"));
    };
    let (said, begin) = (listen(said), Instant::now());
    loop {
        monitor.write_all(question.as_bytes())?;
        let mut answer = String::new();
        while let Ok(chunk) = said.recv_timeout(Duration::from_millis(200)) {
            answer.push_str(&chunk);
        }
        if codes.iter().any(|code| left(&answer, code)) {
            return Ok(());
        }
        if begin.elapsed() > LIMIT {
            let tail = answer.lines().map(str::to_owned).collect();
            return Err(Failure { reason: format!("no code of {codes:x?}"), tail, log: None });
        }
    }
}

/// Reads a pipe to its end.
fn listen(mut pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, chunks) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            let text = String::from_utf8_lossy(buffer.get(..count).unwrap_or_default()).into_owned();
            if sender.send(text).is_err() {
                return;
            }
        }
    });
    chunks
}
