//! The GIC of a CPU whose vCPU has its interrupts passed through: the guest drives the CPU interface, EL2 only while the
//! guest is out.
//!
//! EL2 acknowledges nothing there. Its only interrupt is the kick, above all priorities that a guest can give while EL2 has
//! the interface, below all while the guest has: it wakes the CPU from EL2's sleep, and its pending state is taken back. Under `HCR_EL2.FMO` the registers common to both groups trap
//! (`ICH_HCR_EL2.TC`) and their accesses are made here. IHI 0069 12.2, 6.3; IHI 0048 4.4.

use super::banks::bit;
use super::v2::V2;
use super::{Driver, Gic, KICK};
use crate::el2::barrier;
use crate::el2::sysreg::{
    ICC_AP1R0_EL1, ICC_BPR1_EL1, ICC_CTLR_EL1, ICC_DIR_EL1, ICC_IGRPEN1_EL1, ICC_PMR_EL1, ICC_RPR_EL1, ICH_HCR_EL2,
};
use syndrome::system;
use tock_registers::interfaces::{Readable, Writeable};
use vgic::field;

/// The most urgent priority a guest's line can have; EL2's kick has 0.
pub const GUEST_PRIORITY: u8 = 0x20;
/// Lets the kick through, and no guest's line.
const KICK_ONLY: u32 = 0x10;
/// The kick's priority while the guest has the interface: never signalled.
const UNHEARD: u8 = 0xff;

/// Priority mask, control with the enable in bit 0, binary point, active priorities.
type Hearing = [u32; 4];

impl Gic {
    fn hearing(&self) -> Hearing {
        match &self.driver {
            Driver::V2(V2 { interface, .. }) => {
                [interface.PMR.get(), interface.CTLR.get(), interface.BPR.get(), interface.APR.get()]
            }
            Driver::V3(_) => [
                low(ICC_PMR_EL1::get()),
                low(ICC_IGRPEN1_EL1::get()),
                low(ICC_BPR1_EL1::get()),
                low(ICC_AP1R0_EL1::get()),
            ],
        }
    }

    fn set_hearing(&self, [mask, control, binary, active]: Hearing) {
        if let Driver::V2(V2 { interface, .. }) = &self.driver {
            interface.PMR.set(mask);
            interface.CTLR.set(control);
            interface.BPR.set(binary);
            interface.APR.set(active);
        } else {
            ICC_PMR_EL1::set(mask.into());
            ICC_IGRPEN1_EL1::set(control.into());
            ICC_BPR1_EL1::set(binary.into());
            ICC_AP1R0_EL1::set(active.into());
            barrier::synchronize();
        }
    }

    fn set_kick(&self, cpu: usize, priority: u8) {
        if let Some(banks) = self.banks(cpu, 0) {
            banks.set_priority(KICK, priority);
        }
    }

    /// Takes the calling CPU's interface from its guest, or sets it up: nothing active, the kick alone is heard.
    pub fn take_interface(&self, cpu: usize) {
        if let Driver::V3(_) = self.driver {
            ICH_HCR_EL2::set(controls::ICH_HCR_EL2.value(controls::Features::PASSTHROUGH));
            ICC_CTLR_EL1::set(0);
        }
        self.set_kick(cpu, 0);
        self.set_hearing([KICK_ONLY, 1, 0, 0]);
    }

    /// Gives it to a guest as after reset.
    pub fn give_interface(&self, cpu: usize) {
        self.set_kick(cpu, UNHEARD);
        self.set_hearing([0; 4]);
    }

    /// Sleeps with the guest's interface until one of its interrupts comes, or a kick, whatever the guest masks.
    pub fn doze(&self, cpu: usize) {
        let own = self.hearing();
        let open = match own {
            [mask, control, binary, 0] if control & 1 != 0 => [mask.max(KICK_ONLY), control, binary, 0],
            // It may wake for what its guest has to wait with: so may every WFI.
            [mask, control, _, active] if control & 1 != 0 => [mask.max(KICK_ONLY), control, 0, active & !1],
            _ => [KICK_ONLY, 1, 0, 0],
        };
        self.set_kick(cpu, 0);
        self.set_hearing(open);
        barrier::wait_for_interrupt();
        self.set_hearing(own);
        self.set_kick(cpu, UNHEARD);
        self.clear_kick(cpu);
    }

    /// Takes back a kick of the calling CPU: nobody acknowledges it.
    pub fn clear_kick(&self, cpu: usize) {
        if !self.is_v3() {
            self.distributor.words.CPENDSGIR3.set(0xff << (KICK % 4 * 8));
        } else if let Some(banks) = self.banks(cpu, 0) {
            banks.write(field::ICPENDR, 0, bit(KICK));
        }
    }
}

const fn low(value: u64) -> u32 {
    (value & 0xffff_ffff) as u32
}

/// A guest's access to one of the registers common to both groups; `owned`: the INTIDs it may end.
pub fn common_register(register: u32, write: Option<u64>, owned: impl Fn(u64) -> bool) -> Option<u64> {
    match (register, write) {
        (system::ICC_PMR_EL1, None) => return Some(ICC_PMR_EL1::get()),
        (system::ICC_PMR_EL1, Some(value)) => ICC_PMR_EL1::set(value & 0xff),
        (system::ICC_RPR_EL1, None) => return Some(ICC_RPR_EL1::get()),
        (system::ICC_CTLR_EL1, None) => return Some(ICC_CTLR_EL1::get()),
        (system::ICC_CTLR_EL1, Some(value)) => ICC_CTLR_EL1::set(value & 0b11), // EOImode, CBPR
        (system::ICC_DIR_EL1, Some(intid)) if owned(intid & 0xff_ffff) => ICC_DIR_EL1::set(intid & 0xff_ffff),
        (system::ICC_DIR_EL1, Some(_)) => {}
        _ => return None,
    }
    Some(0)
}
