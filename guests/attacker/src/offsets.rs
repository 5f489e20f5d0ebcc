//! Every offset of every emulated device, at every width, aligned or not: reads, then writes of ones, zeros and noise.
//! The attacker's own controller is a ruin afterwards, and only its own.

use crate::attempts::{Breach, Verdict};
use crate::tally::Tally;
use kit::sandbox::{Exit, Random};
use kit::{Machine, gic, probe};

/// `ldr(b,h,,) w0/x0, [x1]` and `str`, by width.
const LOADS: [u32; 4] = [0x3940_0020, 0x7940_0020, 0xb940_0020, 0xf940_0020];
const STORES: [u32; 4] = [0x3900_0020, 0x7900_0020, 0xb900_0020, 0xf900_0020];

/// The GIC's frames and the UART, as the cell's tree has them; `stride=N` tries each N-th offset.
pub fn every(machine: &Machine) -> Result<Verdict, Breach> {
    let stride = machine.number("stride").unwrap_or(1).max(1);
    let mut tally = Tally::default();
    let mut random = Random(machine.number("seed").unwrap_or(2));
    for node in machine.tree.nodes() {
        if !["arm,gic-v3", "arm,cortex-a15-gic", "arm,gic-400", "arm,pl011"].iter().any(|name| node.is(name)) {
            continue;
        }
        let uart = node.is("arm,pl011");
        for (base, size) in (0..2).filter_map(|index| node.reg(index)) {
            for offset in (0..size.min(0x4_0000)).step_by(kit::cpu::address(stride)) {
                for (load, store) in LOADS.into_iter().zip(STORES) {
                    let at = base + offset;
                    let mut attempt = |instruction, x0| {
                        let result = probe::execute(instruction, x0, at);
                        tally.count(result.map_or_else(
                            |abort| if abort.is_undefined() { Exit::Undefined } else { Exit::Exception(abort.esr) },
                            Exit::Through,
                        ));
                    };
                    attempt(load, 0);
                    // Nothing is typed into the console.
                    if !(uart && offset < 4) {
                        [u64::MAX, 0, random.draw()].into_iter().for_each(|value| attempt(store, value));
                    }
                }
            }
        }
    }
    gic::init();
    Ok(Verdict::Tally(tally))
}
