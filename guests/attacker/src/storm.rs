//! Exits and interrupts as fast as they come, of each kind that a cell can make: calls, emulated registers, WFI that is
//! never to sleep, SGIs to itself, a timer whose deadline is always past. `times=N` of each.

use crate::attempts::{Breach, Verdict};
use crate::tally::Tally;
use kit::sandbox::Exit;
use kit::{Machine, cpu, gic, psci, timer};

const TIMES: u64 = 5000;
const PSCI_VERSION: u64 = 0x8400_0000;
const SGI: u32 = 5;

/// All kinds, one after the other, then all at once.
pub fn all(machine: &Machine) -> Result<Verdict, Breach> {
    gic::init();
    gic::enable(machine.timer_intid);
    gic::enable(SGI);
    let kinds: [fn(); 5] = [
        || {
            psci::call(PSCI_VERSION, 0, 0, 0);
        },
        // SAFETY: a register of the emulated distributor, read only.
        || unsafe {
            let _ = cpu::read32(gic::distributor() + 4);
        },
        || gic::send_sgi(SGI, 1),
        || timer::arm(0),
        // Something is pending: it returns at once.
        || {
            timer::arm(0);
            cpu::wait();
        },
    ];
    let mut tally = Tally::default();
    let mut repeat = |kinds: &[fn()]| {
        for _ in 0..machine.number("times").unwrap_or(TIMES) {
            for kind in kinds {
                kind();
                tally.count(Exit::Through(0));
            }
            while let Some(token) = gic::acknowledge() {
                timer::disarm();
                gic::end(token);
                tally.count(Exit::Interrupted);
            }
        }
    };
    kinds.chunks(1).for_each(&mut repeat);
    repeat(&kinds);
    timer::disarm();
    Ok(Verdict::Tally(tally))
}
