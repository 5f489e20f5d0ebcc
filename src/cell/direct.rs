//! Kicking a vCPU whose interrupts are passed through: no interrupt of EL2 is sure to reach it.
//!
//! The *zap*: the kicker makes the vCPU's own stage-2 root invalid and invalidates its TLB entries, so that its next fetch
//! or access aborts to EL2. Promises that a kick is seen in every state of the guest: running by the zap; asleep, which it
//! can be in EL2 only (`HCR_EL2.TWI`), by an SGI. DDI 0487 D8.2; the TLB instruction acts on the VMID in `VTTBR_EL2`.

use super::vcpu::{Seat, Vcpu};
use crate::el2::barrier;
use crate::el2::cache::Hardware;
use crate::el2::sysreg::VTTBR_EL2;
use crate::gic;
use crate::memory::map::Tables;
use core::sync::atomic::{AtomicBool, Ordering};
use spin::mutex::TicketMutex;
use stage2::{Regime, Stage2};

/// What a vCPU with passed-through interrupts has besides.
pub struct Direct {
    /// The cell's tables.
    pub stage2: Stage2,
    /// Its VMID.
    pub vmid: u16,
    /// Its root is revoked; locked by a kicker, and by its own CPU, each for one revocation.
    pub zapped: TicketMutex<bool>,
    /// It is in its guest, or about to be.
    pub inside: AtomicBool,
}

impl Vcpu {
    /// `VTTBR_EL2` of this vCPU.
    #[inline]
    pub fn vttbr(&self, vmid: u16) -> u64 {
        u64::from(vmid) << 48 | address::Address::get(self.root)
    }

    /// Brings it to EL2 wherever its guest is.
    pub fn zap(&self, direct: &Direct) {
        let mut zapped = direct.zapped.lock();
        if !*zapped {
            *zapped = true;
            direct.stage2.revoke(&mut Tables, self.index);
            let own = VTTBR_EL2::get();
            VTTBR_EL2::set(self.vttbr(direct.vmid));
            barrier::synchronize();
            stage2::publish(&mut Hardware, Regime::Cell { vmid: direct.vmid });
            VTTBR_EL2::set(own);
            barrier::synchronize();
        }
        drop(zapped);
        if !direct.inside.load(Ordering::SeqCst)
            && let Some(gic) = gic::get()
        {
            gic.send(self.cpu, gic::KICK);
        }
    }

    /// Undoes a zap of the calling CPU's vCPU; false if there was none.
    pub fn reinstate(&self) -> bool {
        let Some(direct) = &self.direct else { return false };
        let mut zapped = direct.zapped.lock();
        if *zapped {
            direct.stage2.reinstate(&mut Tables, self.index);
            barrier::complete();
            barrier::synchronize();
        }
        core::mem::take(&mut *zapped)
    }
}

/// Waits in EL2 for an interrupt, the guest's or a kick; not at all where a kick would not be heard.
pub fn doze(seat: Seat) {
    let (Some(direct), Some(gic)) = (&seat.vcpu.direct, gic::get()) else { return };
    direct.inside.store(false, Ordering::SeqCst);
    if !*direct.zapped.lock() && gic.hears_kick() {
        barrier::wait_for_interrupt();
    }
    direct.inside.store(true, Ordering::SeqCst);
    gic.clear_kick(seat.vcpu.cpu);
}
