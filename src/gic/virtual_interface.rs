//! The virtual CPU interface of the calling CPU: list registers and their control (IHI 0069 12.4, IHI 0048 5.3).

use super::v2::{self, V2};
use super::{Driver, Gic};
use crate::el2::sysreg::{
    ICH_AP0R0_EL2, ICH_AP1R0_EL2, ICH_EISR_EL2, ICH_ELRSR_EL2, ICH_HCR_EL2, ICH_VMCR_EL2, ICH_VTR_EL2, list_register,
    set_list_register,
};
use controls::Features;
use tock_registers::interfaces::{Readable, Writeable};

impl Gic {
    /// How many list registers there are, and how many bits of priority.
    pub fn virtual_interface(&self) -> (usize, u32) {
        let vtr = match &self.driver {
            Driver::V2(gic) => gic.hypervisor.VTR.get(),
            Driver::V3(_) => (ICH_VTR_EL2::get() & 0xffff_ffff) as u32,
        };
        (((vtr & 0x1f) as usize).wrapping_add(1), (vtr >> 29).wrapping_add(1))
    }

    /// Puts the interface into reset state, list registers empty, and switches it on.
    pub fn reset_virtual_interface(&self) {
        self.control(u32::MAX, 0);
        for n in 0..self.virtual_interface().0 {
            self.set_lr(n, 0);
        }
        if let Driver::V2(V2 { hypervisor, .. }) = &self.driver {
            hypervisor.APR.set(0);
            hypervisor.VMCR.set(0);
        } else {
            ICH_AP0R0_EL2::set(0);
            ICH_AP1R0_EL2::set(0);
            ICH_VMCR_EL2::set(0);
        }
        self.control(0, const { (controls::ICH_HCR_EL2.value(Features::NONE) & 0xffff_ffff) as u32 });
    }

    /// Reads list register `n`, in the form of `ICH_LR<n>_EL2`.
    #[inline]
    pub fn lr(&self, n: usize) -> u64 {
        match &self.driver {
            Driver::V3(_) => list_register(n),
            Driver::V2(gic) => gic.hypervisor.LR.get(n & 15).map_or(0, |lr| v2::unpack(lr.get())),
        }
    }

    /// Writes list register `n`.
    #[inline]
    pub fn set_lr(&self, n: usize, value: u64) {
        match &self.driver {
            Driver::V3(_) => set_list_register(n, value),
            Driver::V2(gic) => {
                if let Some(lr) = gic.hypervisor.LR.get(n & 15) {
                    lr.set(v2::pack(value));
                }
            }
        }
    }

    /// List registers that hold nothing, or what was ended and asked for maintenance.
    #[inline]
    pub fn empty_lrs(&self) -> u32 {
        match &self.driver {
            Driver::V3(_) => ((ICH_ELRSR_EL2::get() | ICH_EISR_EL2::get()) & 0xffff) as u32,
            Driver::V2(V2 { hypervisor, .. }) => hypervisor.ELRSR[0].get() | hypervisor.EISR[0].get(),
        }
    }

    /// Clears and sets bits of `ICH_HCR_EL2`, which are `GICH_HCR`'s; returns what it held.
    pub fn control(&self, clear: u32, set: u32) -> u32 {
        let old = match &self.driver {
            Driver::V3(_) => (ICH_HCR_EL2::get() & 0xffff_ffff) as u32,
            Driver::V2(gic) => gic.hypervisor.HCR.get(),
        };
        match &self.driver {
            Driver::V3(_) => ICH_HCR_EL2::set((old & !clear | set).into()),
            Driver::V2(gic) => gic.hypervisor.HCR.set(old & !clear | set),
        }
        old
    }

    /// Tells whether no list register of the calling CPU holds an interrupt.
    pub fn all_lrs_empty(&self) -> bool {
        self.empty_lrs().trailing_ones() as usize >= self.virtual_interface().0
    }
}
