//! Codes: one table of classes, one paragraph each, and the reference says the same.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use cellwall_cli::{explain, platform};
use common::{Folder, GOOD};
use std::process::{Command, Output};

fn cellwall(folder: &Folder, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cellwall")).args(arguments).current_dir(folder.path()).output().unwrap()
}

/// The rows of docs/plan.md: code and class.
fn documented() -> Vec<(String, char)> {
    let text = std::fs::read_to_string(platform::root().unwrap().join("docs/plan.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| E0"));
    rows.map(|row| {
        let fields: Vec<&str> = row.split('|').map(str::trim).collect();
        (fields[1].to_owned(), fields[2].chars().next().unwrap())
    })
    .collect()
}

#[test]
fn the_reference_tells_every_code_and_its_class_in_order() {
    let classes: Vec<_> = explain::classes().into_iter().map(|(code, class)| (code.to_owned(), class)).collect();
    assert_eq!(documented(), classes);
}

#[test]
fn every_code_is_explained_once_and_nothing_else_is() {
    let told: Vec<&str> = explain::all().map(|(code, _)| code).collect();
    let classes: Vec<&str> = explain::classes().into_iter().map(|(code, _)| code).collect();
    assert_eq!(told, classes);
    for (code, text) in explain::all() {
        assert!(text.len() > 40 && text.ends_with('.'), "{code}: {text}");
    }
}

#[test]
fn a_code_is_explained_however_it_is_written() {
    let folder = Folder::new(GOOD);
    let explained = |code| cellwall(&folder, &["check", "--explain", code]);
    let output = explained("E0107");
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("E0107: refuses the plan\n\nThe tree has no enable-method"), "{said}");
    assert!(said.lines().all(|line| line.len() <= 80), "{said}");
    for same in ["e0107", "error[E0107]", "warning[e0107]"] {
        assert_eq!(explained(same).stdout, said.as_bytes(), "{same}");
    }
    let class = |code| String::from_utf8(explained(code).stdout).unwrap().lines().next().unwrap().to_owned();
    assert_eq!(class("E0301"), "E0301: refuses its cell: EL2 runs the others, check and build do not let it pass");
    assert_eq!(class("E0319"), "E0319: a warning");
}

#[test]
fn a_code_there_is_not_suggests_one() {
    let output = cellwall(&Folder::new(GOOD), &["check", "--explain", "E01O7"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "error: there is no code E01O7; did you mean E0107? docs/plan.md lists all\n");
    assert_eq!(output.status.code(), Some(1));
}
