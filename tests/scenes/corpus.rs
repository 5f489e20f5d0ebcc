//! The desk's verdict is the board's: plans and damaged bundles, judged on the desk and by EL2, line for line.
//!
//! EL2 takes the first bundle that holds of those in one file, and says of the others what is wrong: so many bad plans
//! go through it in one boot, with a good one behind them to show that it came to the end. Plans that hold, and those of
//! which only a cell is refused, have a boot each.

use crate::boot_code::{Loader, VIRT, image};
use address::Address as _;
use board::Board;
use cellwall_cli::dom::{Dom, Node};
use cellwall_cli::platform::{self, Target};
use cellwall_cli::{board_tree, bundle, complete, plan_file, qemu, verdict};
use libtest_mimic::Trial;
use manifest::digest::{Hasher as _, Software};
use manifest::{Bundle, PLAN};
use scenes::stage::{fill, log_file, root};
use scenes::{Failure, Script, Step};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Damaged bundles sent in one boot.
const MUTANTS: usize = 200;

/// A plan that holds on every board of QEMU's.
const LAST: &str = "[[cell]]\nname = \"last\"\ncpus = [0]\nmemory = \"4M\"\nkernel = \"{hello}\"\n";

pub fn trials() -> Vec<Trial> {
    let trial = |name: &'static str, play: fn(&str) -> Result<(), Failure>| {
        Trial::test(name, move || play(name).map_err(|failure| failure.to_string().into()))
    };
    vec![
        trial("corpus_bad_plans_are_refused_alike_in_one_boot", bad),
        trial("corpus_good_plans_hold_alike", good),
        trial("corpus_an_interrupt_past_the_gic_refuses_its_cell_alike", past),
        trial("corpus_plans_of_a_later_version_are_refused_alike_in_one_boot", later),
        trial("corpus_200_damaged_bundles_are_told_alike_in_one_boot", mutants),
    ]
}

/// A plan on its way to EL2.
struct Sent {
    name: String,
    bytes: Vec<u8>,
    target: Target,
}

/// Makes the bundle of a plan that nobody judged; nothing where there is none to send: a mistake of form.
fn pack(name: &str, file: &Path) -> Result<Option<Sent>, Failure> {
    if file.with_extension("dtso").exists() {
        // Its board is nobody's: `past` makes one.
        return Ok(None);
    }
    let text = fs::read_to_string(file)?;
    let filled = fill(&text);
    let mut path = file.to_path_buf();
    if filled != text {
        path = log_file(name)?.with_extension("toml");
        fs::write(&path, filled)?;
    }
    let Ok(plan) = plan_file::load(&path) else { return Ok(None) };
    let Ok(target) = platform::target(&plan, None, &options(None)) else { return Ok(None) };
    let Some(target) = (if target.platform.qemu.is_some() { Some(target) } else { stand_in(&target) }) else {
        return Ok(None);
    };
    let packed = complete::complete(plan, &target).and_then(|plan| bundle::build(&plan, bundle::Hash::Crc32));
    Ok(packed.ok().map(|bytes| Sent { name: name.to_owned(), bytes, target }))
}

/// A board that is a tree only, so that QEMU's virt can stand in for it until a plan is sealed: its bus of devices lies
/// where QEMU has its UART, and its tree has room for what a loader says.
fn stand_in(target: &Target) -> Option<Target> {
    let mut dom = Dom::parse(&target.tree).ok()?;
    let soc = dom.root.find("/soc")?;
    let mut ranges = soc.property("ranges")?.to_vec();
    ranges.get_mut(8..12)?.copy_from_slice(&0x0900_0000_u32.to_be_bytes());
    soc.set("ranges", ranges);
    for end in INITRD {
        dom.root.child("chosen").set(end, [0; 8]);
    }
    let target = Target { tree: dom.write(), ..target.clone() };
    // One that has no UART cannot say anything.
    Board::parse(&target.tree).is_ok_and(|board| board.stdout.is_some()).then_some(target)
}

/// What a loader says.
const INITRD: [&str; 2] = ["linux,initrd-start", "linux,initrd-end"];

/// The command that has `file` judged on a board that is a tree only.
fn loaded(name: &str, file: &Path, bytes: u64, target: &Target) -> Result<Command, Failure> {
    let board = Board::parse(&target.tree).map_err(Failure::early)?;
    let footprint = verdict::footprint(&board, target, bytes).map_err(Failure::early)?;
    let mut dom = Dom::parse(&target.tree).map_err(Failure::early)?;
    for (key, at) in INITRD.iter().zip([footprint.bundle.base(), footprint.bundle.end()]) {
        dom.root.child("chosen").set(key, at.get().to_be_bytes());
    }
    let tree = log_file(name)?.with_extension("dtb");
    fs::write(&tree, dom.write())?;
    let [image, at] = [footprint.image, footprint.tree].map(|region| region.base().get());
    let files = [(tree, at), (file.to_path_buf(), footprint.bundle.base().get())];
    let mut command = Loader { machine: VIRT, image, tree: Some(at), files: &files }.command(name)?;
    command.args(["-serial", "stdio"]);
    Ok(command)
}

fn options(gic: Option<u32>) -> qemu::Options {
    let extra = ["-no-reboot", "-accel", "tcg,thread=single"].map(str::to_owned).to_vec();
    qemu::Options { gic, extra, ..qemu::Options::default() }
}

/// What EL2 will say of a file of bundles, line by line, and the cells it will then run.
fn predict(bytes: &[u8], target: &Target) -> Result<(Vec<String>, usize), Failure> {
    let board = Board::parse(&target.tree).map_err(Failure::early)?;
    let footprint = verdict::footprint(&board, target, bytes.len() as u64).map_err(Failure::early)?;
    let region = footprint.bundle;
    let (mut lines, mut at) = (Vec::new(), 0_usize);
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let (sentence, size) = match Bundle::read(rest, &Software) {
            Ok(bundle) => match plan::seal_sound_cells(&board, &bundle.manifest, &footprint) {
                Ok(plan) => {
                    lines.extend(
                        plan.findings
                            .iter()
                            .map(|finding| format!("warning: {finding}; `cargo cellwall check` says it in full")),
                    );
                    return Ok((lines, plan.cells.len()));
                }
                Err(findings) => {
                    lines.extend(findings.iter().map(|finding| format!("error: {finding}")));
                    let sentence = "the plan does not hold on this board; `cargo cellwall check` shows where and why";
                    (sentence.to_owned(), usize::try_from(bundle.size).unwrap_or(usize::MAX))
                }
            },
            Err(error) => {
                let rest = "load all of the file that `cargo cellwall build` made, or build it again";
                (format!("{error} (at {region}): {rest}"), 1)
            }
        };
        let end = at.saturating_add(size).next_multiple_of(bundle::PAGE);
        let mut later = (end..bytes.len()).step_by(bundle::PAGE);
        let next = later.find(|at| bytes.get(*at..).is_some_and(|rest| Bundle::total_size(rest).is_some()));
        lines.push(sentence);
        let Some(next) = next else { return Ok((lines, 0)) };
        lines.push("warning: the next bundle is tried".to_owned());
        at = next;
    }
}

/// How the sentence begins that a plan does not hold.
const REFUSED: &str = "the plan does not hold on this board";

/// Boots a file of bundles and compares what EL2 says with what the desk says it will.
fn compare(name: &str, bytes: &[u8], target: &Target) -> Result<(usize, usize), Failure> {
    let (wanted, cells) = predict(bytes, target)?;
    let file = log_file(name)?.with_extension("itb");
    fs::write(&file, bytes)?;
    let command = match &target.platform.qemu {
        Some(qemu) => {
            qemu::command(&target.platform, &options(Some(qemu.gic)), &image(), &file).map_err(Failure::early)?
        }
        None => loaded(name, &file, bytes.len() as u64, target)?,
    };
    let refused = wanted.iter().filter(|line| line.starts_with(REFUSED)).count();
    let steps = match cells {
        0 => vec![Step::expect(&[&format!(r"^\[cellwall\] {REFUSED}")]); refused],
        // The last that EL2 can say where a cell has its only UART.
        _ => vec![Step::expect(&[&format!(r"^\[cellwall\] ({cells} cells? sealed|this UART is a cell's)")])],
    };
    let script = Script { steps, limit: Duration::from_mins(2), ..Script::default() };
    let mut said = Vec::new();
    script.play(command, &log_file(name)?, |line| {
        let line = line.strip_prefix("[cellwall] ").unwrap_or_default();
        if ["error: ", "warning: ", REFUSED, "the bundle"].iter().any(|start| line.starts_with(start)) {
            said.push(line.to_owned());
        }
    })?;
    for (wanted, said) in wanted.iter().zip(&said) {
        if wanted != said {
            return Err(Failure::early(format!("{name}: the desk says\n  {wanted}\nEL2 says\n  {said}")));
        }
    }
    if wanted.len() != said.len() {
        return Err(Failure::early(format!("{name}: the desk says {} lines, EL2 {}", wanted.len(), said.len())));
    }
    Ok((wanted.len(), cells))
}

/// The plans of a folder of `tests/plans`, by name.
fn plans(folder: &str) -> Result<Vec<PathBuf>, Failure> {
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(root().join("tests/plans").join(folder))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn stem(file: &Path) -> String {
    format!("corpus-{}", file.file_stem().unwrap_or_default().to_string_lossy())
}

/// A bundle that holds on the board of `target`.
fn last(name: &str, target: &Target, board: &str) -> Result<Vec<u8>, Failure> {
    let path = log_file(&format!("{name}-last"))?.with_extension("toml");
    fs::write(&path, fill(&format!("board = \"{board}\"\nwhen_idle = \"poweroff\"\n{LAST}")))?;
    let plan = plan_file::load(&path).map_err(Failure::early)?;
    let plan = complete::complete(plan, target).map_err(Failure::early)?;
    bundle::build(&plan, bundle::Hash::Crc32).map_err(Failure::early)
}

fn bad(name: &str) -> Result<(), Failure> {
    let (mut batch, mut alone, mut kept) = (Vec::new(), Vec::new(), 0_usize);
    for file in plans("bad")? {
        match pack(&stem(&file), &file)? {
            None => kept = kept.saturating_add(1),
            Some(sent) if predict(&sent.bytes, &sent.target)?.1 == 0 => batch.push(sent),
            Some(sent) => alone.push(sent),
        }
    }
    // Where QEMU only stands in, EL2 must not come to the point where it drives the board.
    let all = alone.len();
    alone.retain(|sent: &Sent| sent.target.platform.qemu.is_some());
    kept = kept.saturating_add(all.saturating_sub(alone.len()));
    let (mut sent, mut lines) = (0_usize, 0_usize);
    while let Some(first) = batch.first() {
        let (target, board, name_first) =
            (first.target.clone(), first.target.platform.folder.clone(), first.name.clone());
        let (here, elsewhere): (Vec<_>, Vec<_>) = batch.into_iter().partition(|sent| sent.target.tree == target.tree);
        batch = elsewhere;
        let board = board.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let real = target.platform.qemu.is_some();
        let end = if real { Some(last(name, &target, &board)?) } else { None };
        let parts: Vec<Vec<u8>> = here.iter().map(|sent| sent.bytes.clone()).chain(end).collect();
        let log = format!("{name}-{}", if real { board.clone() } else { name_first });
        let (said, cells) = compare(&log, &bundle::join(&parts), &target)?;
        if cells != usize::from(real) {
            return Err(Failure::early(format!("{board}: the good plan at the end was not reached")));
        }
        (sent, lines) = (sent.saturating_add(here.len()), lines.saturating_add(said));
    }
    for one in &alone {
        lines = lines.saturating_add(compare(&one.name, &one.bytes, &one.target)?.0);
    }
    let alone = alone.len();
    println!(
        "{sent} bad plans in one boot a board, {alone} in one of their own, {kept} stay on the desk: {lines} lines alike"
    );
    if sent < 20 { Err(Failure::early("too few plans were sent")) } else { Ok(()) }
}

/// What only the GIC itself can tell EL2, and `platform.toml` the desk: which interrupts there are.
fn past(name: &str) -> Result<(), Failure> {
    let file = root().join("tests/plans/bad/interrupt-past-the-gic.toml");
    let path = log_file(name)?.with_extension("toml");
    let plan = fs::read_to_string(&file)?.replace("../images/hello", "{hello}");
    fs::write(&path, fill(&plan) + "bootargs = \"seconds=1\"\n")?;
    let plan = plan_file::load(&path).map_err(Failure::early)?;
    let made = platform::target(&plan, None, &options(None)).map_err(Failure::early)?;
    let [base, overlay, tree] = ["base", "dtbo", "dtb"].map(|ending| path.with_extension(ending));
    fs::write(&base, made.tree)?;
    fs::write(&overlay, platform::read_tree(&file.with_extension("dtso")).map_err(Failure::early)?)?;
    board_tree::merge(&base, &[overlay], &tree).map_err(Failure::early)?;
    let target = Target { tree: fs::read(&tree)?, platform: made.platform };
    let plan = complete::complete(plan, &target).map_err(Failure::early)?;
    let bytes = bundle::build(&plan, bundle::Hash::Crc32).map_err(Failure::early)?;
    let refused = verdict::judge(&plan, &bytes, &target).err().map(|error| error.to_string()).unwrap_or_default();
    if !refused.contains("E0403") {
        return Err(Failure::early(format!("the desk lets it pass: {refused}")));
    }
    let file = path.with_extension("itb");
    fs::write(&file, bytes)?;
    let mut command = qemu::command(&target.platform, &options(None), &image(), &file).map_err(Failure::early)?;
    command.arg("-dtb").arg(&tree);
    let refused = r#"^\[cellwall\] .*event=cell-refused cell=clock reason="interrupt 332 is past the GIC's 288 lines""#;
    let steps = vec![Step::expect(&[refused]), Step::expect(&[r"^\[cellwall\] event=cell-started cell=other"])];
    let script = Script { steps, limit: Duration::from_mins(1), ..Script::default() };
    script.play(command, &log_file(name)?, |_| ())
}

/// Puts a key into a bundle's plan.
/// What a later version would say and this one cannot mean: where its number stands, from the start of the plan or from
/// behind its last cell, and which.
const LATER: [(&str, Option<usize>, u64); 6] = [
    ("version 3", None, 3),
    ("dma = \"smmu\"", Some(8), 3),
    ("another console", Some(7), 3),
    ("gic", Some(6), 2),
    ("on-violation", Some(3), 2),
    ("start", Some(1), 2),
];

/// Puts another plan into a bundle, behind all else, with its hash.
fn replanned(good: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Result<Vec<u8>, Failure> {
    let mut dom = Dom::parse(good).map_err(Failure::early)?;
    let node = dom.root.child("images").child(PLAN);
    let number = |node: &Node, key| {
        let value = u32::from_be_bytes(node.property(key)?.try_into().ok()?);
        usize::try_from(value).ok()
    };
    let (start, size) = number(node, "data-position").zip(number(node, "data-size")).unwrap_or_default();
    let mut plan = good.get(start..start.saturating_add(size)).unwrap_or_default().to_vec();
    change(&mut plan);
    let word = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
    node.set("data-position", word(good.len()));
    node.set("data-size", word(plan.len()));
    node.child("hash-1").set("value", Software.crc32(&plan).to_be_bytes());
    let tree = dom.write();
    // What changed has the size it had.
    Ok([&tree, good.get(tree.len()..).unwrap_or_default(), &plan].concat())
}

/// What this version does not know is refused by EL2 and on the desk alike.
fn later(name: &str) -> Result<(), Failure> {
    let target = platform::named("qemu-virt", &options(None)).map_err(Failure::early)?;
    let good = last(name, &target, "qemu-virt")?;
    let facts = Bundle::read(&good, &Software).map_err(Failure::early)?.manifest.facts.len();
    let mut parts = vec![replanned(&good, |plan| plan.extend([0; 8]))?];
    for (what, place, number) in LATER {
        let bytes = replanned(&good, |plan| {
            let start = place.map_or(0, |place| {
                plan.len().saturating_sub(place.saturating_add(facts).saturating_add(1).saturating_mul(8))
            });
            plan.iter_mut().skip(start).zip(number.to_be_bytes()).for_each(|(byte, new)| *byte = new);
        })?;
        let said = Bundle::read(&bytes, &Software).err().map(|error| error.to_string()).unwrap_or_default();
        let version = "the bundle is of version 3, this reads version 2";
        if said != if place.is_none() { version } else { "the bundle's plan is missing or damaged" } {
            return Err(Failure::early(format!("with {what} the desk says: {said}")));
        }
        parts.push(bytes);
    }
    if replanned(&good, |_| ()).is_ok_and(|same| Bundle::read(&same, &Software).is_err()) {
        return Err(Failure::early("a plan put elsewhere is not read"));
    }
    let wanted = parts.len();
    parts.push(good);
    let (lines, cells) = compare(name, &bundle::join(&parts), &target)?;
    println!("{wanted} plans of a later version refused alike, {lines} lines");
    if cells == 1 && lines >= wanted { Ok(()) } else { Err(Failure::early("the good plan at the end was not reached")) }
}

fn good(_: &str) -> Result<(), Failure> {
    for file in plans("good")? {
        if let Some(sent) = pack(&stem(&file), &file)?
            && sent.target.platform.qemu.is_some()
            && compare(&sent.name, &sent.bytes, &sent.target)?.1 == 0
        {
            return Err(Failure::early(format!("{} does not hold", sent.name)));
        }
    }
    Ok(())
}

/// Numbers that look random and are the same each time (Marsaglia's xorshift).
fn number(state: &mut u64, below: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state).unwrap_or(0).checked_rem(below).unwrap_or(0)
}

/// Returns the bytes of a tree.
pub fn size(tree: &[u8]) -> usize {
    usize::try_from(Bundle::total_size(tree).unwrap_or(0)).unwrap_or(0)
}

/// Damages the first `tree` bytes: cut short, a bit flipped, a number made huge, bytes overwritten.
pub fn damage(good: &[u8], tree: usize, round: usize, state: &mut u64) -> Vec<u8> {
    let mut bytes = good.to_vec();
    match round % 4 {
        0 => bytes.truncate(number(state, tree)),
        1 => {
            let (at, bit) = (number(state, tree), number(state, 8));
            bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << bit);
        }
        2 => {
            let at = number(state, tree / 4).saturating_mul(4);
            let huge = u32::MAX.wrapping_sub(u32::try_from(number(state, 16)).unwrap_or(0)).to_be_bytes();
            bytes.iter_mut().skip(at).zip(huge).for_each(|(byte, new)| *byte = new);
        }
        _ => {
            for _ in 0..=number(state, 8) {
                let (at, value) = (number(state, tree), number(state, 256));
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = u8::try_from(value).unwrap_or(0));
            }
        }
    }
    bytes
}

fn mutants(name: &str) -> Result<(), Failure> {
    let text = format!("board = \"qemu-virt\"\n{LAST}").replace("name = \"last\"", "name = \"good\"");
    let file = log_file(&format!("{name}-good"))?.with_extension("toml");
    fs::write(
        &file,
        fill(
            &(text.clone()
                + "\n"
                + &text.replace("board = \"qemu-virt\"\n", "").replace("good", "two").replace("[0]", "[1, 2]")),
        ),
    )?;
    let sent = pack(name, &file)?.ok_or_else(|| Failure::early("the plan is not packed"))?;
    let (mut parts, mut state, mut round) = (Vec::new(), 0x9e37_79b9_7f4a_7c15, 0_usize);
    // The plan lies behind the tree.
    let tree = size(&sent.bytes).saturating_add(512);
    while parts.len() < MUTANTS {
        let bytes = damage(&sent.bytes, tree, round, &mut state);
        round = round.saturating_add(1);
        // What still holds would be run; what is no tree any more is passed over.
        let tree = Bundle::total_size(&bytes).is_some();
        // As EL2 will see it: something comes behind.
        let padded = [bytes.clone(), vec![0; sent.bytes.len()]].concat();
        if tree && predict(&padded, &sent.target)?.1 == 0 {
            parts.push(bytes);
        }
    }
    parts.push(last(name, &sent.target, "qemu-virt")?);
    let (lines, cells) = compare(name, &bundle::join(&parts), &sent.target)?;
    if cells == 1 && lines >= MUTANTS { Ok(()) } else { Err(Failure::early(format!("{lines} lines, {cells} cells"))) }
}
