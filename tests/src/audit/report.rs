//! Says where the forbidden is called: by source line, grouped by the project's function nearest to it.

use crate::audit::decode::{Instruction, decode};
use crate::audit::image::{Image, Position};
use crate::audit::reach::{Find, Reach};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// One way to something forbidden, told in sources.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Site {
    /// The project's line nearest to the end.
    ours: String,
    /// Lines of libraries from there to the end.
    inner: Vec<String>,
    end: String,
    /// Functions from the root.
    path: Vec<String>,
}

/// The report, and how many places it names.
#[must_use]
pub fn write(image: &Image, reach: &Reach<'_>) -> (String, usize) {
    let mut groups: BTreeMap<String, BTreeSet<Site>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for find in reach.finds.iter().flat_map(|find| origins(image, reach, find)) {
        let (group, site) = site(image, reach, &find);
        if seen.insert((site.ours.clone(), site.end.clone(), site.inner.last().cloned())) {
            groups.entry(group).or_default().insert(site);
        }
    }
    let count = groups.values().map(BTreeSet::len).sum();
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, sites)| std::cmp::Reverse(sites.len()));
    let mut text = String::new();
    for (function, sites) in groups {
        let _ = writeln!(text, "{function}  ({} sites)", sites.len());
        for site in sites {
            let _ = writeln!(text, "  {}: {}", site.ours, site.end);
            for line in site.inner {
                let _ = writeln!(text, "      in {line}");
            }
            let _ = writeln!(text, "      by {}", site.path.join(" > "));
        }
        text.push('\n');
    }
    (text, count)
}

/// The compiler merges calls that do not return, and moves common code into functions of its own. What led to a find:
/// the branches to its block, or the calls of the common code.
fn origins(image: &Image, reach: &Reach<'_>, find: &Find) -> Vec<Find> {
    let Some(function) = image.functions.get(find.function) else { return Vec::new() };
    if function.name.starts_with("OUTLINED_FUNCTION") {
        let callers = reach.callers(find.function).into_iter();
        return callers.map(|(function, at)| Find { function, at, end: find.end.clone() }).collect();
    }
    let decoded = |at: u64| image.instruction(at).map_or(Instruction::Other, |word| decode(word, at));
    let mut block = find.at;
    while block > function.start && !decoded(block.wrapping_sub(4)).leaves() {
        block = block.wrapping_sub(4);
    }
    let leads = |at: &u64| match decoded(*at) {
        Instruction::Branch(to) | Instruction::Jump(to) => (block..=find.at).contains(&to),
        _ => false,
    };
    let mut origins: Vec<u64> = (function.start..function.end).step_by(4).filter(leads).collect();
    if image.positions(find.at).first().is_none_or(|place| place.line != 0) || origins.is_empty() {
        origins.push(find.at);
    }
    origins.into_iter().map(|at| Find { at, ..find.clone() }).collect()
}

/// The group and the site of a find.
fn site(image: &Image, reach: &Reach<'_>, find: &Find) -> (String, Site) {
    let mut steps = reach.path(find.function);
    steps.push((find.function, find.at));
    let name = |function: usize| image.functions.get(function).map_or("?", |function| function.name.as_str());
    let path = steps.iter().map(|(function, _)| name(*function).to_owned()).collect();
    let mut inner = Vec::new();
    for (_, at) in steps.iter().rev() {
        for place in image.positions(*at) {
            if place.is_ours() && place.line != 0 {
                inner.reverse();
                let ours = format!("{}:{}", place.file, place.line);
                return (place.function, Site { ours, inner, end: find.end.clone(), path });
            }
            inner.push(told(&place));
        }
    }
    inner.reverse();
    (name(find.function).to_owned(), Site { ours: format!("{:#x}", find.at), inner, end: find.end.clone(), path })
}

/// A position in a library.
fn told(place: &Position) -> String {
    let file: Vec<&str> = place.file.rsplitn(4, '/').take(3).collect();
    let file: Vec<&str> = file.into_iter().rev().collect();
    format!("{} ({}:{})", place.function, file.join("/"), place.line)
}
