//! `audit panics|alloc ELF`: what the image can reach and must not. `audit errata ELF`: instructions that some CPUs get
//! wrong. `audit size ELF`: what it may weigh.
//! `audit licences`: what it may be made of.
//!
//! Exit 0 with a line of statistics, 1 with all findings, 2 if it cannot tell. `--root NAME` (any number) replaces the
//! roots of `tests/audit.toml`, `--control NAME` the function known to reach what is looked for.

use anyhow::{Result, bail};
use scenes::audit::{
    errata,
    graph::Graph,
    image::Image,
    licences,
    reach::Reach,
    report,
    rules::{Question, Rules},
    size,
};
use scenes::stage::root;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("audit: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<bool> {
    let root = root();
    if arguments == ["licences"] {
        return licences::judge(&root);
    }
    let [what, elf, rest @ ..] = arguments else {
        bail!(
            "usage: audit panics|alloc ELF [--root NAME]… [--control NAME], audit errata ELF, audit size ELF [BOOT…], audit licences"
        );
    };
    let image = Image::read(Path::new(elf), &root)?;
    if what == "size" {
        return size::measure(&image, &root, rest);
    }
    if what == "errata" {
        let found = errata::find(&Image::read_mended(Path::new(elf), &root)?);
        found.wrong.iter().for_each(|wrong| println!("{wrong}"));
        let [tlbi, translate, clean, page] = found.seen;
        println!(
            "errata: {} sites to mend; {tlbi} TLBI, {translate} AT, {clean} DC CIVAC, {page} ADRP",
            found.wrong.len()
        );
        return Ok(found.wrong.is_empty());
    }
    let rules = Rules::read(&root.join("tests/audit.toml"))?;
    let mut question = match what.as_str() {
        "panics" => rules.panics.clone(),
        "alloc" => rules.alloc.clone(),
        other => bail!("there is no audit {other}"),
    };
    let mut roots = Vec::new();
    let mut rest = rest.iter();
    while let Some(option) = rest.next() {
        match (option.as_str(), rest.next()) {
            ("--root", Some(name)) => roots.push(name.clone()),
            ("--control", Some(name)) => question.control.clone_from(name),
            _ => bail!("{option} is no option, or lacks its value"),
        }
    }
    if !roots.is_empty() {
        question.roots = roots;
    }
    let graph = Graph::of(&image);
    if let Some(at) = graph.lost.first() {
        bail!("{at:#x} calls what no symbol covers: is the image stripped?");
    }
    let control = Question { roots: vec![question.control.clone()], ..question.clone() };
    if Reach::of(&image, &graph, &rules, &control)?.finds.is_empty() {
        bail!("{} seems to reach no end, though it is known to: the audit is blind", question.control);
    }
    let mut reach = Reach::of(&image, &graph, &rules, &question)?;
    reach.find_inlined();
    let (text, count) = report::write(&image, &reach);
    print!("{text}");
    println!(
        "{what}: {count} sites to mend; {} of {} functions reached from {} roots, {} direct calls, {} functions with \
         their address taken",
        reach.reached().len(),
        image.functions.len(),
        question.roots.len(),
        graph.calls,
        graph.taken.len()
    );
    Ok(count == 0)
}
