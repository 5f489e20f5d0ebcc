//! Every page: what is not the cell's gives an abort, whatever kind of access asks. `from=`, `to=`, `step=` say which;
//! without them the edges of everything the board may have, powers of two, and a seeded sample up to the IPA limit
//! and beyond.

use crate::attempts::{Breach, Verdict};
use crate::tally::Tally;
use kit::Machine;
use kit::sandbox::{Exit, Random, Sandbox};

/// `[x1]` is the address, and what does not touch it may come through.
const KINDS: [(u32, bool); 20] = [
    (0xb940_0020, true),  // ldr   w0, [x1]
    (0xb900_0020, true),  // str   w0, [x1]
    (0xd61f_0020, true),  // br    x1
    (0x3940_0020, true),  // ldrb  w0, [x1]
    (0x3900_0020, true),  // strb  w0, [x1]
    (0xf840_8420, true),  // ldr   x0, [x1], #8
    (0xf800_8c20, true),  // str   x0, [x1, #8]!
    (0xa940_0820, true),  // ldp   x0, x2, [x1]
    (0xa900_0820, true),  // stp   x0, x2, [x1]
    (0x3dc0_0020, true),  // ldr   q0, [x1]
    (0x3d80_0020, true),  // str   q0, [x1]
    (0x4c40_7020, true),  // ld1   {v0.16b}, [x1]
    (0x885f_7c20, true),  // ldxr  w0, [x1]
    (0xc8df_fc20, true),  // ldar  x0, [x1]
    (0xc89f_fc20, true),  // stlr  x0, [x1]
    (0xf820_0022, true),  // ldadd x0, x2, [x1]
    (0xc8a0_7c22, true),  // cas   x0, x2, [x1]
    (0xd50b_7421, true),  // dc    zva, x1
    (0xd50b_7e21, false), // dc    civac, x1
    (0xd508_7801, false), // at    s1e1r, x1
];

/// The cell's own: its memory and what its tree has registers for.
fn is_own(machine: &Machine, page: u64) -> bool {
    machine.tree.nodes().any(|node| {
        (0..4).any(|index| {
            node.reg(index).is_some_and(|(base, size)| page.wrapping_sub(base & !0xfff) < size.max(0x1000))
        })
    })
}

/// All kinds on all pages.
pub fn pages(machine: &Machine) -> Result<Verdict, Breach> {
    let sandbox = Sandbox::new(machine);
    let mut tally = Tally::default();
    each(machine, |page| {
        for (instruction, touches) in KINDS {
            let mut registers = [sandbox.scratch; 31];
            registers[1] = page;
            let exit = sandbox.run(instruction, &registers, false);
            tally.count(exit);
            if let (true, Exit::Through(value)) = (touches, exit) {
                return Err(Breach("access to", page, value));
            }
        }
        // The last bytes of the page and the first of the next, by one load.
        let mut registers = [sandbox.scratch; 31];
        registers[1] = page.wrapping_add(0xffc);
        let exit = sandbox.run(0xf940_0020, &registers, false);
        tally.count(exit);
        if let Exit::Through(value) = exit {
            return Err(Breach("access across the end of", page, value));
        }
        Ok(())
    })?;
    Ok(Verdict::Tally(tally))
}

/// The pages that the boot arguments ask for, but the cell's own.
pub fn each(machine: &Machine, mut page: impl FnMut(u64) -> Result<(), Breach>) -> Result<(), Breach> {
    let mut page = |at: u64| if is_own(machine, at & !0xfff) { Ok(()) } else { page(at & !0xfff) };
    if let (Some(from), Some(to)) = (machine.number("from"), machine.number("to")) {
        let step = machine.number("step").unwrap_or(0x1000).max(0x1000);
        let mut at = from;
        while at < to {
            page(at)?;
            at += step;
        }
        return Ok(());
    }
    for bit in 12..64 {
        for at in [1_u64 << bit, (1_u64 << bit).wrapping_sub(0x1000), (1_u64 << bit) + 0x1000] {
            page(at)?;
        }
    }
    let (base, size) = machine.memory;
    for at in [base.wrapping_sub(0x1000), base + size, base + size + 0x1000] {
        page(at)?;
    }
    let mut random = Random(machine.number("seed").unwrap_or(1));
    for bits in 28..48 {
        for _ in 0..machine.number("sample").unwrap_or(16) {
            page(random.draw() >> (64 - bits))?;
        }
    }
    Ok(())
}
