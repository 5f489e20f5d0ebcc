//! The corpus: every plan of `tests/plans`, and what `check` says of it.
//!
//! Beside each plan stands what was said last (`.out`). A difference is shown line by line; `BLESS=1 cargo test -p
//! cellwall-cli --test corpus` takes what is said now, and `git diff` shows it. Plans of demos are copied with small
//! stand-ins for their images, so that nothing need be built.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use cellwall_cli::report::Report;
use cellwall_cli::{board_tree, explain, plan_file, platform, qemu, verdict};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What only a bundle that the desk did not make can lack: a CPU, memory, cells, bytes of a kernel.
const ONLY_ON_THE_BOARD: [&str; 4] = ["E0105", "E0201", "E0601", "E0701"];

/// How a demo's files are called here.
const STAND_INS: [(&str, &str); 3] = [
    ("../../build/linux/vmlinuz", "../images/linux"),
    ("../../build/linux/initrd.cpio.gz", "../images/initrd"),
    ("../../build/guests/", "../images/guests/"),
];

fn blessed() -> bool {
    std::env::var_os("BLESS").is_some()
}

fn folder() -> PathBuf {
    platform::root().unwrap().join("tests/plans")
}

/// Returns the files of a folder with this ending, in order.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|found| found == ending)).collect();
    files.sort();
    files
}

/// Makes the tree of a plan whose board is not quite the one it names: what differs stands in the `.dtso` beside it.
fn tree(plan: &Path) -> Option<PathBuf> {
    let overlay = plan.with_extension("dtso");
    overlay.exists().then(|| {
        let target = platform::target(&plan_file::load(plan).unwrap(), None, &qemu::Options::default()).unwrap();
        let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join(plan.file_name().unwrap());
        let [base, compiled, tree] = ["base", "dtbo", "dtb"].map(|ending| made.with_extension(ending));
        std::fs::write(&base, target.tree).unwrap();
        std::fs::write(&compiled, platform::read_tree(&overlay).unwrap()).unwrap();
        board_tree::merge(&base, &[compiled], &tree).unwrap();
        tree
    })
}

/// What `check` says, as a program would read it and as a person does.
fn check(plan: &Path) -> (Report, String) {
    match verdict::check(plan, tree(plan).as_deref(), &qemu::Options::default()) {
        Ok(verdict) => {
            let warnings = verdict.report.render(false);
            let text = [warnings, verdict.summary].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>();
            (verdict.report, text.join("\n\n"))
        }
        Err(error) => {
            let report = error.downcast::<Report>().unwrap_or_else(|error| panic!("{}: {error:#}", plan.display()));
            let text = report.render(false);
            (report, text)
        }
    }
}

/// Compares what is said with what was said last; returns the difference.
fn compare(golden: &Path, said: &str) -> Option<String> {
    let before = std::fs::read_to_string(golden).unwrap_or_default();
    if before == said {
        return None;
    }
    if blessed() {
        std::fs::write(golden, said).unwrap();
        return None;
    }
    let mut text = format!("--- {}\n+++ said now\n", golden.display());
    for line in diff(&before.lines().collect::<Vec<_>>(), &said.lines().collect::<Vec<_>>()) {
        let _ = writeln!(text, "{line}");
    }
    Some(text)
}

/// The shortest way from `old` to `new`, line by line.
fn diff(old: &[&str], new: &[&str]) -> Vec<String> {
    // common[i][j]: the most lines that old[i..] and new[j..] have in common.
    let mut common = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] =
                if old[i] == new[j] { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(format!(" {}", old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || i < old.len() && common[i + 1][j] >= common[i][j + 1] {
            lines.push(format!("-{}", old[i]));
            i += 1;
        } else {
            lines.push(format!("+{}", new[j]));
            j += 1;
        }
    }
    lines
}

/// Keeps `tests/plans/good/demo-*.toml` as the demos' plans are.
fn copy_demos() -> Vec<String> {
    let mut stale = Vec::new();
    for entry in std::fs::read_dir(platform::root().unwrap().join("demos")).unwrap() {
        let demo = entry.unwrap().path();
        for plan in files(&demo, "toml") {
            let mut name = format!("demo-{}", demo.file_name().unwrap().to_string_lossy());
            if plan.file_stem().unwrap() != "cells" {
                let _ = write!(name, "-{}", plan.file_stem().unwrap().to_string_lossy());
            }
            let text = std::fs::read_to_string(&plan).unwrap();
            let text = STAND_INS.iter().fold(text, |text, (from, to)| text.replace(from, to));
            stale.extend(compare(&folder().join("good").join(name + ".toml"), &text));
        }
    }
    stale
}

#[test]
fn check_says_of_every_plan_what_it_said_before() {
    let mut wrong = copy_demos();
    // So that paths in messages are short and everywhere the same.
    std::env::set_current_dir(folder()).unwrap();
    let mut met: BTreeMap<String, usize> = BTreeMap::new();
    let mut counts = [0, 0];
    for (count, kind) in counts.iter_mut().zip(["good", "bad"]) {
        for plan in files(Path::new(kind), "toml") {
            *count += 1;
            let (report, said) = check(&plan);
            if report.holds() != (kind == "good") {
                wrong.push(format!("{} is {kind} and check says:\n{said}", plan.display()));
            }
            wrong.extend(compare(&plan.with_extension("out"), &(said + "\n")));
            let found = report.json();
            let codes = found["findings"].as_array().unwrap().iter().map(|found| {
                let (code, class) = (found["code"].as_str().unwrap_or("none"), &found["class"]);
                let severity = if class == "W" { "warning" } else { "error" };
                assert_eq!(found["severity"], severity, "{}: {found}", plan.display());
                code.to_owned()
            });
            let mut codes: Vec<String> = codes.collect();
            codes.sort();
            codes.dedup();
            for code in codes {
                *met.entry(code).or_default() += 1;
            }
        }
        for stray in files(Path::new(kind), "out") {
            if !stray.with_extension("toml").exists() {
                wrong.push(format!("{} has no plan", stray.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\nBLESS=1 takes what is said now", wrong.join("\n"));
    println!("{} good plans, {} bad ones", counts[0], counts[1]);
    assert!(counts[0] >= 15 && counts[1] >= 100);
    // Each check is met in two plans at least, and each finding has a code that is explained.
    for (code, _) in explain::classes().into_iter().filter(|(code, _)| !ONLY_ON_THE_BOARD.contains(code)) {
        assert!(met.get(code).is_some_and(|plans| *plans > 1), "{code} is in {:?} plans", met.get(code));
    }
    for code in met.keys() {
        assert!(explain::class(code).is_some() && !ONLY_ON_THE_BOARD.contains(&code.as_str()), "{code}");
    }
}

#[test]
fn every_board_has_a_good_plan() {
    for entry in std::fs::read_dir(platform::root().unwrap().join("platforms")).unwrap() {
        let board = entry.unwrap().path();
        if board.join("platform.toml").exists() {
            let line = format!("board = \"{}\"", board.file_name().unwrap().to_string_lossy());
            let plans = files(&folder().join("good"), "toml");
            assert!(plans.iter().any(|plan| std::fs::read_to_string(plan).unwrap().contains(&line)), "{line}");
        }
    }
}

#[test]
fn every_plan_says_what_it_shows() {
    let plans = ["good", "bad"].into_iter().flat_map(|kind| files(&folder().join(kind), "toml"));
    for plan in plans {
        let text = std::fs::read_to_string(&plan).unwrap();
        assert!(text.starts_with("# ") && text.lines().next().unwrap().ends_with(['.', '?']), "{}", plan.display());
    }
}

#[test]
fn the_mistakes_shown_are_those_of_the_corpus() {
    let shown = std::fs::read_to_string(platform::root().unwrap().join("docs/plan-mistakes.md")).unwrap();
    let parts: Vec<&str> = shown.split("```\n").skip(1).step_by(2).collect();
    assert_eq!(parts.len(), 10);
    let said: String =
        files(&folder().join("bad"), "out").iter().map(|out| std::fs::read_to_string(out).unwrap()).collect();
    for part in parts {
        assert!(said.contains(part.trim_end()), "nothing in tests/plans/bad says\n{part}");
    }
}
