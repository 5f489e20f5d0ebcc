//! `./x interference`: whether a cell can tell what its neighbour does, measured exit by exit.

use cellwall_cli as _;
use libtest_mimic as _;
use scenes::interference::{self, HOSTILE, QUIET};
use scenes::script::Failure;
use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(count) => {
            eprintln!("interference: {count} neighbours can be told from one that spins");
            ExitCode::FAILURE
        }
        Err(failure) => {
            eprintln!("interference: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<u32, Failure> {
    let (mut gics, mut only) = (vec![3, 2], None);
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--gic" => gics = arguments.next().and_then(|text| text.parse().ok()).into_iter().collect(),
            "--only" => only = arguments.next(),
            _ => return Err(Failure::early("usage: interference [--gic 2|3] [--only NEIGHBOUR]")),
        }
    }
    let mut told = 0_u32;
    for gic in gics {
        let quiet = interference::play(&QUIET, gic)?;
        println!(
            "\nGICv{gic}: beside a neighbour that spins the canary has {} exits, for which EL2 executes {} instructions",
            quiet.exits.len(),
            quiet.instructions()
        );
        for neighbour in HOSTILE.iter().filter(|one| only.as_deref().is_none_or(|name| name == one.name)) {
            let record = interference::play(neighbour, gic)?;
            let difference = record.difference(&quiet);
            told = told.saturating_add(u32::from(difference.is_some()));
            println!(
                "  {:<13} {:>5} exits {:>7} instructions; beside it {:>6} exceptions {:>3} restarts  {}",
                neighbour.name,
                record.exits.len(),
                record.instructions(),
                record.beside,
                record.restarts,
                difference.as_deref().unwrap_or("equal, bit for bit")
            );
        }
    }
    Ok(told)
}
