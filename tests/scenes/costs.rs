//! What exits cost, against the limits of `tests/costs.toml`: as `./x bench --check`.

use crate::DRIVEN;
use libtest_mimic::Trial;
use scenes::bench::costs::Costs;
use scenes::bench::{Mode, run};
use scenes::stage::root;

pub fn trials() -> Vec<Trial> {
    let modes = [Mode::Virtual, Mode::Passthrough];
    modes.into_iter().flat_map(|mode| DRIVEN.iter().map(move |&gic| trial(mode, gic))).collect()
}

fn trial(mode: Mode, gic: u32) -> Trial {
    Trial::test(format!("exits_cost_no_more_than_their_limits_{}_gicv{gic}", mode.name()), move || {
        let costs = Costs::read(&root().join("tests/costs.toml"))?;
        let run = run::run(mode, gic, 2, costs.cpu()).map_err(|failure| failure.to_string())?;
        let grown = costs.excesses(&run);
        if grown.is_empty() { Ok(()) } else { Err(grown.join("\n").into()) }
    })
}
