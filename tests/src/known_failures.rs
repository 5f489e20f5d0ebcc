//! `docs/known-failures.md`: every test that it names is there.

use crate::stage::root;
use std::fs;
use std::path::Path;

/// All that our tests are written in.
fn sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                sources(&path, into);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("known_failures.rs") {
            into.push_str(&fs::read_to_string(&path).unwrap_or_default());
        }
    }
}

#[test]
fn every_test_that_holds_a_known_failure_is_there() {
    let mut text = String::new();
    for folder in ["crates", "cli", "tests"] {
        sources(&root().join(folder), &mut text);
    }
    let table = fs::read_to_string(root().join("docs/known-failures.md")).unwrap_or_default();
    let tests: Vec<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix('|')?.split('|').nth(2))
        .flat_map(|tests| tests.split('`').skip(1).step_by(2))
        .collect();
    assert!(tests.len() >= 45, "{} tests in the table", tests.len());
    // Scenes that are made for each class or CPU model have only that as a word of their own.
    let own = |name: &str| {
        let class =
            ["attack_", "matrix_granule_on_"].iter().find_map(|prefix| name.strip_prefix(prefix)).map(str::to_owned);
        class.map_or([format!("fn {name}("), format!("\"{name}")], |class| {
            [format!("\"{class}\""), format!("\"{class}\"")]
        })
    };
    let missing: Vec<&&str> =
        tests.iter().filter(|name| !own(name).iter().any(|written| text.contains(written))).collect();
    assert!(missing.is_empty(), "docs/known-failures.md names tests that are not there: {missing:?}");
}
