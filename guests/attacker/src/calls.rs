//! Calls: PSCI for others' CPUs, firmware's ranges by SMC, unknown ids by HVC (DEN 0022, DEN 0028).

use crate::attempts::{Breach, Verdict};
use crate::tally::Tally;
use kit::sandbox::{Exit, Random};
use kit::{Machine, cpu, probe, psci};

const CPU_ON: [u64; 2] = [0x8400_0003, 0xc400_0003];
const AFFINITY_INFO: u64 = 0xc400_0004;
const NOT_SUPPORTED: i32 = -1;
const INVALID_PARAMETERS: i32 = -2;
const INVALID_ADDRESS: i32 = -9;

/// The answer as 32 bits, where both kinds of call have it.
fn answer(x0: u64) -> i32 {
    cpu::low32(x0).cast_signed()
}

fn expect(what: &'static str, number: u64, wanted: i32, found: u64) -> Result<(), Breach> {
    if answer(found) == wanted { Ok(()) } else { Err(Breach(what, number, found)) }
}

/// CPU_ON and AFFINITY_INFO of CPUs that are not the cell's: the board's others, vCPUs beyond its own, with bit 31,
/// in other clusters, and random ones.
pub fn cpu_on(machine: &Machine) -> Result<Verdict, Breach> {
    let own = machine.cpus().len() as u64;
    let (mut count, mut random) = (0, 0x2545_f491_4f6c_dd1d_u64);
    let beyond = (own..260).chain([0xff, 0xffff, 0xff_ffff]);
    let far = (0..8).flat_map(|n| [n | 1 << 8, n | 1 << 16, n | 1 << 32, n | 0xff << 32]);
    let listed = beyond.chain(far).flat_map(|affinity| [affinity, affinity | 1 << 31]);
    let random = core::iter::repeat_with(|| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        // A vCPU of its own is none of this attempt.
        random | 1 << 16
    });
    for target in listed.chain(random.take(500)) {
        for (function, conduit) in
            [(CPU_ON[0], 0), (CPU_ON[1], 0), (CPU_ON[1], 1), (AFFINITY_INFO, 0), (AFFINITY_INFO, 1)]
        {
            // The 32-bit call sees the low half only: what is left may name its own.
            if function == CPU_ON[0] && target & 0xff_ffff < own {
                continue;
            }
            let entry = if function == AFFINITY_INFO { 0 } else { machine.memory.0 };
            let call = if conduit == 0 { psci::hvc_call } else { psci::smc_call };
            expect("call for cpu", target, INVALID_PARAMETERS, call(function, target, entry, 0))?;
            count += 1;
        }
    }
    for entry in [0, 0x0900_0000, u64::MAX, machine.memory.0 + machine.memory.1] {
        let found = psci::hvc_call(CPU_ON[1], own, entry, 0);
        let refused = matches!(answer(found), INVALID_PARAMETERS | INVALID_ADDRESS);
        if !refused {
            return Err(Breach("start at", entry, found));
        }
        count += 1;
    }
    Ok(Verdict::Refused(count))
}

/// Firmware's ranges by SMC, 32 and 64 bits: nothing answers but EL2.
pub fn smc(_: &Machine) -> Result<Verdict, Breach> {
    unanswered(psci::smc_call, "smc").map(Verdict::Refused)
}

/// The same by HVC.
pub fn hvc(_: &Machine) -> Result<Verdict, Breach> {
    unanswered(psci::hvc_call, "hvc").map(Verdict::Refused)
}

/// HVC and SMC with immediates that no convention knows: undefined, and told where.
pub fn immediates(_: &Machine) -> Result<Verdict, Breach> {
    let mut count = 0;
    for immediate in [1_u32, 2, 0x4a48, 0xea1, 0xffff] {
        for instruction in [0xd400_0002 | immediate << 5, 0xd400_0003 | immediate << 5] {
            match probe::execute(instruction, 0x8400_0000, 0) {
                Err(abort) if !abort.is_undefined() => return Err(Breach("call", instruction.into(), abort.esr)),
                Err(abort) if abort.elr != probe::code() as u64 => {
                    return Err(Breach("return address too far by", abort.elr - probe::code() as u64, abort.esr));
                }
                Err(_) => count += 1,
                Ok(x0) => return Err(Breach("call", instruction.into(), x0)),
            }
        }
    }
    Ok(Verdict::Undefined(count))
}

fn unanswered(call: fn(u64, u64, u64, u64) -> u64, what: &'static str) -> Result<u64, Breach> {
    let mut count = 0;
    // CPU, SiP, OEM, standard hypervisor, vendor's hypervisor and standard secure services; then trusted
    // applications and trusted OSes.
    let owners = (1..8).filter(|&owner| owner != 4).chain(48..64);
    let numbers = [0, 1, 2, 3, 0x10, 0xff, 0x100, 0xff01, 0xffff];
    let ranges = owners.flat_map(|owner| numbers.map(|number| owner << 24 | number));
    // PSCI's ids that are not offered: MIGRATE, MEM_PROTECT, the keys of 1.2 and 1.3, and what is not given out.
    let psci = [5, 0x13, 0x14, 0x15, 0x16, 0x1f].map(|number| 4 << 24 | number);
    for id in ranges.chain(psci) {
        // Fast and yielding, 32 and 64 bits; and with bits above 31, which do not count.
        for flags in [0x8000_0000, 0xc000_0000, 0, 0x4000_0000, 0xffff_ffff_8000_0000] {
            expect(what, id | flags, NOT_SUPPORTED, call(id | flags, 0x4000_0000, 0x1000, 0))?;
            count += 1;
        }
    }
    Ok(count)
}

/// CPU_ON and AFFINITY_INFO of every affinity of 16 bits, and of a seeded sample of all 64: none is another's.
pub fn cpu_ids(machine: &Machine) -> Result<Verdict, Breach> {
    let own = machine.cpus().len() as u64;
    let mut random = Random(machine.number("seed").unwrap_or(3));
    let mut tally = Tally::default();
    let sample = core::iter::repeat_with(|| random.draw() | 1 << 16).take(4096);
    for target in (own..1 << 16).chain(sample) {
        for (function, entry) in [(CPU_ON[1], machine.memory.0), (AFFINITY_INFO, 0)] {
            expect("call for cpu", target, INVALID_PARAMETERS, psci::hvc_call(function, target, entry, 0))?;
            tally.refused += 1;
        }
    }
    Ok(Verdict::Tally(tally))
}

/// Every owner of the function-id space, numbers of every kind, both widths, fast and yielding, both conduits, with
/// arguments that would hurt (DEN 0028 6, DEN 0022 5.1).
pub fn function_ids(machine: &Machine) -> Result<Verdict, Breach> {
    /// Standard calls that end, suspend or start what is the caller's own.
    const OWN: [u64; 9] = [1, 2, 3, 8, 9, 0xc, 0xe, 0x12, 0x14];
    let mut tally = Tally::default();
    let arguments = [0, u64::MAX, 0x4000_0000, 0x0900_0000, machine.memory.0, 1 << 31];
    for number in (0..64_u64).flat_map(|owner| (0..0x60).chain(0xff00..0xff08).map(move |n| owner << 24 | n)) {
        if number >> 24 == 4 && OWN.contains(&(number & 0xffff)) {
            continue;
        }
        for flags in [0x8000_0000, 0xc000_0000, 0, 0x4000_0000] {
            let id = number | flags;
            let argument = arguments.get((id % 6) as usize).copied().unwrap_or(0);
            for call in [psci::hvc_call, psci::smc_call] {
                let found = answer(call(id, argument, argument, argument));
                // Architecture and standard calls may be known; all others are not.
                if found != NOT_SUPPORTED && (!matches!(number >> 24, 0 | 4) || flags & 0x8000_0000 == 0) {
                    return Err(Breach("call", id, u64::from(found.cast_unsigned())));
                }
                tally.count(Exit::Through(0));
            }
        }
    }
    Ok(Verdict::Tally(tally))
}
