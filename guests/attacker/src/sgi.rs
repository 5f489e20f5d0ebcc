//! Software interrupts to everyone there could be (IHI 0048B 4.3.15, IHI 0069H 12.2.18).

use crate::attempts::{Breach, Verdict, besiege};
use crate::tally::Tally;
use kit::sandbox::Random;
use kit::{Machine, gic, write_sysreg};

/// Every filter and target list (GICv2); every kind, many affinities, all lists and the broadcast (GICv3).
pub fn everywhere(_: &Machine) -> Result<Verdict, Breach> {
    let count = besiege(|| {
        for intid in 0..16 {
            if gic::is_v2() {
                by_distributor(intid);
            } else {
                by_register(u64::from(intid));
            }
        }
        Ok(())
    })?;
    Ok(Verdict::NoEffect(count))
}

fn by_distributor(intid: u32) {
    for filter in 0..4 {
        for targets in [0x01, 0x02, 0x04, 0x80, 0xfe, 0xff] {
            for group in 0..2 {
                // SAFETY: GICD_SGIR of the cell's own controller.
                unsafe {
                    kit::cpu::write32(gic::distributor() + 0xf00, filter << 24 | targets << 16 | group << 15 | intid)
                };
            }
        }
    }
}

fn by_register(intid: u64) {
    let affinities = [0, 1 << 16, 0xff << 16, 1 << 32, 0xff << 32, 1 << 48, 0xff << 48];
    for place in affinities.into_iter().chain([1 << 44, 0xf << 44, 1 << 40]) {
        for list in [0x0001, 0x0002, 0xfffe, 0xffff] {
            let value = place | intid << 24 | list;
            write_sysreg!("S3_0_C12_C11_5", value); // ICC_SGI1R_EL1
            write_sysreg!("S3_0_C12_C11_6", value); // ICC_ASGI1R_EL1
            write_sysreg!("S3_0_C12_C11_7", value); // ICC_SGI0R_EL1
        }
    }
}

/// Every filter, target list, group and number (GICv2: all of GICD_SGIR), a seeded sample of all 64 bits (GICv3).
pub fn targets(machine: &Machine) -> Result<Verdict, Breach> {
    let mut random = Random(machine.number("seed").unwrap_or(4));
    let mut tally = Tally::default();
    for number in 0..1 << 15_u32 {
        if gic::is_v2() {
            let value = (number >> 13) << 24 | (number >> 5 & 0xff) << 16 | (number >> 4 & 1) << 15 | number & 15;
            // SAFETY: GICD_SGIR of the cell's own controller.
            unsafe { kit::cpu::write32(gic::distributor() + 0xf00, value) };
        } else {
            write_sysreg!("S3_0_C12_C11_5", random.draw()); // ICC_SGI1R_EL1
        }
        tally.through += 1;
    }
    Ok(Verdict::Tally(tally))
}
