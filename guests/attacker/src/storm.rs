//! Exits and interrupts as fast as they come, of each kind that a cell can make: calls, emulated registers, WFI that is
//! never to sleep, SGIs to itself, more of them than there are list registers, a timer whose deadline is always past, a
//! counter that always overflows.
//! `times=N` of each. However fast they come, what was raised arrives.

use crate::attempts::{Breach, Verdict};
use crate::tally::Tally;
use kit::sandbox::Exit;
use kit::{Machine, cpu, gic, probe, psci, timer};

const TIMES: u64 = 5000;
const PSCI_VERSION: u64 = 0x8400_0000;
/// SGIs sent at once.
const SGIS: u32 = 8;
/// In a set of interrupts, beside the SGIs, each with its own bit.
const TIMER: u32 = 1 << 31;
/// Looks until what was raised must have come.
const PATIENCE: u32 = 1 << 16;

/// `PMCR_EL0`, `PMCCFILTR_EL0`, `PMCNTENSET_EL0`, `PMINTENSET_EL1`, `PMCCNTR_EL0`.
const OVERFLOW: [([u32; 5], u64); 5] = [
    ([3, 3, 9, 12, 0], 1),
    ([3, 3, 14, 15, 7], 0),
    ([3, 3, 9, 12, 1], 1 << 31),
    ([3, 0, 9, 14, 1], 1 << 31),
    ([3, 3, 9, 13, 0], u64::MAX),
];

/// Each does something and says which interrupts that raises.
const KINDS: [fn() -> u32; 7] = [
    || {
        psci::call(PSCI_VERSION, 0, 0, 0);
        0
    },
    || {
        // SAFETY: a register of the emulated distributor, read only.
        let _ = unsafe { cpu::read32(gic::distributor() + 4) };
        0
    },
    || {
        gic::send_sgi(5, 1);
        1 << 5
    },
    || {
        timer::arm(0);
        TIMER
    },
    // Something is pending: it returns at once.
    || {
        timer::arm(0);
        cpu::wait();
        TIMER
    },
    // A cycle counter that overflows at once and asks for an interrupt: to nobody, since the cell has none.
    || {
        for (register, value) in OVERFLOW {
            let _ = probe::execute(probe::msr(register), value, 0);
        }
        0
    },
    || {
        (0..SGIS).for_each(|sgi| gic::send_sgi(sgi, 1));
        (1 << SGIS) - 1
    },
];

/// All kinds, one after the other, then all at once.
pub fn all(machine: &Machine) -> Result<Verdict, Breach> {
    gic::init();
    gic::enable(machine.timer_intid);
    (0..SGIS).for_each(gic::enable);
    let mut tally = Tally::default();
    for kinds in KINDS.chunks(1).chain([&KINDS[..]]) {
        for round in 0..machine.number("times").unwrap_or(TIMES) {
            let mut raised = 0;
            for kind in kinds {
                raised |= kind();
                tally.count(Exit::Through(0));
            }
            drain(machine.timer_intid, raised, &mut tally)
                .map_err(|lost| Breach("lost in round", round, lost.into()))?;
        }
    }
    timer::disarm();
    Ok(Verdict::Tally(tally))
}

/// Takes all that comes, and waits for what was raised; what did not come is an error.
fn drain(timer: u32, mut raised: u32, tally: &mut Tally) -> Result<(), u32> {
    let mut patience = PATIENCE;
    loop {
        match gic::acknowledge() {
            Some(token) => {
                let intid = token & 0x3ff;
                raised &= !if intid == timer {
                    // Not before: a deadline taken back is no interrupt any more.
                    timer::disarm();
                    TIMER
                } else {
                    1 << (intid & 31)
                };
                gic::end(token);
                tally.count(Exit::Interrupted);
            }
            None if raised == 0 => return Ok(()),
            None if patience == 0 => return Err(raised),
            None => patience -= 1,
        }
    }
}
