//! The licence of every package we build with, against the list in `deny.toml`.
//!
//! SPDX expressions with `OR`, `AND` and parentheses; an old-fashioned `/` means OR. For machines without `cargo-deny`.

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use std::path::Path;
use std::process::Command;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    license: Option<String>,
}

#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

/// Prints the packages whose licence is not allowed; true if there are none.
///
/// # Errors
/// If Cargo's metadata or `deny.toml` cannot be read.
pub fn judge(root: &Path) -> Result<bool> {
    let deny = std::fs::read_to_string(root.join("deny.toml")).context("cannot read deny.toml")?;
    let allow = toml::from_str::<Deny>(&deny).context("in deny.toml")?.licenses.allow;
    let output = Command::new("cargo").args(["metadata", "--format-version", "1"]).current_dir(root).output()?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    }
    let packages = serde_json::from_slice::<Metadata>(&output.stdout)?.packages;
    let mut bad = 0_usize;
    for package in &packages {
        let licence = package.license.as_deref().unwrap_or("none");
        if !allowed(licence, &allow) {
            println!("{}: {licence} is not in deny.toml", package.name);
            bad = bad.saturating_add(1);
        }
    }
    println!("licences: {bad} of {} packages have another than deny.toml allows", packages.len());
    Ok(bad == 0)
}

/// Tells whether one of the alternatives is allowed in all its parts.
fn allowed(expression: &str, allow: &[String]) -> bool {
    let expression = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = expression.split_whitespace().peekable();
    any(&mut words, allow)
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any(words: &mut Words<'_>, allow: &[String]) -> bool {
    let mut good = all(words, allow);
    while words.next_if_eq(&"OR").is_some() {
        good |= all(words, allow);
    }
    good
}

fn all(words: &mut Words<'_>, allow: &[String]) -> bool {
    let mut good = one(words, allow);
    while words.next_if_eq(&"AND").is_some() {
        good &= one(words, allow);
    }
    good
}

fn one(words: &mut Words<'_>, allow: &[String]) -> bool {
    match words.next() {
        Some("(") => {
            let good = any(words, allow);
            words.next_if_eq(&")").is_some() && good
        }
        Some(name) => {
            let mut name = name.to_owned();
            if words.next_if_eq(&"WITH").is_some() {
                name = format!("{name} WITH {}", words.next().unwrap_or_default());
            }
            allow.contains(&name)
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::allowed;

    #[test]
    fn one_good_alternative_does_all_parts_of_it_must_be_good() {
        let allow = ["MIT".to_owned(), "Apache-2.0 WITH LLVM-exception".to_owned()];
        for good in
            ["MIT", "GPL-3.0 OR MIT", "GPL-3.0/MIT", "(GPL-3.0 OR MIT) AND MIT", "Apache-2.0 WITH LLVM-exception"]
        {
            assert!(allowed(good, &allow), "{good}");
        }
        for bad in ["", "none", "GPL-3.0", "MIT AND GPL-3.0", "(MIT AND GPL-3.0) OR GPL-2.0", "Apache-2.0"] {
            assert!(!allowed(bad, &allow), "{bad}");
        }
    }
}
