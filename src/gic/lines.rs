//! What a cell's virtual GIC may do to the physical one: this CPU's list registers and the cell's own lines.
//!
//! `vgic` names only lines the sealed plan gave the cell (`Vgic::add`), so no call here reaches another cell's.

use super::banks::Banks;
use super::direct::GUEST_PRIORITY;
use crate::cell::Cell;
use vgic::{Hardware, ListRegister};

/// The physical side of one cell's interrupts.
#[derive(Clone, Copy)]
pub struct Lines(pub &'static Cell);

impl Lines {
    #[inline]
    fn banks(self, vcpu: usize, w: usize) -> Option<Banks> {
        self.0.gic.banks(self.0.vcpus.get(vcpu)?.cpu, w)
    }
}

impl Hardware for Lines {
    #[inline(never)]
    fn read_lr(&self, n: usize) -> ListRegister {
        ListRegister(self.0.gic.lr(n))
    }

    #[inline(never)]
    fn write_lr(&mut self, n: usize, value: ListRegister) {
        self.0.gic.set_lr(n, value.0);
    }

    #[inline]
    fn empty(&self) -> u32 {
        self.0.gic.empty_lrs()
    }

    fn control(&mut self, clear: u32, set: u32) -> u32 {
        self.0.gic.control(clear, set)
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
        if let Some(vcpu) = self.0.vcpus.get(vcpu) {
            self.0.gic.route(intid, vcpu.cpu);
        }
    }
}
