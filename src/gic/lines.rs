//! What a cell's virtual GIC may do to the physical one: this CPU's list registers and the cell's own lines.
//!
//! `vgic` names only lines the sealed plan gave the cell (its `Config`), so no call here reaches another cell's.

use super::{Gic, bit};
use crate::cell::Cell;
use crate::el2::sysreg::{ICH_EISR_EL2, ICH_ELRSR_EL2, ICH_HCR_EL2, ICH_VTR_EL2, list_register, set_list_register};
use tock_registers::interfaces::{Readable, Writeable};
use vgic::{Hardware, ListRegister, Maintenance};

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

/// Picks the set or the clear register.
macro_rules! set_or_clear {
    ($lines:expr, $vcpu:expr, $intid:expr, $on:expr, $set:ident, $clear:ident, $set0:ident, $clear0:ident) => {{
        let bit = bit($intid);
        if $intid < 32 {
            if let Some(vcpu) = $lines.cell.vcpus.get($vcpu) {
                let private = vcpu.redistributor.private;
                if $on { private.$set0.set(bit) } else { private.$clear0.set(bit) }
            }
        } else {
            let registers = $lines.gic.distributor.lines;
            let registers = if $on { &registers.$set } else { &registers.$clear };
            if let Some(word) = registers.get($intid as usize / 32) {
                word.set(bit);
            }
        }
    }};
}

/// Tells whether no list register of this CPU holds an interrupt.
pub fn all_empty() -> bool {
    u64::from(ICH_ELRSR_EL2::get().count_ones()) > ICH_VTR_EL2::get() & 0x1f
}

impl Hardware for Lines {
    #[inline]
    fn read_lr(&self, n: usize) -> ListRegister {
        ListRegister(list_register(n))
    }

    #[inline]
    fn write_lr(&mut self, n: usize, value: ListRegister) {
        set_list_register(n, value.0);
    }

    #[inline]
    fn empty(&self) -> u32 {
        ((ICH_ELRSR_EL2::get() | ICH_EISR_EL2::get()) & 0xffff) as u32
    }

    fn maintenance(&mut self, wanted: Maintenance) {
        ICH_HCR_EL2::set((ICH_HCR_EL2::get() & !u64::from(Maintenance::ALL)) | u64::from(wanted.0));
    }

    fn take_eoi_count(&mut self) -> u32 {
        let value = ICH_HCR_EL2::get();
        if value & EOI_COUNT != 0 {
            ICH_HCR_EL2::set(value & !EOI_COUNT);
        }
        ((value & EOI_COUNT) >> 27) as u32
    }

    fn set_enable(&mut self, vcpu: usize, intid: u32, on: bool) {
        set_or_clear!(self, vcpu, intid, on, ISENABLER, ICENABLER, ISENABLER0, ICENABLER0);
    }

    fn set_pending(&mut self, vcpu: usize, intid: u32, on: bool) {
        set_or_clear!(self, vcpu, intid, on, ISPENDR, ICPENDR, ISPENDR0, ICPENDR0);
    }

    fn is_pending(&self, vcpu: usize, intid: u32) -> bool {
        let word = if intid < 32 {
            self.cell.vcpus.get(vcpu).map_or(0, |vcpu| vcpu.redistributor.private.ISPENDR0.get())
        } else {
            self.gic.distributor.lines.ISPENDR.get(intid as usize / 32).map_or(0, Readable::get)
        };
        word & bit(intid) != 0
    }

    fn set_active(&mut self, vcpu: usize, intid: u32, on: bool) {
        set_or_clear!(self, vcpu, intid, on, ISACTIVER, ICACTIVER, ISACTIVER0, ICACTIVER0);
    }

    fn route(&mut self, intid: u32, vcpu: usize) {
        if let Some(vcpu) = self.cell.vcpus.get(vcpu) {
            self.gic.route(intid, vcpu.mpidr);
        }
    }
}
