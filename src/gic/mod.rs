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

use crate::el2::barrier;
use crate::el2::sysreg::{ICC_DIR_EL1, ICC_EOIR1_EL1, ICC_IAR1_EL1, ICC_SGI1R_EL1};
use crate::memory::mmio::Mmio;
use crate::memory::published::Published;
use alloc::boxed::Box;
use alloc::vec::Vec;
use banks::{Banks, Registers, bit};
use board::Interrupt;
use core::sync::atomic::{AtomicU64, Ordering};
use tock_registers::interfaces::{Readable, Writeable};
use v2::V2;
use v3::{Gicr, Routers};
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
    /// The distributor; of `GICv2` with the private lines of the CPU that looks.
    distributor: Banks,
    driver: Driver,
    /// Maintenance interrupt.
    pub maintenance: u32,
    cpus: Vec<Cpu>,
}

enum Driver {
    V2(V2),
    V3(Mmio<Routers>),
}

/// What the GIC knows of a CPU.
struct Cpu {
    mpidr: u64,
    /// How SGIs and, on `GICv2`, SPIs name it; 0 until known.
    target: AtomicU64,
    redistributor: Option<Gicr>,
}

static GIC: Published<Gic> = Published::new();

/// Returns the GIC; nothing before [`init`].
#[inline]
pub fn get() -> Option<&'static Gic> {
    GIC.get()
}

/// Maps the GIC, makes all its shared lines quiet and enables the distributor.
pub fn init(board: &board::Board) -> Result<&'static Gic, &'static str> {
    const SMALL: &str = "a region of the GIC is too small in the device tree, or EL2's pool too small to map it";
    let cpu = |cpu: &board::Cpu| Cpu { mpidr: cpu.mpidr, target: AtomicU64::new(0), redistributor: None };
    let mut cpus: Vec<Cpu> = board.cpus.iter().map(cpu).collect();
    let (board::Gic::V2 { distributor, maintenance, .. } | board::Gic::V3 { distributor, maintenance, .. }) = board.gic;
    let banks = Mmio::<Registers>::map(distributor).and(Banks::at(distributor, 0)).ok_or(SMALL)?;
    let (driver, group, enable) = match &board.gic {
        board::Gic::V2 { cpu, hypervisor, .. } => (Driver::V2(V2::new(*cpu, *hypervisor).ok_or(SMALL)?), 0, 1),
        board::Gic::V3 { redistributors, .. } => {
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
            // EnableGrp1, EnableGrp1A, ARE.
            (Driver::V3(Mmio::at(distributor, 0).ok_or(SMALL)?), u32::MAX, 0b1_0011)
        }
    };
    let gic = Box::leak(Box::new(Gic { distributor: banks, driver, maintenance, cpus }));
    GIC.set(gic);
    banks.words.CTLR.set(0);
    gic.settle();
    (1..banks.words()).for_each(|w| banks.reset(w, group));
    gic.settle();
    banks.words.CTLR.set(enable);
    gic.settle();
    Ok(gic)
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
        self.banks(cpu, 0).is_some()
    }

    /// Waits until a `GICv3`'s distributor has taken what was written to enables and control (RWP).
    fn settle(&self) {
        while !matches!(self.driver, Driver::V2(_)) && self.distributor.words.CTLR.get() >> 31 != 0 {
            core::hint::spin_loop();
        }
    }

    /// Sets up the calling CPU, which is `cpu`: private lines quiet but EL2's own, interface on. `direct`: its vCPU's
    /// interrupts are passed through.
    pub fn init_cpu(&self, cpu: usize, direct: bool) {
        let Some(state) = self.cpus.get(cpu) else { return };
        if let Driver::V2(gic) = &self.driver {
            self.distributor.reset(0, 0);
            gic.init_cpu();
            state.target.store(self.distributor.own_target().into(), Ordering::Release);
        } else {
            if let Some(redistributor) = state.redistributor {
                redistributor.wake();
            }
            v3::init_cpu();
        }
        if direct {
            self.take_interface(cpu);
            return self.enable(cpu, KICK);
        }
        if let Some(banks) = self.banks(cpu, 0) {
            banks.write(field::ISENABLER, 0, 0xffff | bit(self.maintenance));
        }
    }

    /// Acknowledges an interrupt of the calling CPU.
    #[inline]
    pub fn acknowledge(&self) -> Acknowledged {
        Acknowledged(match &self.driver {
            Driver::V3(_) => (ICC_IAR1_EL1::get() & 0xff_ffff) as u32,
            Driver::V2(gic) => gic.interface.IAR.get(),
        })
    }

    /// Drops the running priority back; the interrupt stays active.
    #[inline]
    pub fn drop_priority(&self, interrupt: Acknowledged) {
        match &self.driver {
            Driver::V3(_) => ICC_EOIR1_EL1::set(interrupt.0.into()),
            Driver::V2(gic) => gic.interface.EOIR.set(interrupt.0),
        }
    }

    /// Deactivates an interrupt.
    #[inline]
    pub fn deactivate(&self, interrupt: Acknowledged) {
        match &self.driver {
            Driver::V3(_) => ICC_DIR_EL1::set(interrupt.0.into()),
            Driver::V2(gic) => gic.interface.DIR.set(interrupt.0),
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
        if !self.is_v3() {
            return self.ring_v2(target, intid);
        }
        barrier::complete();
        ICC_SGI1R_EL1::set(target | u64::from(intid & 0xf) << 24);
        barrier::synchronize();
    }

    /// `GICv2`: the same.
    #[inline(always)]
    pub fn ring_v2(&self, targets: u64, intid: u32) {
        barrier::complete();
        self.distributor.words.SGIR.set((targets << 16 & 0xff_0000) as u32 | intid & 0xf);
    }

    /// Lines the distributor has, SGIs and PPIs included.
    pub fn lines(&self) -> usize {
        self.distributor.words().wrapping_mul(32)
    }

    /// The registers that hold a word of lines: of the private ones, CPU `cpu`'s (on `GICv2` that must be the calling one).
    #[inline]
    fn banks(&self, cpu: usize, w: usize) -> Option<Banks> {
        if w == 0 && self.is_v3() {
            return self.cpus.get(cpu)?.redistributor.map(|redistributor| redistributor.banks);
        }
        Some(self.distributor)
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
        self.distributor.set_edge(interrupt.intid, interrupt.edge);
    }

    /// Routes an SPI to a CPU.
    pub fn route(&self, intid: u32, cpu: usize) {
        let Some(cpu) = self.cpus.get(cpu) else { return };
        match &self.driver {
            Driver::V2(_) => {
                let [target, ..] = cpu.target.load(Ordering::Relaxed).to_le_bytes();
                self.distributor.set_targets(intid, target);
            }
            Driver::V3(routers) => {
                if let Some(router) = routers.IROUTER.get(intid as usize & 0x3ff) {
                    router.set(cpu.mpidr & 0xff_00ff_ffff);
                }
            }
        }
    }

    /// Disables an SPI and forgets that it was pending or active.
    pub fn quiet(&self, intid: u32) {
        for register in &[field::ICENABLER, field::ICPENDR, field::ICACTIVER] {
            self.distributor.write(*register, intid as usize / 32, bit(intid));
            self.settle();
        }
    }
}
