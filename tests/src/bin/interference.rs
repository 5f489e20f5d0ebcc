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
    let gics: Vec<u32> = match env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => vec![3, 2],
        [flag, version] if flag == "--gic" => version.parse().into_iter().collect(),
        _ => return Err(Failure::early("usage: interference [--gic 2|3]")),
    };
    let mut told = 0_u32;
    for gic in gics {
        let quiet = interference::play(&QUIET, gic)?;
        println!(
            "\nGICv{gic}: beside a neighbour that spins the canary has {} exits, for which EL2 executes {} instructions",
            quiet.exits.len(),
            quiet.instructions()
        );
        for neighbour in HOSTILE {
            let record = interference::play(neighbour, gic)?;
            let difference = record.difference(&quiet);
            told = told.saturating_add(u32::from(difference.is_some()));
            println!(
                "  {:<13} {:>5} exits {:>7} instructions {:>3} restarts  {}",
                neighbour.name,
                record.exits.len(),
                record.instructions(),
                record.restarts,
                difference.as_deref().unwrap_or("equal, bit for bit")
            );
        }
    }
    Ok(told)
}
