//! Boot that cannot go on: wrong level, bundle, board or tree. It says why in one sentence, or leaves a reason code.
//!
//! The sentences are matched on the console; the codes are read by QEMU's monitor (`boot_code`).

use crate::boot_code::{self, IMAGE, Loader};
use crate::small::{cell, ending};
use crate::{DRIVEN, machine};
use libtest_mimic::Trial;
use scenes::stage::{Start, Tamper, log_file};
use scenes::{Failure, Script, Step};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// What changes QEMU's arguments after the plan was proved for others.
type Edit = fn(&mut Vec<String>, &str) -> Result<(), Failure>;

/// A plan on a board, changed, and what must then be said; never a second thing.
struct Case {
    name: &'static str,
    cells: Vec<String>,
    tamper: Option<Tamper>,
    edit: Edit,
    says: &'static [&'static str],
    forbids: &'static [&'static str],
}

pub fn trials() -> Vec<Trial> {
    let cases = DRIVEN.iter().flat_map(|&gic| cases().into_iter().map(move |case| case.trial(gic)));
    cases.chain([el3(), another_board()]).chain(boot_code::trials()).collect()
}

/// One small cell.
fn hello() -> Vec<String> {
    vec![cell("hello", "[0]", "")]
}

/// Four cells, one for each CPU.
fn four() -> Vec<String> {
    let name = |cpu: u32| cell("hello", &format!("[{cpu}]"), "").replace("\"hello\"", &format!("\"cell{cpu}\""));
    (0..4).map(name).collect()
}

const NO_CELL: &[&str] = &["event=cell-started"];

fn cases() -> Vec<Case> {
    let case = |name, says| Case { name, cells: hello(), tamper: None, edit: |_, _| Ok(()), says, forbids: NO_CELL };
    vec![
        Case {
            edit: |args, _| replace(args, "virtualization=on", "virtualization=off"),
            ..case("entered_at_el1", &[r"^\[cellwall\] entered at EL1, but Cellwall needs EL2: .*virtualization=on"])
        },
        Case {
            edit: |args, _| without(args, "-initrd"),
            ..case("no_bundle", &[r"^\[cellwall\] no bundle: load the file that `cargo cellwall build` made"])
        },
        Case {
            tamper: Some(|bundle| bundle.fill(b'x')),
            ..case("an_initrd_that_is_no_bundle", &[r"^\[cellwall\] no bundle: .* \(at 0x4800_0000.*\): load all of"])
        },
        Case {
            tamper: Some(|bundle| bundle.truncate(bundle.len() / 2)),
            ..case("bundle_cut_in_a_payload", &[r"^\[cellwall\] the bundle is cut short: .*: load all of the file"])
        },
        Case {
            tamper: Some(|bundle| bundle.truncate(400)),
            ..case("bundle_cut_in_its_tree", &[r"^\[cellwall\] the bundle is cut short: .*, 400 are here"])
        },
        Case {
            tamper: Some(|bundle| flip(bundle, b"data-position\0")),
            ..case(
                "bundle_flipped_in_its_tree",
                &[r"^\[cellwall\] the bundle's image .* lacks .*: load all of the file"],
            )
        },
        Case {
            tamper: Some(|bundle| flip(bundle, b"qemu-virt")),
            ..case(
                "bundle_flipped_in_its_plan",
                &[r"^\[cellwall\] the bundle's plan is .* damaged .*: load all of the"],
            )
        },
        Case {
            cells: four(),
            edit: |args, _| replace_after(args, "-smp", "2"),
            ..case(
                "more_cells_than_cpus",
                &[
                    r"^\[cellwall\] error: E0101 cell cell3 0x3 0x2$",
                    r"^\[cellwall\] warning: plan for another board: this one differs from qemu-virt, where it was proved, in CPUs,",
                ],
            )
        },
        Case {
            cells: four(),
            edit: |args, _| replace_after(args, "-m", "48M"),
            ..case(
                "too_little_memory",
                &[
                    r"^\[cellwall\] error: E0210 cell \w+ 0x40000000 0x1000000 0x[1-9a-f][0-9a-f]*$",
                    r"^\[cellwall\] warning: plan for another board: this one differs from qemu-virt, where it was proved, in RAM, so",
                ],
            )
        },
        Case {
            cells: four(),
            edit: |args, name| {
                with_tree(args, name, |_| ())?;
                replace_after(args, "-smp", "3")
            },
            forbids: &["event=cell-started cell=cell3"],
            ..case(
                "a_cpu_that_never_comes_up_refuses_its_cell_only",
                &[
                    r#"event=cell-refused cell=cell3 reason=".*CPU.*"#,
                    r"^\[cell0\] hello: done",
                    r"^\[cell1\] hello: done",
                    r"^\[cell2\] hello: done",
                ],
            )
        },
        Case {
            edit: |args, name| {
                with_tree(args, name, |tree| (flip(tree, b"arm,gic-v3\0"), flip(tree, b"arm,cortex-a15-gic\0")).0)
            },
            ..case(
                "a_tree_without_gic",
                &[r"^\[cellwall\] the device tree tells of no GICv2 or GICv3: Cellwall cannot run"],
            )
        },
    ]
}

impl Case {
    fn trial(self, gic: u32) -> Trial {
        let name = format!("boot_{}_gicv{gic}", self.name);
        Trial::test(name.clone(), move || {
            let played = self.play(&name, gic);
            played.map_err(|failure| failure.to_string().into())
        })
    }

    fn play(&self, name: &str, gic: u32) -> Result<(), Failure> {
        let (text, machine) = (ending(&self.cells), machine(gic, 4));
        let start = match self.tamper {
            Some(tamper) => Start::tampered(&text, machine, tamper),
            None => Start::plan(&text, machine),
        };
        let command = start.command(name)?;
        let mut args: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
        (self.edit)(&mut args, name)?;
        let mut command = Command::new(command.get_program());
        command.args(args);
        says(command, name, self.says, self.forbids)
    }
}

/// Waits for all of `patterns`.
fn says(command: Command, name: &str, patterns: &[&str], forbidden: &[&str]) -> Result<(), Failure> {
    let mut script =
        Script { steps: vec![Step::expect(patterns)], limit: Duration::from_secs(30), ..Script::default() };
    script.forbidden.extend(scenes::script::patterns(forbidden));
    script.play(command, &log_file(name)?, |_| ())
}

/// Entered at EL3, as no loader of an Image does: a stub stands for it.
fn el3() -> Trial {
    Trial::test("boot_entered_at_el3", || {
        let name = "boot_entered_at_el3";
        let machine = "virt,secure=on,virtualization=on,gic-version=3";
        // There QEMU leaves its tree where no kernel is given.
        let mut command = Loader { machine, image: IMAGE, tree: Some(0x4000_0000), files: &[] }.command(name)?;
        command.args(["-serial", "stdio"]);
        Ok(says(command, name, &[r"^\[cellwall\] entered at EL3, but Cellwall needs EL2: "], NO_CELL)?)
    })
}

/// QEMU's Versal has its RAM elsewhere.
fn another_board() -> Trial {
    Trial::test("boot_plan_for_another_board", || {
        let name = "boot_plan_for_another_board";
        let identity = "[{ size = \"16M\", at = 0x9000_0000, identity = true }]";
        let text = ending(&[cell("hello", "[0]", "").replace("\"16M\"", identity)]);
        Start::plan(&text, machine(3, 4)).command(name)?;
        let mut command = Command::new("qemu-system-aarch64");
        command.args(["-M", "xlnx-versal-virt", "-smp", "4", "-m", "2G", "-display", "none", "-nodefaults"]);
        command.args(["-serial", "stdio", "-kernel"]).arg(boot_code::image()).arg("-initrd").arg(bundle(name)?);
        let finding = r"error: E0206 cell hello 0x90000000 0x91000000 0x";
        let another = "^\\[cellwall\\] warning: plan for another board: this one differs from qemu-virt, where it was proved, \
                       in CPUs, in RAM, .*in devices, so build it for this one: `cargo cellwall build PLAN --board \
                       ITS-TREE.dtb`$";
        let end = r"^\[cellwall\] the plan does not hold on this board; `cargo cellwall check` shows";
        Ok(says(command, name, &[another, finding, end], NO_CELL)?)
    })
}

/// The bundle of the scene of that name.
fn bundle(name: &str) -> Result<PathBuf, Failure> {
    Ok(log_file(name)?.with_extension("itb"))
}

/// Flips a bit in the first byte of every place where `text` stands.
pub fn flip(bytes: &mut [u8], text: &[u8]) {
    let places: Vec<_> =
        bytes.windows(text.len()).enumerate().filter(|(_, at)| *at == text).map(|(at, _)| at).collect();
    for place in places {
        if let Some(byte) = bytes.get_mut(place) {
            *byte ^= 1;
        }
    }
}

fn replace(args: &mut [String], from: &str, to: &str) -> Result<(), Failure> {
    let arg = args.iter_mut().find(|arg| arg.contains(from)).ok_or_else(|| Failure::early(format!("no {from}")))?;
    *arg = arg.replace(from, to);
    Ok(())
}

fn place(args: &[String], option: &str) -> Result<usize, Failure> {
    args.iter().position(|arg| arg == option).ok_or_else(|| Failure::early(format!("no {option}")))
}

fn replace_after(args: &mut [String], option: &str, value: &str) -> Result<(), Failure> {
    let place = place(args, option)?;
    args.iter_mut().skip(place).nth(1).map(|arg| value.clone_into(arg)).ok_or_else(|| Failure::early("no value"))
}

fn without(args: &mut Vec<String>, option: &str) -> Result<(), Failure> {
    let place = place(args, option)?;
    args.drain(place..=place.saturating_add(1));
    Ok(())
}

/// Gives QEMU its own tree for these arguments as a file, changed.
fn with_tree(args: &mut Vec<String>, name: &str, change: fn(&mut [u8])) -> Result<(), Failure> {
    let file = log_file(name)?.with_extension("dtb");
    boot_code::dump_tree(&file, args.get(..place(args, "-chardev")?).unwrap_or_default())?;
    let mut tree = fs::read(&file)?;
    change(&mut tree);
    fs::write(&file, tree)?;
    args.extend(["-dtb".to_owned(), file.display().to_string()]);
    Ok(())
}

/// Whoever changes where the image lies changes it for all.
const _: () = assert!(IMAGE == 0x4020_0000);
