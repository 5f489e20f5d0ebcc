//! The virtual CPU interface of the calling CPU: list registers and their control (IHI 0069 12.4, IHI 0048 5.3).

use super::{Driver, Gic, v2};
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
        let (count, _) = self.virtual_interface();
        self.set_ich_hcr(0);
        for n in 0..count {
            self.set_lr(n, 0);
        }
        match &self.driver {
            Driver::V2(gic) => {
                gic.hypervisor.APR.set(0);
                gic.hypervisor.VMCR.set(0);
            }
            Driver::V3(_) => {
                ICH_AP0R0_EL2::set(0);
                ICH_AP1R0_EL2::set(0);
                ICH_VMCR_EL2::set(0);
            }
        }
        self.set_ich_hcr(const { controls::ICH_HCR_EL2.value(Features::NONE) });
    }

    /// Reads list register `n`, in the form of `ICH_LR<n>_EL2`.
    #[inline]
    pub fn lr(&self, n: usize) -> u64 {
        match &self.driver {
            Driver::V3(_) => list_register(n),
            Driver::V2(gic) => gic.hypervisor.LR.get(n).map_or(0, |lr| v2::unpack(lr.get())),
        }
    }

    /// Writes list register `n`.
    #[inline]
    pub fn set_lr(&self, n: usize, value: u64) {
        match &self.driver {
            Driver::V3(_) => set_list_register(n, value),
            Driver::V2(gic) => {
                if let Some(lr) = gic.hypervisor.LR.get(n) {
                    lr.set(v2::pack(value));
                }
            }
        }
    }

    /// List registers that hold nothing.
    #[inline]
    pub fn empty_lrs(&self) -> u32 {
        match &self.driver {
            Driver::V3(_) => (ICH_ELRSR_EL2::get() & 0xffff) as u32,
            Driver::V2(gic) => gic.hypervisor.ELRSR.first().map_or(0, Readable::get),
        }
    }

    /// List registers whose interrupt was ended and asked for maintenance.
    #[inline]
    pub fn ended_lrs(&self) -> u32 {
        match &self.driver {
            Driver::V3(_) => (ICH_EISR_EL2::get() & 0xffff) as u32,
            Driver::V2(gic) => gic.hypervisor.EISR.first().map_or(0, Readable::get),
        }
    }

    /// Reads `ICH_HCR_EL2`, whose bits up to 31 are `GICH_HCR`'s.
    #[inline]
    pub fn ich_hcr(&self) -> u64 {
        match &self.driver {
            Driver::V3(_) => ICH_HCR_EL2::get(),
            Driver::V2(gic) => gic.hypervisor.HCR.get().into(),
        }
    }

    /// Writes it.
    #[inline]
    pub fn set_ich_hcr(&self, value: u64) {
        match &self.driver {
            Driver::V3(_) => ICH_HCR_EL2::set(value),
            Driver::V2(gic) => gic.hypervisor.HCR.set((value & 0xffff_ffff) as u32),
        }
    }

    /// Tells whether no list register of the calling CPU holds an interrupt.
    pub fn all_lrs_empty(&self) -> bool {
        self.empty_lrs().count_ones() as usize >= self.virtual_interface().0
    }
}
