//! `GICv3`: distributor, redistributors and the CPU interface as EL2 uses them (IHI 0069 12).
//!
//! EL2 takes every interrupt as group 1, drops priority and deactivates separately (`EOImode` 1): a guest's end of
//! interrupt then deactivates its hardware line through the list register.
#![expect(non_snake_case, reason = "register names are the manual's")]

use crate::el2::barrier;
use crate::el2::sysreg::{
    ICC_BPR1_EL1, ICC_CTLR_EL1, ICC_DIR_EL1, ICC_EOIR1_EL1, ICC_IAR1_EL1, ICC_IGRPEN1_EL1, ICC_PMR_EL1, ICC_SGI1R_EL1,
    ICC_SRE_EL2,
};
use crate::memory::mmio::Mmio;
use address::{PhysAddr, Region};
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
    /// Registers that distributor (SPIs) and redistributor (SGIs, PPIs) share in layout.
    pub Lines {
        (0x0000 => _control),
        (0x0080 => pub IGROUPR: [ReadWrite<u32>; 32]),
        (0x0100 => pub ISENABLER: [ReadWrite<u32>; 32]),
        (0x0180 => pub ICENABLER: [ReadWrite<u32>; 32]),
        (0x0200 => pub ISPENDR: [ReadWrite<u32>; 32]),
        (0x0280 => pub ICPENDR: [ReadWrite<u32>; 32]),
        (0x0300 => pub ISACTIVER: [ReadWrite<u32>; 32]),
        (0x0380 => pub ICACTIVER: [ReadWrite<u32>; 32]),
        (0x0400 => pub IPRIORITYR: [ReadWrite<u8>; 1024]),
        (0x0800 => _targets),
        (0x0c00 => pub ICFGR: [ReadWrite<u32>; 64]),
        (0x0d00 => _more),
        (0x6000 => pub IROUTER: [ReadWrite<u64>; 1024]),
        (0x8000 => @END),
    },
    /// The distributor's own.
    pub Distributor {
        (0x0000 => pub CTLR: ReadWrite<u32, CTLR::Register>),
        (0x0004 => pub TYPER: ReadOnly<u32>),
        (0x0008 => @END),
    },
    /// The first frame of a redistributor.
    pub Redistributor {
        (0x0000 => pub CTLR: ReadWrite<u32>),
        (0x0004 => _iidr),
        (0x0008 => pub TYPER: ReadOnly<u64, TYPER::Register>),
        (0x0010 => _status),
        (0x0014 => pub WAKER: ReadWrite<u32, WAKER::Register>),
        (0x0018 => @END),
    },
    /// The second frame of a redistributor.
    pub Private {
        (0x0000 => _control),
        (0x0080 => pub IGROUPR0: ReadWrite<u32>),
        (0x0084 => _groups),
        (0x0100 => pub ISENABLER0: ReadWrite<u32>),
        (0x0104 => _enables),
        (0x0180 => pub ICENABLER0: ReadWrite<u32>),
        (0x0184 => _disables),
        (0x0200 => pub ISPENDR0: ReadWrite<u32>),
        (0x0204 => _pending),
        (0x0280 => pub ICPENDR0: ReadWrite<u32>),
        (0x0284 => _not_pending),
        (0x0300 => pub ISACTIVER0: ReadWrite<u32>),
        (0x0304 => _active),
        (0x0380 => pub ICACTIVER0: ReadWrite<u32>),
        (0x0384 => _not_active),
        (0x0400 => pub IPRIORITYR: [ReadWrite<u8>; 32]),
        (0x0420 => _priorities),
        (0x0c00 => pub ICFGR0: ReadOnly<u32>),
        (0x0c04 => pub ICFGR1: ReadWrite<u32>),
        (0x0c08 => @END),
    }
}

/// Bytes of the frames of one redistributor: control and SGI; with VLPIs two more.
const FRAMES: u64 = 0x2_0000;

/// The physical distributor.
#[derive(Clone, Copy)]
pub struct Gicd {
    control: Mmio<Distributor>,
    /// SPI registers.
    pub lines: Mmio<Lines>,
}

impl Gicd {
    /// Maps it, routes nothing, enables affinity routing and group 1.
    pub fn new(region: Region<PhysAddr>) -> Option<Self> {
        let control: Mmio<Distributor> = Mmio::map(region)?;
        let gicd = Self { control, lines: Mmio::at(region, 0)? };
        control.CTLR.set(0);
        gicd.wait();
        for word in 1..gicd.words() {
            for (registers, value) in [
                (&gicd.lines.ICENABLER, u32::MAX),
                (&gicd.lines.ICPENDR, u32::MAX),
                (&gicd.lines.ICACTIVER, u32::MAX),
                (&gicd.lines.IGROUPR, u32::MAX),
            ] {
                if let Some(register) = registers.get(word) {
                    register.set(value);
                }
            }
        }
        gicd.wait();
        control.CTLR.write(CTLR::ARE::SET + CTLR::EnableGrp1::SET + CTLR::EnableGrp1A::SET);
        gicd.wait();
        Some(gicd)
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
    /// SGI and PPI registers.
    pub private: Mmio<Private>,
}

impl Gicr {
    /// Finds the redistributor of `mpidr` in the mapped `regions`, by `GICR_TYPER` (a `GICv4` frame set is twice as long).
    pub fn find(regions: &[Region<PhysAddr>], mpidr: u64) -> Option<Self> {
        let affinity = (mpidr & 0xff_ffff) | ((mpidr >> 8) & 0xff00_0000);
        for &region in regions {
            let mut offset: u64 = 0;
            while let Some(control) = Mmio::<Redistributor>::at(region, offset) {
                if control.TYPER.read(TYPER::Affinity) == affinity {
                    return Some(Self { control, private: Mmio::at(region, offset.wrapping_add(FRAMES / 2))? });
                }
                if control.TYPER.is_set(TYPER::Last) {
                    break;
                }
                offset = offset.wrapping_add(if control.TYPER.is_set(TYPER::VLPIS) { 2 * FRAMES } else { FRAMES });
            }
        }
        None
    }

    /// Enables a private line.
    pub fn enable(self, intid: u32) {
        self.private.ISENABLER0.set(super::bit(intid));
    }

    /// Wakes it and makes every private line quiet, group 1.
    pub fn wake(self) {
        self.control.WAKER.modify(WAKER::ProcessorSleep::CLEAR);
        while self.control.WAKER.is_set(WAKER::ChildrenAsleep) {
            core::hint::spin_loop();
        }
        self.private.ICENABLER0.set(u32::MAX);
        self.private.ICPENDR0.set(u32::MAX);
        self.private.ICACTIVER0.set(u32::MAX);
        self.private.IGROUPR0.set(u32::MAX);
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

/// Sends SGI `intid` to the CPU at `mpidr`.
#[inline]
pub fn send(mpidr: u64, intid: u32) {
    let (aff0, aff1, aff2, aff3) = (mpidr & 0xff, (mpidr >> 8) & 0xff, (mpidr >> 16) & 0xff, (mpidr >> 32) & 0xff);
    let value = (aff3 << 48)
        | ((aff0 >> 4) << 44)
        | (aff2 << 32)
        | (u64::from(intid & 0xf) << 24)
        | (aff1 << 16)
        | (1 << (aff0 & 0xf));
    barrier::complete();
    ICC_SGI1R_EL1::set(value);
    barrier::synchronize();
}
