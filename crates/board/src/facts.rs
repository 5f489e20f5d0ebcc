//! What of a board plans rely on, summed up: so that a plan can tell that it is on another board.
//!
//! Owns the sums, which find accidents and not intent: whatever they say, the plan is proved anew against the live board.

use crate::{Board, Gic, Start};
use address::{Address, PhysAddr, Region};

/// What is summed up, one by one.
pub const FACTS: [&str; 5] = ["CPUs", "RAM", "reservations", "GIC and timers", "devices"];

impl Board<'_> {
    /// Sums up each of [`FACTS`].
    #[must_use]
    pub fn facts(&self) -> [u64; FACTS.len()] {
        let cpus = self.cpus.iter().fold(0, |sum, cpu| {
            let start = match cpu.start {
                Start::Psci => 1,
                Start::SpinTable(word) => word.get(),
                Start::Unknown => 2,
            };
            mix(mix(mix(sum, cpu.mpidr), start), cpu.disabled.into())
        });
        let gic = match &self.gic {
            Gic::V2 { distributor, cpu, hypervisor, virtual_cpu, .. } => {
                regions(2, &[*distributor, *cpu, *hypervisor, *virtual_cpu])
            }
            Gic::V3 { distributor, redistributors, .. } => regions(regions(3, &[*distributor]), redistributors),
        };
        let timers = mix(mix(gic, self.timers.physical.into()), self.timers.virtual_.into());
        let devices = self.devices.iter().fold(0, |sum, device| {
            let lines = device.interrupts.iter().fold(sum, |sum, line| mix(sum, line.intid.into()));
            mix(regions(regions(lines, &device.regions), &device.windows), device.disabled.into())
        });
        [
            cpus,
            regions(0, &self.ram),
            self.reserved.iter().fold(0, |sum, reserved| regions(sum, &[reserved.region])),
            self.timers.monitors.map_or(timers, |(_, intid)| mix(timers, intid.into())),
            devices,
        ]
    }
}

fn regions(sum: u64, these: &[Region<PhysAddr>]) -> u64 {
    these.iter().fold(sum, |sum, region| mix(mix(sum, region.base().get()), region.size()))
}

/// Every bit of `value` reaches the sum, and so does its place.
fn mix(sum: u64, value: u64) -> u64 {
    (sum.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
