//! All scenes. `cargo test -p scenes --test scenes -- NAME` runs those of that name; two at a time, unless
//! `--test-threads` or `SCENE_THREADS` says otherwise.

use libtest_mimic::{Arguments, Trial};
use scenes::stage::Machine;
use scenes::{Scene, prepare};
use std::process::ExitCode;

mod attacks;
mod boards;
mod boot;
mod boot_code;
mod cards;
mod conform;
mod corpus;
mod costs;
mod endurance;
mod files;
mod lifecycle;
mod linux;
mod matrix;
mod passthrough;
mod small;
mod touched;
mod trees;
mod walls;
mod words;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let threads = std::env::var("SCENE_THREADS").ok().and_then(|text| text.parse().ok());
    arguments.test_threads = arguments.test_threads.or(threads).or(Some(2));
    if !arguments.list
        && let Err(failure) = prepare()
    {
        eprintln!("{failure}");
        return ExitCode::FAILURE;
    }
    let scenes = small::scenes()
        .into_iter()
        .chain(walls::scenes())
        .chain(attacks::scenes())
        .chain(lifecycle::scenes())
        .chain(linux::scenes())
        .chain(conform::scenes())
        .chain(passthrough::scenes());
    let trials = scenes.map(|scene| {
        Trial::test(scene.name.clone(), move || scene.play().map_err(|failure| failure.to_string().into()))
    });
    let mut trials: Vec<Trial> = trials
        .chain(attacks::trials())
        .chain(passthrough::trials())
        .chain(conform::trials())
        .chain(boards::trials())
        .chain(trees::trials())
        .chain(boot::trials())
        .chain(cards::trials())
        .chain(lifecycle::trials())
        .chain(touched::trials())
        .chain(endurance::trials())
        .chain(files::trials())
        .chain(corpus::trials())
        .chain(costs::trials())
        .chain(matrix::trials())
        .collect();
    let names: Vec<String> = trials.iter().map(|trial| trial.name().to_owned()).collect();
    trials.extend(words::trials(&names));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The interrupt controllers EL2 drives: scenes with cells run on each of them.
const DRIVEN: &[u32] = &[2, 3];

/// A scene of cells on each interrupt controller EL2 drives: the name gets `_gicv2` or `_gicv3`.
fn on_each(build: impl Fn(u32) -> Scene) -> Vec<Scene> {
    on(DRIVEN, build)
}

/// A scene without EL2, on both.
fn on_both(build: impl Fn(u32) -> Scene) -> Vec<Scene> {
    on(&[2, 3], build)
}

fn on(gics: &[u32], build: impl Fn(u32) -> Scene) -> Vec<Scene> {
    gics.iter().map(|&gic| Scene { name: format!("{}_gicv{gic}", build(gic).name), ..build(gic) }).collect()
}

/// QEMU's usual options with that GIC and that many CPUs.
fn machine(gic: u32, cpus: u32) -> Machine {
    Machine { gic, cpus, ..Machine::default() }
}
