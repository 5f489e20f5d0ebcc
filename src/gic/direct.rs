//! The GIC of a CPU whose vCPU has its interrupts passed through: the guest drives the CPU interface, EL2 only while the
//! guest is out.
//!
//! EL2 acknowledges nothing there. Its only interrupt is the kick, above all priorities that a guest can give; it wakes the
//! CPU from EL2's sleep and its pending state is taken back. Under `HCR_EL2.FMO` the registers common to both groups trap
//! (`ICH_HCR_EL2.TC`) and their accesses are made here. IHI 0069 12.2, 6.3; IHI 0048 4.4.

use super::banks::bit;
use super::{Driver, Gic, KICK};
use crate::el2::sysreg::{
    ICC_AP1R0_EL1, ICC_BPR1_EL1, ICC_CTLR_EL1, ICC_DIR_EL1, ICC_IGRPEN1_EL1, ICC_PMR_EL1, ICC_RPR_EL1, ICH_HCR_EL2,
};
use syndrome::system;
use vgic::field;

/// The most urgent priority a guest's line can have; EL2's kick has 0.
pub const GUEST_PRIORITY: u8 = 0x20;
/// Lets the kick through, and no guest's line.
const KICK_ONLY: u8 = 0x10;

impl Gic {
    /// Takes the calling CPU's interface from its guest, or sets it up: nothing active, the kick alone is heard.
    pub fn take_interface(&self, cpu: usize) {
        match &self.driver {
            Driver::V2(gic) => gic.set_interface(KICK_ONLY, 1),
            Driver::V3(_) => {
                ICH_HCR_EL2::set(controls::ICH_HCR_EL2.value(controls::Features::PASSTHROUGH));
                ICC_CTLR_EL1::set(0);
                ICC_AP1R0_EL1::set(0);
                ICC_BPR1_EL1::set(0);
                ICC_PMR_EL1::set(KICK_ONLY.into());
                ICC_IGRPEN1_EL1::set(1);
            }
        }
        if let Some(banks) = self.banks(cpu, 0) {
            banks.set_priority(KICK, 0);
        }
    }

    /// Gives it to a guest as after reset.
    pub fn give_interface(&self) {
        match &self.driver {
            Driver::V2(gic) => gic.set_interface(0, 0),
            Driver::V3(_) => {
                ICC_IGRPEN1_EL1::set(0);
                ICC_PMR_EL1::set(0);
            }
        }
    }

    /// Takes back a kick that woke the calling CPU: nobody acknowledges it.
    pub fn clear_kick(&self, cpu: usize) {
        match (&self.driver, self.banks(cpu, 0)) {
            (Driver::V2(gic), _) => gic.clear_kick(),
            (Driver::V3(_), Some(banks)) => banks.write(field::ICPENDR, 0, bit(KICK)),
            (Driver::V3(_), None) => {}
        }
    }

    /// Tells whether a kick would wake this CPU whatever its guest did to the interface.
    pub fn hears_kick(&self) -> bool {
        match &self.driver {
            Driver::V2(gic) => gic.hears_kick(),
            Driver::V3(_) => {
                ICC_RPR_EL1::get() & 0xff == 0xff && ICC_PMR_EL1::get() != 0 && ICC_IGRPEN1_EL1::get() & 1 != 0
            }
        }
    }
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
