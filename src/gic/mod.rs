//! The physical interrupt controller: what EL2 does with it, whichever version the board has.
//!
//! Owns distributor, redistributors and each CPU's interface. Gives a cell's virtual GIC its [`vgic::Hardware`] (`lines`).

mod again;
mod banks;
mod direct;
pub mod lines;
mod v2;
mod v3;
mod virtual_interface;

pub use again::{Again, FRAMES};
pub use direct::common_register;

use alloc::vec::Vec;
use banks::{Banks, bit};
use board::Interrupt;
use core::sync::atomic::{AtomicU64, Ordering};
use spin::Once;
use v2::V2;
use v3::{Gicd, Gicr};
use vgic::field;

/// SGI: look at your cell: virtual interrupts, requests to stop. Those below the next stand for guests' own. The only one that a cell with passed-through interrupts
/// may not use.
pub const KICK: u32 = 15;
/// SGI: console output waits for the service CPU, which is no such cell's.
pub const SERVICE: u32 = 14;
/// Ids from here on are no interrupts (IHI 0069 2.2.1).
pub const SPECIAL: u32 = 1020;

/// The board's GIC.
pub struct Gic {
    driver: Driver,
    /// Maintenance interrupt.
    pub maintenance: u32,
    cpus: Vec<Cpu>,
}

enum Driver {
    V2(V2),
    V3(Gicd),
}

/// What the GIC knows of a CPU.
struct Cpu {
    mpidr: u64,
    /// How SGIs and, on `GICv2`, SPIs name it; 0 until known.
    target: AtomicU64,
    redistributor: Option<Gicr>,
}

static GIC: Once<Gic> = Once::new();

/// Returns the GIC; nothing before [`init`].
#[inline]
pub fn get() -> Option<&'static Gic> {
    GIC.get()
}

/// Maps the GIC and makes all its lines quiet.
pub fn init(board: &board::Board) -> Result<&'static Gic, &'static str> {
    const SMALL: &str = "a region of the GIC is too small in the device tree, or EL2's pool too small to map it";
    let cpu = |cpu: &board::Cpu| Cpu { mpidr: cpu.mpidr, target: AtomicU64::new(0), redistributor: None };
    let mut cpus: Vec<Cpu> = board.cpus.iter().map(cpu).collect();
    let (driver, maintenance) = match &board.gic {
        board::Gic::V2 { distributor, cpu, hypervisor, maintenance, .. } => {
            (Driver::V2(V2::new(*distributor, *cpu, *hypervisor).ok_or(SMALL)?), *maintenance)
        }
        board::Gic::V3 { distributor, redistributors, maintenance, .. } => {
            for &region in redistributors {
                Gicr::discover(region, |affinity, redistributor| {
                    if let Some(cpu) = cpus.iter_mut().find(|cpu| affinity_of(cpu.mpidr) == affinity) {
                        cpu.redistributor = Some(redistributor);
                    }
                });
            }
            for cpu in &cpus {
                cpu.target.store(v3::target(cpu.mpidr), Ordering::Relaxed);
            }
            (Driver::V3(Gicd::new(*distributor).ok_or(SMALL)?), *maintenance)
        }
    };
    Ok(GIC.call_once(|| Gic { driver, maintenance, cpus }))
}

/// The affinity of an MPIDR as `GICR_TYPER` packs it.
const fn affinity_of(mpidr: u64) -> u64 {
    (mpidr & 0xff_ffff) | ((mpidr >> 8) & 0xff00_0000)
}

/// Acknowledges the most urgent pending interrupt; from [`SPECIAL`] on there is none. `GICv2` adds an SGI's sender.
#[derive(Clone, Copy)]
pub struct Acknowledged(pub u32);

impl Acknowledged {
    /// Its INTID.
    #[inline]
    pub fn intid(self) -> u32 {
        // A GICv2's sender stands above ten bits; a GICv3 board has no more lines than those name.
        self.0 & 0x3ff
    }
}

impl Gic {
    /// Tells whether CPU `cpu` can take interrupts.
    pub fn knows(&self, cpu: usize) -> bool {
        self.cpus.get(cpu).is_some_and(|cpu| matches!(self.driver, Driver::V2(_)) || cpu.redistributor.is_some())
    }

    /// Sets up the calling CPU, which is `cpu`: private lines quiet but EL2's own, interface on. `direct`: its vCPU's
    /// interrupts are passed through.
    pub fn init_cpu(&self, cpu: usize, direct: bool) {
        let Some(state) = self.cpus.get(cpu) else { return };
        match &self.driver {
            Driver::V2(gic) => state.target.store(gic.init_cpu().into(), Ordering::Release),
            Driver::V3(_) => {
                if let Some(redistributor) = state.redistributor {
                    redistributor.wake();
                }
                v3::init_cpu();
            }
        }
        if direct {
            self.take_interface(cpu);
            return self.enable(cpu, KICK);
        }
        for own in (0..16).chain([self.maintenance]) {
            self.enable(cpu, own);
        }
    }

    /// Acknowledges an interrupt of the calling CPU.
    #[inline]
    pub fn acknowledge(&self) -> Acknowledged {
        Acknowledged(match &self.driver {
            Driver::V3(_) => v3::acknowledge(),
            Driver::V2(gic) => gic.acknowledge(),
        })
    }

    /// Drops the running priority back; the interrupt stays active.
    #[inline]
    pub fn drop_priority(&self, interrupt: Acknowledged) {
        match &self.driver {
            Driver::V3(_) => v3::drop_priority(interrupt.0),
            Driver::V2(gic) => gic.drop_priority(interrupt.0),
        }
    }

    /// Deactivates an interrupt.
    #[inline]
    pub fn deactivate(&self, interrupt: Acknowledged) {
        match &self.driver {
            Driver::V3(_) => v3::deactivate(interrupt.0),
            Driver::V2(gic) => gic.deactivate(interrupt.0),
        }
    }

    /// Tells the version.
    pub fn is_v3(&self) -> bool {
        matches!(self.driver, Driver::V3(_))
    }

    /// How SGIs name CPU `cpu`; 0 until known.
    pub fn target(&self, cpu: usize) -> u64 {
        self.cpus.get(cpu).map_or(0, |cpu| cpu.target.load(Ordering::Relaxed))
    }

    /// Sends SGI `intid` to CPU `cpu`; one that did not come up yet will look by itself.
    pub fn send(&self, cpu: usize, intid: u32) {
        self.ring(self.target(cpu), intid);
    }

    /// Sends SGI `intid` to a target, on `GICv2` to several.
    #[inline(always)]
    pub fn ring(&self, target: u64, intid: u32) {
        match &self.driver {
            Driver::V3(_) => v3::send(target, intid),
            Driver::V2(gic) => gic.send(target, intid),
        }
    }

    /// Lines the distributor has, SGIs and PPIs included.
    pub fn lines(&self) -> usize {
        match &self.driver {
            Driver::V2(gic) => gic.words(),
            Driver::V3(distributor) => distributor.words(),
        }
        .wrapping_mul(32)
    }

    /// The registers that hold a word of lines: of the private ones, CPU `cpu`'s (on `GICv2` that must be the calling one).
    #[inline]
    fn banks(&self, cpu: usize, w: usize) -> Option<Banks> {
        match &self.driver {
            Driver::V2(gic) => Some(gic.banks),
            Driver::V3(distributor) if w != 0 => Some(distributor.banks),
            Driver::V3(_) => self.cpus.get(cpu)?.redistributor.map(|redistributor| redistributor.banks),
        }
    }

    /// Enables a line.
    pub fn enable(&self, cpu: usize, intid: u32) {
        let w = intid as usize / 32;
        if let Some(banks) = self.banks(cpu, w) {
            banks.write(field::ISENABLER, w, bit(intid));
        }
    }

    /// Sets the trigger of an SPI: before commit, since a register holds those of several cells.
    pub fn set_trigger(&self, interrupt: Interrupt) {
        if let Some(banks) = self.banks(0, 1) {
            banks.set_edge(interrupt.intid, interrupt.edge);
        }
    }

    /// Routes an SPI to a CPU.
    pub fn route(&self, intid: u32, cpu: usize) {
        let Some(cpu) = self.cpus.get(cpu) else { return };
        match &self.driver {
            Driver::V2(gic) => {
                let [target, ..] = cpu.target.load(Ordering::Relaxed).to_le_bytes();
                gic.banks.set_targets(intid, target);
            }
            Driver::V3(distributor) => distributor.route(intid, cpu.mpidr),
        }
    }

    /// Disables an SPI and forgets that it was pending or active.
    pub fn quiet(&self, intid: u32) {
        let w = intid as usize / 32;
        if let Some(banks) = self.banks(0, 1) {
            for register in [field::ICENABLER, field::ICPENDR, field::ICACTIVER] {
                banks.write(register, w, bit(intid));
                if let Driver::V3(distributor) = &self.driver {
                    distributor.wait();
                }
            }
        }
    }
}
