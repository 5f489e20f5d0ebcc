//! The zap: a kick that no guest can hold off and that needs no interrupt controller.
//!
//! The kicker empties the vCPU's own stage-2 root and its TLB entries, so that its next fetch aborts to EL2; there its CPU
//! looks at what was asked of it and puts the root back. Asleep it must be woken besides, by an SGI. The protocol is
//! `lifecycle::Zap`'s. DDI 0487 D8.2; the TLB instruction is for the VMID in `VTTBR_EL2`, over a table empty by then.

use super::{Cell, Vcpu};
use crate::el2::barrier;
use crate::el2::cache::Hardware;
use crate::el2::sysreg::VTTBR_EL2;
use crate::memory::map::Tables;
use address::Address;
use stage2::Regime;

impl Cell {
    /// `VTTBR_EL2` while `vcpu` runs. The cell's VMID is one above its number.
    pub fn vttbr(&self, vcpu: &Vcpu) -> u64 {
        (self.index as u64).wrapping_add(1) << 48 | vcpu.root.get()
    }

    /// Brings `vcpu` to EL2, from any CPU, unless it sleeps.
    pub fn zap(&self, vcpu: &Vcpu) {
        vcpu.zap.take(|| {
            stage2::give(&Tables, vcpu.root, false);
            let mine = VTTBR_EL2::get();
            VTTBR_EL2::set(self.vttbr(vcpu));
            barrier::synchronize();
            stage2::publish(&mut Hardware, Regime::Cell);
            VTTBR_EL2::set(mine);
            barrier::synchronize();
        });
    }
}

impl Vcpu {
    /// Tells whether an abort of it, this CPU's, comes of a zap, and undoes that. Invalid entries are in no TLB.
    pub fn zapped(&self) -> bool {
        self.zap.give(|| {
            stage2::give(&Tables, self.root, true);
            barrier::complete();
        })
    }
}
