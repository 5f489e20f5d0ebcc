//! `GICv3`: distributor, redistributors and the CPU interface as EL2 uses them (IHI 0069 12).
//!
//! EL2 takes every interrupt as group 1, drops priority and deactivates separately (`EOImode` 1): a guest's end of
//! interrupt then deactivates its hardware line through the list register.
#![expect(non_snake_case, reason = "register names are the manual's")]

use super::banks::Banks;
use crate::el2::barrier;
use crate::el2::sysreg::{
    ICC_BPR1_EL1, ICC_CTLR_EL1, ICC_DIR_EL1, ICC_EOIR1_EL1, ICC_IAR1_EL1, ICC_IGRPEN1_EL1, ICC_PMR_EL1, ICC_SGI1R_EL1,
    ICC_SRE_EL2,
};
use crate::memory::mmio::Mmio;
use address::{Address, PhysAddr, Region};
use tock_registers::interfaces::{ReadWriteable, Readable, Writeable};
use tock_registers::registers::{ReadOnly, ReadWrite};
use tock_registers::{register_bitfields, register_structs};

register_bitfields! [u32,
    pub CTLR [ EnableGrp1 0, EnableGrp1A 1, ARE 4, RWP 31 ],
    pub WAKER [ ProcessorSleep 1, ChildrenAsleep 2 ],
];
register_bitfields! [u64,
    pub TYPER [ VLPIS OFFSET(1) NUMBITS(1), Last OFFSET(4) NUMBITS(1), Affinity OFFSET(32) NUMBITS(32) ],
];

register_structs! {
    /// Where each SPI goes.
    pub Routers {
        (0x0000 => _reserved),
        (0x6000 => IROUTER: [ReadWrite<u64>; 1024]),
        (0x8000 => @END),
    },
    /// The distributor's own.
    pub Distributor {
        (0x0000 => CTLR: ReadWrite<u32, CTLR::Register>),
        (0x0004 => TYPER: ReadOnly<u32>),
        (0x0008 => @END),
    },
    /// The first frame of a redistributor.
    pub Redistributor {
        (0x0000 => CTLR: ReadWrite<u32>),
        (0x0004 => _iidr),
        (0x0008 => TYPER: ReadOnly<u64, TYPER::Register>),
        (0x0010 => _status),
        (0x0014 => WAKER: ReadWrite<u32, WAKER::Register>),
        (0x0018 => @END),
    }
}

/// Bytes of the frames of one redistributor: control and SGI; with VLPIs two more.
const FRAMES: u64 = 0x2_0000;

/// The physical distributor.
#[derive(Clone, Copy)]
pub struct Gicd {
    control: Mmio<Distributor>,
    routers: Mmio<Routers>,
    /// SPIs.
    pub banks: Banks,
}

impl Gicd {
    /// Maps it, makes every SPI quiet, enables affinity routing and group 1.
    pub fn new(region: Region<PhysAddr>) -> Option<Self> {
        let control: Mmio<Distributor> = Mmio::map(region)?;
        let gicd = Self { control, routers: Mmio::at(region, 0)?, banks: Banks(Mmio::at(region, 0)?) };
        control.CTLR.set(0);
        gicd.wait();
        for word in 1..gicd.words() {
            gicd.banks.reset(word, u32::MAX);
        }
        gicd.wait();
        control.CTLR.write(CTLR::ARE::SET + CTLR::EnableGrp1::SET + CTLR::EnableGrp1A::SET);
        gicd.wait();
        Some(gicd)
    }

    /// Routes an SPI to a CPU.
    pub fn route(self, intid: u32, mpidr: u64) {
        if let Some(router) = self.routers.IROUTER.get(intid as usize) {
            router.set(mpidr & 0xff_00ff_ffff);
        }
    }

    /// Words of 32 lines, SGIs and PPIs included.
    pub fn words(self) -> usize {
        ((self.control.TYPER.get() & 0x1f) as usize).wrapping_add(1)
    }

    /// Waits until the distributor has taken what was written to enables and control.
    pub fn wait(self) {
        while self.control.CTLR.is_set(CTLR::RWP) {
            core::hint::spin_loop();
        }
    }
}

/// The redistributor of one CPU.
#[derive(Clone, Copy)]
pub struct Gicr {
    control: Mmio<Redistributor>,
    /// SGIs and PPIs.
    pub banks: Banks,
}

impl Gicr {
    /// Maps the redistributors of `region` one by one, up to the last that exists, and calls `each` with its affinity as
    /// `GICR_TYPER` has it. A `GICv4` frame set is twice as long.
    pub fn discover(region: Region<PhysAddr>, mut each: impl FnMut(u64, Self)) {
        let mut offset: u64 = 0;
        while let Some(frames) = region.base().checked_add(offset).and_then(|base| Region::new(base, FRAMES)) {
            if !region.encloses(frames) {
                return;
            }
            let Some(control) = Mmio::<Redistributor>::map(frames) else { return };
            let Some(banks) = Mmio::at(frames, FRAMES / 2) else { return };
            each(control.TYPER.read(TYPER::Affinity), Self { control, banks: Banks(banks) });
            if control.TYPER.is_set(TYPER::Last) {
                return;
            }
            offset = offset.wrapping_add(if control.TYPER.is_set(TYPER::VLPIS) { 2 * FRAMES } else { FRAMES });
        }
    }

    /// Wakes it and makes every private line quiet, group 1.
    pub fn wake(self) {
        self.control.WAKER.modify(WAKER::ProcessorSleep::CLEAR);
        while self.control.WAKER.is_set(WAKER::ChildrenAsleep) {
            core::hint::spin_loop();
        }
        self.banks.reset(0, u32::MAX);
        while self.control.CTLR.get() & (1 << 3) != 0 {
            core::hint::spin_loop();
        }
    }
}

/// Sets up this CPU's interface.
pub fn init_cpu() {
    ICC_SRE_EL2::set(controls::ICC_SRE_EL2.value(controls::Features::NONE));
    barrier::synchronize();
    ICC_IGRPEN1_EL1::set(0);
    ICC_PMR_EL1::set(0xff);
    ICC_BPR1_EL1::set(0);
    ICC_CTLR_EL1::set(1 << 1); // EOImode
    barrier::synchronize();
    ICC_IGRPEN1_EL1::set(1);
    barrier::synchronize();
}

/// Acknowledges the most urgent pending interrupt; 1020 and above mean none.
#[inline]
pub fn acknowledge() -> u32 {
    (ICC_IAR1_EL1::get() & 0xff_ffff) as u32
}

/// Drops the running priority back; the interrupt stays active.
#[inline]
pub fn drop_priority(intid: u32) {
    ICC_EOIR1_EL1::set(u64::from(intid));
}

/// Deactivates an interrupt.
#[inline]
pub fn deactivate(intid: u32) {
    ICC_DIR_EL1::set(u64::from(intid));
}

/// What `ICC_SGI1R_EL1` holds of the CPU at `mpidr`.
pub const fn target(mpidr: u64) -> u64 {
    let (aff0, aff1, aff2, aff3) = (mpidr & 0xff, (mpidr >> 8) & 0xff, (mpidr >> 16) & 0xff, (mpidr >> 32) & 0xff);
    aff3 << 48 | (aff0 >> 4) << 44 | aff2 << 32 | aff1 << 16 | 1 << (aff0 & 0xf)
}

/// Sends SGI `intid` to a [`target`].
#[inline]
pub fn send(target: u64, intid: u32) {
    barrier::complete();
    ICC_SGI1R_EL1::set(target | u64::from(intid & 0xf) << 24);
    barrier::synchronize();
}
