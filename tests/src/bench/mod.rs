//! What an exit costs: `guests/bench` runs alone on the board's EL1 and as a cell, and the two are laid side by side.
//!
//! [`run`] boots it and reads what it counted; [`costs`] holds goals, limits and the peers' figures (`tests/costs.toml`);
//! [`trace`] follows a run instruction by instruction through EL2; [`table`] and [`plot`] show it all.

pub mod costs;
pub mod linux;
pub mod plot;
pub mod run;
pub mod table;
pub mod trace;

use serde::Serialize;
use std::collections::BTreeMap;

/// How the guest runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// At EL1 without EL2.
    Bare,
    /// A cell with a virtual GIC.
    Virtual,
    /// A cell with the board's GIC.
    Passthrough,
}

impl Mode {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Virtual => "virtual",
            Self::Passthrough => "passthrough",
        }
    }
}

/// The cheapest and the dearest of an event's runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// The cheapest.
    pub min: u64,
    /// The dearest.
    pub max: u64,
}

/// What EL2 did for one event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct InEl2 {
    /// Exits.
    pub entries: u64,
    /// Instructions, on all CPUs.
    pub instructions: u64,
    /// Accesses to system registers of the GIC.
    pub gic_registers: u64,
}

/// One run of the guest.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// How.
    pub mode: Mode,
    /// GIC version.
    pub gic: u32,
    /// CPUs of the guest.
    pub cpus: u32,
    /// By event, in the guest's order.
    pub order: Vec<String>,
    /// What each cost.
    pub costs: BTreeMap<String, Cost>,
    /// What EL2 did for each, where it was traced.
    pub in_el2: BTreeMap<String, InEl2>,
}

impl Run {
    /// Adds what was counted by other means, once.
    pub fn add(&mut self, event: &str, cost: u64) {
        self.order.push(event.to_owned());
        self.costs.insert(event.to_owned(), Cost { min: cost, max: cost });
    }

    /// The cheapest run of an event.
    #[must_use]
    pub fn min(&self, event: &str) -> Option<u64> {
        self.costs.get(event).map(|cost| cost.min)
    }
}
