//! The physical interrupt controller: what EL2 does with it, whichever version the board has.
//!
//! Owns distributor, redistributors and each CPU's interface. Gives a cell's virtual GIC its [`vgic::Hardware`] (`lines`).

pub mod lines;
mod v3;

use crate::memory::map::{self, Use};
use address::{PhysAddr, Region};
use alloc::vec::Vec;
use board::Interrupt;
use spin::Once;
use tock_registers::interfaces::{Readable, Writeable};
pub use v3::{Gicr, acknowledge, deactivate, drop_priority, init_cpu, send};

/// SGI: look at your cell: virtual interrupts, requests to stop.
pub const KICK: u32 = 0;
/// SGI: console output waits for the service CPU.
pub const SERVICE: u32 = 1;
/// Ids from here on are no interrupts (IHI 0069 2.2.1).
pub const SPECIAL: u32 = 1020;
/// Priority of every physical interrupt: one level, since EL2 serves them to the end with interrupts masked.
const PRIORITY: u8 = 0xa0;

/// The board's GIC.
pub struct Gic {
    distributor: v3::Gicd,
    redistributors: Vec<Region<PhysAddr>>,
    /// Maintenance interrupt.
    pub maintenance: u32,
}

/// The bit of an interrupt in its word of 32.
#[inline]
const fn bit(intid: u32) -> u32 {
    1_u32.wrapping_shl(intid)
}

static GIC: Once<Gic> = Once::new();

/// Returns the GIC; nothing before [`init`].
pub fn get() -> Option<&'static Gic> {
    GIC.get()
}

/// Maps and quiets distributor and redistributors.
pub fn init(gic: &board::Gic) -> Result<(), &'static str> {
    let board::Gic::V3 { distributor, redistributors, maintenance, .. } = gic else {
        return Err("this board has a GICv2; this version of Cellwall drives GICv3 only");
    };
    for region in redistributors {
        map::map(*region, Use::Device).map_err(|_| "EL2's pool is too small to map the redistributors")?;
    }
    let distributor = v3::Gicd::new(*distributor).ok_or("the GIC distributor's region in the tree is too small")?;
    GIC.call_once(|| Gic { distributor, redistributors: redistributors.clone(), maintenance: *maintenance });
    Ok(())
}

impl Gic {
    /// Finds and wakes the redistributor of the CPU at `mpidr`, and enables EL2's own private lines.
    pub fn wake_cpu(&self, mpidr: u64) -> Option<Gicr> {
        let redistributor = Gicr::find(&self.redistributors, mpidr)?;
        redistributor.wake();
        for priority in &redistributor.private.IPRIORITYR {
            priority.set(PRIORITY);
        }
        redistributor.private.ISENABLER0.set(bit(KICK) | bit(SERVICE) | bit(self.maintenance));
        Some(redistributor)
    }

    /// Finds the redistributor of the CPU at `mpidr`.
    pub fn redistributor(&self, mpidr: u64) -> Option<Gicr> {
        Gicr::find(&self.redistributors, mpidr)
    }

    /// Lines the distributor has, SGIs and PPIs included.
    pub fn lines(&self) -> usize {
        self.distributor.words().wrapping_mul(32)
    }

    /// Sets trigger, priority and route of an SPI, leaving it disabled.
    pub fn configure(&self, interrupt: Interrupt, mpidr: u64) {
        let lines = self.distributor.lines;
        let id = interrupt.intid as usize;
        if let Some(configuration) = lines.ICFGR.get(id / 16) {
            let bit = bit(interrupt.intid.wrapping_mul(2) | 1);
            configuration.set(if interrupt.edge { configuration.get() | bit } else { configuration.get() & !bit });
        }
        if let Some(priority) = lines.IPRIORITYR.get(id) {
            priority.set(PRIORITY);
        }
        self.route(interrupt.intid, mpidr);
    }

    /// Routes an SPI to a CPU.
    pub fn route(&self, intid: u32, mpidr: u64) {
        if let Some(router) = self.distributor.lines.IROUTER.get(intid as usize) {
            router.set(mpidr & 0xff_00ff_ffff);
        }
    }

    /// Enables an SPI.
    pub fn enable(&self, intid: u32) {
        if let Some(word) = self.distributor.lines.ISENABLER.get(intid as usize / 32) {
            word.set(bit(intid));
        }
    }

    /// Disables an SPI and forgets that it was pending or active.
    pub fn quiet(&self, intid: u32) {
        let lines = self.distributor.lines;
        for registers in [&lines.ICENABLER, &lines.ICPENDR, &lines.ICACTIVER] {
            if let Some(word) = registers.get(intid as usize / 32) {
                word.set(bit(intid));
            }
            self.distributor.wait();
        }
    }
}
