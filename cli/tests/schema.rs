//! The JSON Schema of `cells.toml`, held against what reads plans, against plans and against the reference.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod common;

use boon::{Compiler, Schemas};
use cellwall_cli::{plan_file, platform};
use common::{Folder, GOOD};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

fn printed() -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_cellwall")).arg("schema").output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Says what the schema finds wrong with a plan.
fn judge(plan: &str) -> Result<(), String> {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("cells.json", printed()).unwrap();
    let index = compiler.compile("cells.json", &mut schemas).unwrap();
    let plan: toml::Value = toml::from_str(plan).unwrap();
    schemas.validate(&serde_json::to_value(plan).unwrap(), index).map_err(|error| error.to_string())
}

/// The plans of a folder and of those in it.
fn plans(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| {
            let plan = path.extension().is_some_and(|extension| extension == "toml");
            if path.is_dir() { plans(&path) } else { plan.then_some(path).into_iter().collect() }
        })
        .collect()
}

/// Each table's name in the schema, and its keys.
fn tables(schema: &Value) -> [(&'static str, Vec<String>); 4] {
    let keys = |table: &Value| table["properties"].as_object().unwrap().keys().cloned().collect();
    let of = |name| keys(&schema["$defs"][name]);
    [("plan", keys(schema)), ("cell", of("cell")), ("run", of("run")), ("channel", of("channel"))]
}

#[test]
fn every_plan_that_is_good_is_good_to_the_schema() {
    let root = platform::root().unwrap();
    let files = [plans(&root.join("demos")), plans(&root.join("tests/plans/good"))].concat();
    assert!(!files.is_empty());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        judge(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
    judge(GOOD).unwrap();
}

#[test]
fn a_misspelt_key_of_any_table_is_refused_by_schema_and_reader_alike() {
    let run = "memory = [{ size = \"64M\", at = 0x4000_0000, identity = false, rights = \"rwx\" }]";
    let good = GOOD.replacen("memory = \"64M\"", run, 1);
    judge(&good).unwrap();
    for key in ["board", "cell", "name", "cpus", "memory", "kernel", "initrd", "bootargs", "devices", "dma"] {
        let heading = key == "cell";
        let (right, wrong) = if heading {
            ("[[cell]]".into(), "[[cel]]".into())
        } else {
            (format!("\n{key} = "), format!("\n{key}x = "))
        };
        let bad = format!("\n{good}").replacen(&right, &wrong, 1);
        assert!(judge(&bad).is_err(), "{key}");
        assert!(plan_file::parse("cells.toml".as_ref(), &bad).is_err(), "{key}");
    }
    for key in ["size", "at", "identity", "rights"] {
        let bad = good.replacen(&format!("{key} = "), &format!("{key}x = "), 1);
        assert!(judge(&bad).is_err() && plan_file::parse("cells.toml".as_ref(), &bad).is_err(), "{key}");
    }
}

#[test]
fn numbers_are_written_as_the_reader_reads_them() {
    for (size, good) in [
        ("\"64M\"", true),
        ("\"2 MiB\"", true),
        ("\"0x40_0000\"", true),
        ("4194304", true),
        ("0x40_0000", true),
        ("\"256Mb\"", false),
        ("\"-1\"", false),
        ("\"64 megabytes\"", false),
        ("-4096", false),
        ("true", false),
    ] {
        let plan = GOOD.replacen("\"64M\"", size, 1);
        assert_eq!(judge(&plan).is_ok(), good, "{size}");
        assert_eq!(plan_file::parse("cells.toml".as_ref(), &plan).is_ok(), good, "{size}");
    }
}

#[test]
fn the_reader_knows_the_keys_of_the_schema_and_no_others() {
    // What the reader knows it tells when it meets a key that is like none.
    let folder = Folder::new(&format!("qqqqqqqq = 1\n{GOOD}\nzzzzzzzz = 1\nmemory = [{{ size = 1, xxxxxxxx = 1 }}]"));
    let text = std::fs::read_to_string(folder.file("cells.toml"))
        .unwrap()
        .replace("memory = [{ size = \"256M\", at = 0x4000_0000 }]\n", "");
    let report = plan_file::parse("cells.toml".as_ref(), &text).unwrap_err();
    let told: Vec<Vec<String>> = report
        .problems
        .iter()
        .filter_map(|problem| problem.help.as_deref()?.strip_prefix("the keys are "))
        .map(|keys| keys.split(", ").map(str::to_owned).collect())
        .collect();
    assert_eq!(told.len(), 3);
    let [plan, cell, run, _] = tables(&printed());
    for (mut told, (table, mut keys)) in told.into_iter().zip([plan, cell, run]) {
        told.sort();
        keys.sort();
        assert_eq!(told, keys, "{table}");
    }
}

#[test]
fn the_reference_names_every_key() {
    let reference = std::fs::read_to_string(platform::root().unwrap().join("docs/plan.md")).unwrap();
    for (table, keys) in tables(&printed()) {
        // Channels are one row of what is refused yet, and each run's keys stand in its examples.
        for key in keys.iter().filter(|_| table != "channel") {
            let named = [format!("`{key}`"), format!("{key} = "), format!("`[[{key}]]`")];
            assert!(named.iter().any(|name| reference.contains(name)), "docs/plan.md does not name {key} of a {table}");
        }
    }
}
