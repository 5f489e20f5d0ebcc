//! Holes, and accesses to emulated devices whose syndrome does not say what was to be done.

use crate::attempts::{Breach, Verdict};
use kit::probe::{self, Abort};
use kit::{Machine, gic, write_sysreg};

/// Where the board has nothing, and where it has RAM that is not the cell's.
const HOLES: [usize; 4] = [0x0a10_0000, 0x6000_0000, 0x1_0000_0000, 0x80_0000_0000];
const READ: u64 = 0x9600_0010;
const WRITE: u64 = 0x9600_0050;
const FETCH: u64 = 0x8600_0010;

fn expect(address: usize, esr: u64, far: usize, result: Result<u64, Abort>) -> Result<(), Breach> {
    match result {
        Err(abort) if abort.esr == esr && abort.far == far as u64 => Ok(()),
        Err(abort) => Err(Breach("access to", address as u64, abort.esr)),
        Ok(value) => Err(Breach("access to", address as u64, value)),
    }
}

/// Loads, stores and fetches, each with the syndrome and address hardware would give.
pub fn holes(_: &Machine) -> Result<Verdict, Breach> {
    let mut count = 0;
    for hole in HOLES {
        expect(hole, READ, hole, probe::read(hole).map(u64::from))?;
        expect(hole, WRITE, hole + 4, probe::write(hole + 4, 0xdead_beef).map(|()| 0))?;
        expect(hole, FETCH, hole + 8, probe::fetch(hole + 8).map(|()| 0))?;
        count += 3;
    }
    Ok(Verdict::Aborted(count, READ))
}

/// `[x1]` is the device; each is one whose syndrome is not valid. The second half writes.
const NO_SYNDROME: [(u32, bool); 10] = [
    (0xb840_4420, false), // ldr  w0, [x1], #4
    (0x2940_0820, false), // ldp  w0, w2, [x1]
    (0xbd40_0020, false), // ldr  s0, [x1]
    (0x3dc0_0020, false), // ldr  q0, [x1]
    (0x885f_7c20, false), // ldxr w0, [x1]
    (0xb800_4420, true),  // str  w0, [x1], #4
    (0x2900_0020, true),  // stp  w0, w0, [x1]
    (0xbd00_0020, true),  // str  s0, [x1]
    (0x3d80_0020, true),  // str  q0, [x1]
    (0x4c00_7020, true),  // st1  {v0.16b}, [x1]
];

/// Writeback, pairs, SIMD and exclusives on the emulated distributor and UART.
pub fn no_syndrome(machine: &Machine) -> Result<Verdict, Breach> {
    write_sysreg!("cpacr_el1", 0b11 << 20);
    let uart = machine.tree.nodes().find(|node| node.is("arm,pl011")).and_then(|node| node.reg(0));
    let uart = uart.map_or(0, |(base, _)| kit::cpu::address(base));
    let mut count = 0;
    // Priorities of interrupts the cell does not have; the UART's identification.
    for device in [gic::distributor() + 0x4e0, uart + 0xfe0] {
        for (instruction, write) in NO_SYNDROME {
            let result = probe::execute(instruction, 0, device as u64);
            // Hardware may split a pair, so where exactly is not judged.
            let far = result.err().map_or(0, |abort| kit::cpu::address(abort.far));
            expect(instruction as usize, if write { WRITE } else { READ }, far, result)?;
            count += 1;
        }
    }
    Ok(Verdict::Aborted(count, WRITE))
}
