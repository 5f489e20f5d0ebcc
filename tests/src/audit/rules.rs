//! What people reviewed: roots, ends and narrowed indirect calls, from `tests/audit.toml`.
//!
//! Names are demangled ones; `*` stands for anything.

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use std::path::Path;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// No panic may be reached.
    pub panics: Question,
    /// No memory may be allocated.
    pub alloc: Question,
    /// Narrowed indirect calls.
    #[serde(default)]
    pub indirect: Vec<Indirect>,
    /// Functions whose address serves another purpose than calling them.
    #[serde(default)]
    pub address: Vec<Address>,
}

/// A function whose address is taken, but that nobody in EL2 calls by it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// The function.
    pub function: String,
    /// What its address is for.
    pub why: String,
}

/// What must not be reached from where.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Where control comes from.
    pub roots: Vec<String>,
    /// What must not be called.
    pub ends: Vec<String>,
    /// A function known to reach an end: if it seems not to, the audit is blind.
    pub control: String,
}

/// What the indirect calls of a function can call.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Indirect {
    /// The function that calls.
    pub function: String,
    /// What it can call.
    pub targets: Targets,
    /// Why that is all.
    pub why: String,
}

/// Who can be called.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Targets {
    /// `"handed"`: only what code on the paths at hand takes the address of: the callee is handed down, never stored.
    Handed(Handed),
    /// Functions so named.
    Named(Vec<String>),
}

/// The word `handed`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Handed {
    /// Is the only one.
    Handed,
}

impl Rules {
    /// Reads the rules.
    ///
    /// # Errors
    /// If the file cannot be read or understood, or a narrowing gives no reason.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let rules: Self = toml::from_str(&text).with_context(|| format!("in {}", path.display()))?;
        let reasons = rules.indirect.iter().map(|rule| (&rule.function, &rule.why));
        let mut reasons = reasons.chain(rules.address.iter().map(|rule| (&rule.function, &rule.why)));
        match reasons.find(|(_, why)| why.trim().len() < 20) {
            Some((function, _)) => bail!("the rule of {function} gives no reason"),
            None => Ok(rules),
        }
    }

    /// Whether `function` may be called by its address.
    #[must_use]
    pub fn is_callee(&self, function: &str) -> bool {
        !self.address.iter().any(|rule| matches(&rule.function, function))
    }

    /// The narrowing of `function`'s indirect calls.
    #[must_use]
    pub fn narrowed(&self, function: &str) -> Option<&Targets> {
        self.indirect.iter().find(|rule| matches(&rule.function, function)).map(|rule| &rule.targets)
    }
}

/// Whether `name` is meant by any of `patterns`.
#[must_use]
pub fn any(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, name))
}

/// Whether `name` is meant by `pattern`.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| {
            let starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
            starts.into_iter().any(|at| rest.get(at..).is_some_and(|rest| matches(tail, rest)))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_anything() {
        assert!(matches("core::panicking::*", "core::panicking::panic_fmt"));
        assert!(matches("*::alloc", "<pool::Pool as GlobalAlloc>::alloc"));
        assert!(matches("a*b*c", "a--b--c") && matches("a*", "a"));
        assert!(!matches("core::panicking", "core::panicking::panic_fmt"));
        assert!(!matches("a*b*c", "a--c--b"));
    }
}
