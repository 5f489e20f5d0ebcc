//! Caches and bulk memory: clean, invalidate, zero and copy.
//!
//! Implements `stage2::Maintenance` (invariant 11). Addresses are EL2 mappings; line size from `CTR_EL0` (DDI 0487 D7.5).

use crate::memory::layout;
use aarch64_cpu::asm::barrier::{ISH, ISHST, SY, dsb, isb};
use address::{Address, PAGE_BYTES, PhysAddr, Region, VirtAddr};
use core::arch::{asm, global_asm};
use stage2::{Maintenance, Regime};

global_asm!(include_str!("bulk.S"), options(raw));

unsafe extern "C" {
    fn bulk_zero(address: u64, bytes: u64);
    fn bulk_clean(address: u64, end: u64);
}

/// Zeroes a page of EL2's pool.
pub fn zero_page(page: VirtAddr) {
    // SAFETY: the pool just handed this page out, mapped writable and to nobody else.
    unsafe { bulk_zero(page.get(), PAGE_BYTES) }
}

/// Zeroes guest RAM.
///
/// # Safety
/// The caller has mapped `region`, of a sealed plan, writable, and its cell does not run.
pub unsafe fn scrub(region: Region<PhysAddr>) {
    // SAFETY: the caller's word: mapped, whole pages, nobody's but ours.
    unsafe { bulk_zero(region.base().get(), region.size()) }
}

/// Copies `bytes`, which lie outside all guest RAM, to `at`.
///
/// # Safety
/// As of [`scrub`], for as many bytes.
pub unsafe fn copy(at: PhysAddr, bytes: &[u8]) {
    // SAFETY: the caller's word: mapped, nobody's but ours.
    unsafe { layout::pointer::<u8>(at.get()).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
}

/// This CPU's barriers, TLB and cache maintenance, in the order `stage2` asks for.
#[derive(Clone, Copy, Debug)]
pub struct Hardware;

impl Maintenance for Hardware {
    fn clean_to_poc(&mut self, region: Region<PhysAddr>) {
        // SAFETY: the caller has the region mapped at EL2; cleaning changes no value.
        unsafe { bulk_clean(region.base().get(), region.end().get()) }
    }

    fn invalidate_icache(&mut self) {
        // SAFETY: instructions are fetched anew, nothing else changes.
        unsafe { asm!("ic ialluis", options(nostack)) }
    }

    /// Twice: after the first, a Cortex-A76 may still use a translation once more (errata 1286807, 4193800).
    fn tlbi(&mut self, regime: Regime) {
        match regime {
            // SAFETY: invalidation can only make walkers read the tables again. `VTTBR_EL2` holds the cell's VMID: on
            // the cell's own CPUs always, on the one that zaps it over an empty table.
            Regime::Cell => unsafe { asm!("tlbi vmalls12e1is; dsb ish; tlbi vmalls12e1is", options(nostack)) },
            // SAFETY: as above.
            Regime::El2 => unsafe { asm!("tlbi alle2is; dsb ish; tlbi alle2is", options(nostack)) },
        }
    }

    fn dsb_ishst(&mut self) {
        dsb(ISHST);
    }

    fn dsb_ish(&mut self) {
        dsb(ISH);
    }

    fn dsb_sy(&mut self) {
        dsb(SY);
    }

    fn isb(&mut self) {
        isb(SY);
    }
}
