//! Every system-register encoding (DDI 0487 C5.1, D24): read, and written with ones, zeros and what was read.

use crate::attempts::{Breach, Verdict};
use crate::tally::Tally;
use kit::Machine;
use kit::probe::{mrs, msr};
use kit::sandbox::{Exit, Sandbox};

/// What the attacker itself stands on, op1, CRn, CRm, op2 of op0 3: gets back only what it held.
const FOOTING: [[u32; 4]; 6] = [
    [0, 1, 0, 0],   // SCTLR_EL1
    [0, 1, 0, 3],   // SCTLR2_EL1
    [0, 12, 0, 0],  // VBAR_EL1
    [0, 4, 2, 0],   // SPSel
    [0, 12, 12, 5], // ICC_SRE_EL1
    [3, 4, 2, 1],   // DAIF
];

/// All of op0 1 (instructions), 2 (debug, trace) and 3.
pub fn every(machine: &Machine) -> Result<Verdict, Breach> {
    let sandbox = Sandbox::new(machine);
    let mut tally = Tally::default();
    for number in 1 << 14..1 << 16_u32 {
        let [op0, op1, crn, crm, op2] =
            [number >> 14, number >> 11 & 7, number >> 7 & 15, number >> 3 & 15, number & 7];
        let encoding = [op0, op1, crn, crm, op2];
        let mut attempt = |instruction, x0| {
            let exit = sandbox.one(instruction, x0);
            tally.count(exit);
            // EL2's, EL2's names for EL1's, EL3's.
            match exit {
                Exit::Through(value) if op0 != 2 && matches!(op1, 4..=6) => {
                    Err(Breach("instruction", instruction.into(), value))
                }
                _ => Ok(exit),
            }
        };
        let held = attempt(mrs(encoding), sandbox.scratch)?;
        if op0 == 3 && FOOTING.contains(&[op1, crn, crm, op2]) {
            if let Exit::Through(value) = held {
                attempt(msr(encoding), value)?;
            }
            continue;
        }
        // An instruction takes an address: its own, and none.
        let values = if op0 == 1 { [sandbox.scratch, u64::MAX] } else { [u64::MAX, 0] };
        for value in values {
            attempt(msr(encoding), value)?;
        }
        if let (2.., Exit::Through(value)) = (op0, held) {
            attempt(msr(encoding), value)?;
        }
    }
    // Hints, barriers, flags of PSTATE by immediate; SPSel would take the attacker's stack away.
    for number in 0..1 << 11_u32 {
        let [op1, crn, crm, op2] = [number >> 9 & 3, 2 + (number >> 7 & 3), number >> 3 & 15, number & 7];
        if [op1, crn, op2] != [0, 4, 5] {
            tally.count(sandbox.one(msr([0, op1, crn, crm, op2]) | 31, 0));
        }
    }
    Ok(Verdict::Tally(tally))
}
