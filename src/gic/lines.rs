//! What a cell's virtual GIC may do to the physical one: this CPU's list registers and the cell's own lines.
//!
//! `vgic` names only lines the sealed plan gave the cell (its `Config`), so no call here reaches another cell's.

use super::Gic;
use super::banks::Banks;
use super::direct::GUEST_PRIORITY;
use crate::cell::Cell;
use vgic::{Hardware, ListRegister, maintenance};

/// `ICH_HCR_EL2.EOIcount`.
const EOI_COUNT: u64 = 0x1f << 27;

/// The physical side of one cell's interrupts.
#[derive(Clone, Copy)]
pub struct Lines {
    /// The cell.
    pub cell: &'static Cell,
    /// The GIC.
    pub gic: &'static Gic,
}

impl Lines {
    #[inline]
    fn banks(&self, vcpu: usize, w: usize) -> Option<Banks> {
        self.gic.banks(self.cell.vcpus.get(vcpu)?.cpu, w)
    }
}

impl Hardware for Lines {
    #[inline(never)]
    fn read_lr(&self, n: usize) -> ListRegister {
        ListRegister(self.gic.lr(n))
    }

    #[inline(never)]
    fn write_lr(&mut self, n: usize, value: ListRegister) {
        self.gic.set_lr(n, value.0);
    }

    #[inline]
    fn empty(&self) -> u32 {
        self.gic.empty_lrs() | self.gic.ended_lrs()
    }

    fn maintenance(&mut self, wanted: u32) {
        self.gic.set_ich_hcr((self.gic.ich_hcr() & !u64::from(maintenance::ALL)) | u64::from(wanted));
    }

    fn take_eoi_count(&mut self) -> u32 {
        let value = self.gic.ich_hcr();
        if value & EOI_COUNT != 0 {
            self.gic.set_ich_hcr(value & !EOI_COUNT);
        }
        ((value & EOI_COUNT) >> 27) as u32
    }

    #[inline(never)]
    fn read(&self, register: usize, vcpu: usize, w: usize) -> u32 {
        self.banks(vcpu, w).map_or(0, |banks| banks.read(register, w))
    }

    #[inline]
    fn write(&mut self, register: usize, vcpu: usize, w: usize, bits: u32) {
        if let Some(banks) = self.banks(vcpu, w) {
            banks.write(register, w, bits);
        }
    }

    fn set_priority(&mut self, vcpu: usize, intid: u32, priority: u8) {
        if let Some(banks) = self.banks(vcpu, intid as usize / 32) {
            banks.set_priority(intid, priority.max(GUEST_PRIORITY));
        }
    }

    fn route(&mut self, intid: u32, vcpu: usize) {
        if let Some(vcpu) = self.cell.vcpus.get(vcpu) {
            self.gic.route(intid, vcpu.cpu);
        }
    }
}
