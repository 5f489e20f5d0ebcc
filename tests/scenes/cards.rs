//! Disks that boot loaders start from: the card of `cellwall deploy`, taken apart again and started from its own parts, and
//! U-Boot with an `extlinux.conf`.
//!
//! QEMU has no `VideoCore`: what the Raspberry Pi's firmware does with the card is done here, by what its `config.txt`
//! says. It loads the kernel to 2 MiB and, from 752 MiB downwards, tree and initrd (as documented, and in older ones, the
//! initrd right behind the kernel), rounds the initrd's length up to 4, and writes RAM and initrd into the tree
//! (raspberrypi/documentation #829, raspberrypi/firmware #1395).

use crate::boot_code::image;
use crate::small::cell;
use cellwall_cli::deploy::{self, Deploy};
use cellwall_cli::platform::Platform;
use cellwall_cli::{bundle, plan_file, verdict};
use libtest_mimic::Trial;
use scenes::stage::{fill, log_file, root};
use scenes::{Failure, Script, Step};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const KERNEL: u64 = 2 << 20;
const TOP: u64 = 752 << 20;
const PI: &str = r"Cellwall .*: Raspberry Pi 4 Model B, 4 CPUs";

pub fn trials() -> Vec<Trial> {
    let play = |name: &'static str, command: fn(&str) -> Result<Command, Failure>, more: &'static [&'static str]| {
        Trial::test(name, move || {
            let said = [r"^\[hello\] hello: done$", r"^\[control\] control: done ticks=1000 deadlines="];
            let steps = vec![Step::expect(more), Step::expect(&said)];
            let script = Script { steps, limit: Duration::from_secs(90), ..Script::default() };
            Ok(script.play(command(name)?, &log_file(name)?, |_| ()).map_err(|failure| failure.to_string())?)
        })
    };
    vec![
        play("card_rpi4_boots_from_its_own_parts", rpi4, &[PI]),
        play("card_rpi4_boots_with_the_bundle_right_behind_the_image", rpi4_behind, &[PI]),
        play(
            "card_rpi4_with_tf_a_boots_from_its_own_parts",
            rpi4_tf_a,
            &["BL31: v", "advertise PSCI", PI, r"hello: workarounds \[0, -2, 0\] called"],
        ),
        play("card_u_boot_starts_virt", u_boot_virt, &["Found /extlinux/extlinux.conf", r"Cellwall .*, 4 CPUs"]),
        play("card_u_boot_starts_rpi4", u_boot_rpi4, &["Found /extlinux/extlinux.conf", r"Cellwall .*, 4 CPUs"]),
    ]
}

/// The plan of all of these, proved for where the firmware puts things.
fn plan(name: &str, board: &str) -> Result<(plan_file::PlanFile, Vec<u8>), Failure> {
    let cells = [cell("hello", "[0, 1]", "workarounds"), cell("control", "[2]", "stop=1000")];
    let path = log_file(name)?.with_extension("toml");
    fs::write(&path, fill(&format!("board = \"{board}\"\nwhen_idle = \"stay\"\n\n{}", cells.join("\n"))))?;
    let plan = plan_file::load(&path).map_err(Failure::early)?;
    let bytes = bundle::build(&plan, bundle::Hash::Sha256).map_err(early)?;
    Ok((plan, bytes))
}

fn early(error: impl std::fmt::Display) -> Failure {
    Failure::early(format!("{error:#}"))
}

/// Makes the card as `cellwall deploy` does, and takes its files out again by mtools.
fn parts(name: &str, variant: Option<&str>) -> Result<PathBuf, Failure> {
    let (plan, bytes) = plan(name, "rpi4")?;
    let platform = Platform::load(&root(), "rpi4").map_err(early)?;
    let deploy = Deploy::of(&platform, variant).map_err(early)?;
    verdict::judge(&plan, &bytes, &deploy.target(&platform).map_err(early)?).map_err(early)?;
    let files = deploy.files(&platform, &fs::read(image())?, &bytes).map_err(early)?;
    let card = log_file(name)?.with_extension("img");
    fs::write(&card, deploy::card(&files).map_err(early)?)?;
    let folder = log_file(name)?.with_extension("card");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let volume = format!("{}@@1M", card.display());
    let listed = Command::new("mdir").args(["-b", "-i", &volume, "::"]).output()?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    if let Some(missing) = files.keys().find(|file| !listed.lines().any(|line| line == format!("::/{file}"))) {
        return Err(Failure::early(format!("mdir lists no {missing}: {listed}")));
    }
    tool(Command::new("mcopy").args(["-s", "-i", &volume, "::"]).arg(&folder))?;
    for (file, bytes) in &files {
        if fs::read(folder.join(file))? != *bytes {
            return Err(Failure::early(format!("{file} came off the card as another")));
        }
    }
    Ok(folder)
}

fn tool(command: &mut Command) -> Result<(), Failure> {
    let output = command.output().map_err(|error| Failure::early(format!("{command:?}: {error}")))?;
    if output.status.success() { Ok(()) } else { Err(Failure::early(String::from_utf8_lossy(&output.stderr))) }
}

/// What the firmware has done when the kernel starts: QEMU with everything loaded, the tree's place, the files' folder.
fn loaded(name: &str, variant: Option<&str>, behind: bool) -> Result<(Command, u64, PathBuf), Failure> {
    let folder = parts(name, variant)?;
    let config = fs::read_to_string(folder.join("config.txt"))?;
    let value = |key: &str| config.lines().find_map(|line| line.strip_prefix(key)).ok_or(Failure::early(key));
    let initramfs = value("initramfs ")?.strip_suffix(" followkernel").ok_or(Failure::early("followkernel"))?;
    let (kernel, initramfs) = (folder.join(value("kernel=")?), folder.join(initramfs));
    let tree = folder.join("bcm2711-rpi-4-b.dtb");
    let length = |file: &Path| fs::metadata(file).map(|data| data.len());
    // Room for what is written into it; the firmware packs such things tightly.
    let at = TOP.saturating_sub(length(&tree)?).saturating_sub(0x2000) & !0xff;
    let high = at.saturating_sub(length(&initramfs)?) & !0xfff;
    let initrd = if behind { KERNEL.saturating_add(length(&kernel)?) } else { high };
    let ends = [initrd, initrd.saturating_add(length(&initramfs)?).next_multiple_of(4)];
    for (end, at) in ["linux,initrd-start", "linux,initrd-end"].iter().zip(ends) {
        tool(Command::new("fdtput").args(["-t", "x"]).arg(&tree).args(["/chosen", end, "0", &format!("{at:x}")]))?;
    }
    tool(Command::new("fdtput").args(["-t", "x"]).arg(&tree).args(["/memory@0", "reg", "0", "0", "3b400000"]))?;
    let mut qemu = Command::new("qemu-system-aarch64");
    qemu.args(["-M", "raspi4b", "-display", "none", "-no-reboot", "-accel", "tcg,thread=single"]);
    qemu.args(["-chardev", "stdio,id=uart,mux=on", "-serial", "chardev:uart", "-serial", "chardev:uart"]);
    for (file, at) in [(&kernel, KERNEL), (&initramfs, initrd), (&tree, at)] {
        qemu.args(["-device", &format!("loader,file={},addr={at:#x},force-raw=on", file.display())]);
    }
    Ok((qemu, at, folder))
}

fn rpi4(name: &str) -> Result<Command, Failure> {
    stub(loaded(name, None, false)?)
}

fn rpi4_behind(name: &str) -> Result<Command, Failure> {
    stub(loaded(name, None, true)?)
}

/// With the firmware's own stub: QEMU's spin table stands for it.
fn stub((mut qemu, tree, folder): (Command, u64, PathBuf)) -> Result<Command, Failure> {
    // ldr x0, #16; ldr x1, #20; br x1; nop
    let code = [0x5800_0080_u32, 0x5800_00a1, 0xd61f_0020, 0xd503_201f].map(u32::to_le_bytes);
    let stub = folder.join("stub");
    fs::write(&stub, [code.as_flattened(), [tree, KERNEL].map(u64::to_le_bytes).as_flattened()].concat())?;
    qemu.arg("-kernel").arg(stub);
    Ok(qemu)
}

/// With TF-A as `armstub`: the firmware tells it of tree and kernel at offsets 0xf8 and 0xfc, and takes the word at 0xf0 back.
fn rpi4_tf_a(name: &str) -> Result<Command, Failure> {
    let (mut qemu, tree, folder) = loaded(name, Some("pl011"), false)?;
    let mut stub = fs::read(folder.join("bl31.bin"))?;
    let words = [0, 0, tree, KERNEL].map(|word| u32::try_from(word).unwrap_or(0).to_le_bytes());
    stub.iter_mut().skip(0xf0).zip(words.as_flattened()).for_each(|(to, from)| *to = *from);
    let file = folder.join("armstub");
    fs::write(&file, stub)?;
    qemu.args(["-device", &format!("loader,file={},addr=0,force-raw=on,cpu-num=0", file.display())]);
    Ok(qemu)
}

/// A disk with an `extlinux.conf`. U-Boot would look into a FIT for an image to load: wrapped as a ramdisk it stays whole.
fn disk(name: &str, board: &str, tree: Option<&str>) -> Result<String, Failure> {
    let (_, bytes) = plan(name, board)?;
    let fdt = tree.map_or(String::new(), |_| "  FDT /board.dtb\n".into());
    let conf = format!("DEFAULT cellwall\nLABEL cellwall\n  KERNEL /cellwall.bin\n  INITRD /cells.uimg\n{fdt}");
    let (bundle, wrapped) = (log_file(name)?.with_extension("itb"), log_file(name)?.with_extension("uimg"));
    fs::write(&bundle, bytes)?;
    let words = ["-A", "arm64", "-O", "linux", "-T", "ramdisk", "-C", "none", "-n", "cells", "-d"];
    tool(Command::new("mkimage").args(words).arg(bundle).arg(&wrapped))?;
    let mut files = BTreeMap::from([
        ("extlinux/extlinux.conf".to_owned(), conf.into_bytes()),
        ("cellwall.bin".to_owned(), fs::read(image())?),
        ("cells.uimg".to_owned(), fs::read(wrapped)?),
    ]);
    if let Some(tree) = tree {
        files.insert("board.dtb".into(), fs::read(root().join(tree))?);
    }
    let file = log_file(name)?.with_extension("img");
    fs::write(&file, deploy::card(&files).map_err(early)?)?;
    Ok(file.display().to_string())
}

fn u_boot_virt(name: &str) -> Result<Command, Failure> {
    let disk = disk(name, "qemu-virt", None)?;
    let mut qemu = Command::new("qemu-system-aarch64");
    qemu.args(["-M", "virt,virtualization=on,gic-version=3", "-cpu", "cortex-a72", "-smp", "4", "-m", "1G"]);
    qemu.args(["-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio", "-accel", "tcg,thread=single"]);
    qemu.arg("-bios").arg(root().join("build/boards/u-boot-virt.bin"));
    qemu.args([
        "-drive",
        &format!("if=none,id=disk,format=raw,file={disk}"),
        "-device",
        "virtio-blk-device,drive=disk",
    ]);
    Ok(qemu)
}

fn u_boot_rpi4(name: &str) -> Result<Command, Failure> {
    let tree = "build/boards/bcm2711-rpi-4-b.dtb";
    let disk = disk(name, "rpi4", Some(tree))?;
    let mut qemu = Command::new("qemu-system-aarch64");
    qemu.args(["-M", "raspi4b", "-display", "none", "-no-reboot", "-accel", "tcg,thread=single"]);
    qemu.args(["-chardev", "stdio,id=uart,mux=on", "-serial", "chardev:uart", "-serial", "chardev:uart"]);
    qemu.arg("-dtb").arg(root().join(tree)).arg("-kernel").arg(root().join("build/boards/u-boot-rpi4.bin"));
    qemu.args(["-drive", &format!("if=sd,format=raw,file={disk}")]);
    Ok(qemu)
}
