//! `GICv3`: distributor, redistributors and the CPU interface as EL2 uses them (IHI 0069 12).
//!
//! EL2 takes every interrupt as group 1, drops priority and deactivates separately (`EOImode` 1): a guest's end of
//! interrupt then deactivates its hardware line through the list register.
#![expect(non_snake_case, reason = "register names are the manual's")]

use super::banks::Banks;
use crate::el2::barrier;
use crate::el2::sysreg::{ICC_BPR1_EL1, ICC_CTLR_EL1, ICC_IGRPEN1_EL1, ICC_PMR_EL1, ICC_SRE_EL2};
use crate::memory::mmio::Mmio;
use address::{Address, PhysAddr, Region};
use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::register_structs;
use tock_registers::registers::{ReadOnly, ReadWrite};

register_structs! {
    /// Where each SPI goes: in the distributor.
    pub Routers {
        (0x0000 => _reserved),
        (0x6000 => pub IROUTER: [ReadWrite<u64>; 1024]),
        (0x8000 => @END),
    },
    /// The first frame of a redistributor.
    pub Redistributor {
        (0x0000 => CTLR: ReadWrite<u32>),
        (0x0004 => _iidr),
        (0x0008 => TYPER: ReadOnly<u64>),
        (0x0010 => _status),
        (0x0014 => WAKER: ReadWrite<u32>),
        (0x0018 => @END),
    }
}

/// Bytes of the frames of one redistributor: control and SGI; with VLPIs two more.
const FRAMES: u64 = 0x2_0000;

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
        while let Some(frames) = region.base().checked_add(offset).and_then(|base| Region::new(base, FRAMES))
            && region.encloses(frames)
            && let Some(control) = Mmio::<Redistributor>::map(frames)
            && let Some(banks) = Banks::at(frames, FRAMES / 2)
        {
            let kind = control.TYPER.get();
            each(kind >> 32, Self { control, banks });
            let (vlpis, last) = (kind & 1 << 1 != 0, kind & 1 << 4 != 0);
            if last {
                return;
            }
            offset = offset.wrapping_add(if vlpis { 2 * FRAMES } else { FRAMES });
        }
    }

    /// Wakes it and makes every private line quiet, group 1.
    pub fn wake(self) {
        const SLEEP: u32 = 1 << 1; // ProcessorSleep
        const ASLEEP: u32 = 1 << 2; // ChildrenAsleep
        const RWP: u32 = 1 << 3;
        self.control.WAKER.set(self.control.WAKER.get() & !SLEEP);
        while self.control.WAKER.get() & ASLEEP != 0 {
            core::hint::spin_loop();
        }
        self.banks.reset(0, u32::MAX);
        while self.control.CTLR.get() & RWP != 0 {
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

/// What `ICC_SGI1R_EL1` holds of the CPU at `mpidr`.
pub const fn target(mpidr: u64) -> u64 {
    let (aff0, aff1, aff2, aff3) = (mpidr & 0xff, (mpidr >> 8) & 0xff, (mpidr >> 16) & 0xff, (mpidr >> 32) & 0xff);
    aff3 << 48 | (aff0 >> 4) << 44 | aff2 << 32 | aff1 << 16 | 1 << (aff0 & 0xf)
}
