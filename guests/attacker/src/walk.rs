//! Page-table walks whose table lies where the cell has nothing (DDI 0487 D8.2).
//!
//! The lower half of the address space is mapped one to one by blocks of 1 GiB, the first one as device memory; the
//! upper half's table is wherever the attempt wants it.

use crate::attempts::{Breach, Verdict};
use crate::sweep;
use crate::tally::Tally;
use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use kit::probe::{self, Abort};
use kit::sandbox::Exit;
use kit::{Machine, gic, read_sysreg, write_sysreg};

#[repr(align(4096))]
struct Table([AtomicU64; 512]);

static LOWER: Table = Table([const { AtomicU64::new(0) }; 512]);
/// 4 GiB in each half, 4 KiB granules, walks not cached, 40 bits out.
const TCR: u64 = 32 | 32 << 16 | 0b10 << 30 | 0b010 << 32;
/// Attribute 0 is Device-nGnRnE, 1 Normal, not cached.
const MAIR: u64 = 0x44 << 8;
const BLOCK: u64 = 1 << 10 | 0b01;
const UPPER: usize = 0xffff_ffff_0000_0000;

/// Runs `access` with the upper half's table at `table`, then turns the MMU off again.
fn with<T>(table: usize, access: impl FnOnce() -> T) -> T {
    for (entry, number) in LOWER.0.iter().take(4).zip(0..) {
        entry.store(number << 30 | if number == 0 { BLOCK } else { BLOCK | 1 << 2 }, Relaxed);
    }
    write_sysreg!("mair_el1", MAIR);
    write_sysreg!("tcr_el1", TCR);
    write_sysreg!("ttbr0_el1", LOWER.0.as_ptr().expose_provenance() as u64);
    write_sysreg!("ttbr1_el1", table as u64);
    let sctlr = read_sysreg!("sctlr_el1");
    // SAFETY: maintenance of the cell's own translations.
    unsafe { asm!("dsb sy", "tlbi vmalle1", "dsb sy", "isb", options(nostack)) };
    write_sysreg!("sctlr_el1", sctlr | 1);
    let result = access();
    write_sysreg!("sctlr_el1", sctlr);
    result
}

/// Loads through a table that lies there.
pub fn through(table: usize) -> Result<(), Abort> {
    with(table, || probe::read(UPPER)).map(|_| ())
}

/// `at s1e1r, x0`.
const AT: u32 = probe::msr([1, 0, 7, 8, 0]);

/// Loads, stores, fetches and translations (AT) through tables in all pages that the sweep goes to, and in the emulated
/// devices: none leads anywhere.
pub fn from_pages(machine: &Machine) -> Result<Verdict, Breach> {
    let mut tally = Tally::default();
    let mut walks = |page: u64| {
        let table = kit::cpu::address(page);
        let results = with(table, || {
            let translated = probe::execute(AT, UPPER as u64, 0).and_then(|_| match read_sysreg!("par_el1") & 1 {
                0 => Ok(()),
                _ => Err(Abort { esr: 0, far: 0, elr: 0 }),
            });
            [probe::read(UPPER).map(|_| ()), probe::write(UPPER, 0), probe::fetch(UPPER), translated]
        });
        for result in results {
            match result {
                Err(abort) => tally.count(Exit::Exception(abort.esr)),
                Ok(()) => return Err(Breach("walk into", page, 0)),
            }
        }
        Ok(())
    };
    sweep::each(machine, &mut walks)?;
    for device in [gic::distributor(), gic::redistributors(), machine.uart.unwrap_or_default()] {
        walks(device as u64)?;
    }
    // Every 256 KiB where the board has its devices: the victim's, EL2's, nobody's.
    for page in (0x0800_0000..0x0b00_0000).step_by(0x4_0000) {
        walks(page)?;
    }
    Ok(Verdict::Tally(tally))
}

/// Loads, stores, fetches and translations (AT) through tables in holes, loads through one in an emulated device:
/// external aborts on a walk, at its first level, which is 1 here.
pub fn into_holes(_: &Machine) -> Result<Verdict, Breach> {
    let (mut count, mut esr) = (0, 0);
    let mut judge = |table: usize, result: Result<(), Abort>| {
        match result {
            Err(abort) if abort.is_external_on_walk() && abort.esr & 3 == 1 => esr = abort.esr,
            Err(abort) => return Err(Breach("walk into", table as u64, abort.esr)),
            Ok(()) => return Err(Breach("walk into", table as u64, 0)),
        }
        count += 1;
        Ok(())
    };
    for table in [0x0a10_0000, 0x6000_0000] {
        let results = with(table, || {
            let translated = probe::execute(AT, UPPER as u64, 0).map(|_| ());
            [probe::read(UPPER).map(|_| ()), probe::write(UPPER, 0), probe::fetch(UPPER), translated]
        });
        results.into_iter().try_for_each(|result| judge(table, result))?;
    }
    judge(gic::distributor(), through(gic::distributor()))?;
    Ok(Verdict::Aborted(count, esr))
}
