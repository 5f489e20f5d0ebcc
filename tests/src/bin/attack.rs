//! `./x attack`: plays the attack suite and prints what was tried, what became of it and what held.

use cellwall_cli as _;
use libtest_mimic as _;
use scenes::attack::CLASSES;
use scenes::script::Failure;
use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("attack: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let (mut gics, mut full, mut passthrough, mut only) = (vec![3, 2], false, false, None);
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--full" => full = true,
            "--passthrough" => passthrough = true,
            "--gic" => gics = arguments.next().and_then(|text| text.parse().ok()).into_iter().collect(),
            "--only" => only = arguments.next(),
            _ => return Err(Failure::early("usage: attack [--gic 2|3] [--only CLASS] [--passthrough] [--full]")),
        }
    }
    let (mut total, mut escapes) = (0_u64, 0_u32);
    for gic in gics {
        println!(
            "\nGICv{gic}: attempts that ran within the cell's own, were undefined, gave an abort, were refused, or were"
        );
        println!(
            "ended by the timer; the victim checked its memory, interrupts and controller before and after each class\n"
        );
        println!(
            "{:<13}{:>9}{:>9}{:>10}{:>9}{:>9}{:>7}  held by",
            "class", "all", "through", "undefined", "abort", "refused", "timer"
        );
        for class in CLASSES.iter().filter(|class| only.as_deref().is_none_or(|name| name == class.name)) {
            match class.play(gic, full, passthrough) {
                Ok(outcome) => {
                    let number = |name: &str| outcome.tally.get(name).copied().unwrap_or(0);
                    total = total.saturating_add(number("count"));
                    println!(
                        "{:<13}{:>9}{:>9}{:>10}{:>9}{:>9}{:>7}  {}",
                        class.name,
                        number("count"),
                        number("through"),
                        number("undefined"),
                        number("aborted"),
                        number("refused"),
                        number("interrupted"),
                        class.held_by
                    );
                }
                Err(failure) => {
                    escapes = escapes.saturating_add(1);
                    println!("{:<13} FAILED: {failure}", class.name);
                }
            }
        }
    }
    println!("\n{total} attempts, {escapes} classes failed");
    if escapes == 0 { Ok(()) } else { Err(Failure::early("not every class was held")) }
}
