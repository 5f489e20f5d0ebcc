//! Writes to the distributor's banks for interrupts that are not the cell's: what came of it only the victim can tell
//! (IHI 0048B 4.3, IHI 0069H 12.8).

use crate::attempts::{Breach, Verdict, besiege};
use kit::cpu::write32;
use kit::{Machine, gic};

const CTLR: usize = 0x000;
const IGROUPR: usize = 0x080;
const ISENABLER: usize = 0x100;
const ICENABLER: usize = 0x180;
const ISPENDR: usize = 0x200;
const ICPENDR: usize = 0x280;
const ISACTIVER: usize = 0x300;
const ICACTIVER: usize = 0x380;
const IPRIORITYR: usize = 0x400;
const ITARGETSR: usize = 0x800;
const ICFGR: usize = 0xc00;
const NSACR: usize = 0xe00;
const CPENDSGIR: usize = 0xf10;
const SPENDSGIR: usize = 0xf20;
const SETSPI_NSR: usize = 0x040;
const IROUTER: usize = 0x6000;
/// The board's clock: in the scenes the victim's.
const VICTIMS: u32 = 34;
/// In each of their banks.
const SPIS: core::ops::Range<usize> = 32..288;

fn set(at: usize, value: u32) {
    // SAFETY: a register of the cell's own emulated controller; what it may do to others is what is to be seen.
    unsafe { write32(at, value) }
}

/// Stores a byte.
fn set8(at: usize, value: u32) {
    // SAFETY: as in `set`.
    unsafe { core::arch::asm!("strb {:w}, [{}]", in(reg) value, in(reg) at, options(nostack)) };
}

/// Every bank, every shared interrupt, up and down, in words and bytes.
pub fn shared(_: &Machine) -> Result<Verdict, Breach> {
    let distributor = gic::distributor();
    let count = besiege(|| {
        set(distributor + CTLR, 0);
        for word in SPIS.step_by(32).map(|id| id / 32) {
            for bank in [ICENABLER, ICPENDR, ICACTIVER, ISPENDR, ISACTIVER, IGROUPR, ISENABLER] {
                set(distributor + bank + 4 * word, u32::MAX);
            }
            // Ends as it would do most harm: the victim's masked, inactive, in the other group.
            for bank in [ICENABLER, ICPENDR, ICACTIVER] {
                set(distributor + bank + 4 * word, u32::MAX);
            }
            set(distributor + IGROUPR + 4 * word, 0);
        }
        for id in SPIS.step_by(4) {
            set(distributor + IPRIORITYR + id, u32::MAX);
            set(distributor + ITARGETSR + id, u32::MAX);
            set8(distributor + IPRIORITYR + id + 2, 0);
            set8(distributor + ITARGETSR + id + 2, 0);
        }
        for id in SPIS.step_by(16) {
            set(distributor + ICFGR + id / 4, 0xaaaa_aaaa);
            set(distributor + NSACR + id / 4, u32::MAX);
        }
        if gic::is_v2() {
            (CPENDSGIR..SPENDSGIR + 16).step_by(4).for_each(|at| set(distributor + at, u32::MAX));
        } else {
            (SETSPI_NSR..SETSPI_NSR + 0x20).step_by(4).for_each(|at| set(distributor + at, VICTIMS));
            for id in SPIS {
                set(distributor + IROUTER + 8 * id, 0);
                set(distributor + IROUTER + 8 * id + 4, 0);
                set(distributor + IROUTER + 8 * id, 1 << 31);
            }
        }
        set(distributor + CTLR, u32::MAX);
        Ok(())
    })?;
    Ok(Verdict::NoEffect(count))
}

/// The banks of SGIs and PPIs: EL2's own and those of other CPUs are not among them.
pub fn private(_: &Machine) -> Result<Verdict, Breach> {
    let frame = if gic::is_v2() { gic::distributor() } else { gic::redistributors() + 0x1_0000 };
    let count = besiege(|| {
        for bank in [IGROUPR, ISPENDR, ISACTIVER, ISENABLER, ICENABLER, ICPENDR, ICACTIVER] {
            set(frame + bank, u32::MAX);
        }
        (0..32).step_by(4).for_each(|id| set(frame + IPRIORITYR + id, 0));
        set(frame + ICFGR, u32::MAX);
        set(frame + ICFGR + 4, u32::MAX);
        if !gic::is_v2() {
            // GICR_CTLR, WAKER, SETLPIR, CLRLPIR, PROPBASER, PENDBASER, INVLPIR, INVALLR, SYNCR.
            for at in [0x00, 0x14, 0x40, 0x48, 0x70, 0x78, 0xa0, 0xb0, 0xc0] {
                set(gic::redistributors() + at, u32::MAX);
            }
            set(gic::redistributors() + 0x14, 0);
        }
        Ok(())
    })?;
    Ok(Verdict::NoEffect(count))
}
