//! The interrupt that came last, once more: what a CPU puts into a list register without its cell's lock. `vectors.S` does
//! it for what was acknowledged and, on `GICv3`, for the SGI that a vCPU sends itself.

use super::v2::{V2, pack};
use super::{Acknowledged, Driver, Gic, SERVICE};
use crate::cell::{Cell, Vcpu};
use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::ptr::from_ref;
use core::sync::atomic::Ordering;
use tock_registers::interfaces::{Readable, Writeable};
use vgic::{Place, Repeat, Sgi};

/// A vCPU's copy of [`vgic::Vgic::repeat`], renewed after each of its operations; only its own CPU may use it. Each place
/// has what `ICC_IAR1_EL1` or `GICC_IAR` says of it, and the list register in the board's form; `GICv2`'s with where in the
/// frame it is, in the upper half.
pub struct Again(UnsafeCell<State>);

#[repr(C)]
struct State {
    repeat: Repeat,
    /// `GICv2`: where the CPU interface and the virtual interface control are.
    frames: [usize; 2],
    /// What the vCPU writes to `ICC_SGI1R_EL1` or `GICD_SGIR` to send itself that SGI.
    own: u64,
}

/// Where `vectors.S` finds the frames; the places, 16 bytes each, are in front.
pub const FRAMES: usize = offset_of!(State, frames);
const _: () = assert!(FRAMES == 32 && offset_of!(Place, intid) == 8 && offset_of!(Place, slot) == 12);

// SAFETY: the methods' callers are on the one CPU that runs this vCPU, in EL2, where interrupts are masked.
unsafe impl Sync for Again {}

impl Again {
    /// Nothing yet.
    pub fn new(gic: &Gic) -> Self {
        let frames = match &gic.driver {
            Driver::V2(V2 { interface, hypervisor, .. }) => {
                [from_ref(&**interface).addr(), from_ref(&**hypervisor).addr()]
            }
            Driver::V3(_) => [0; 2],
        };
        Self(UnsafeCell::new(State { repeat: Repeat::default(), frames, own: u64::MAX }))
    }

    /// Takes the virtual GIC's word for what came last to `vcpu` of `cell`.
    pub fn renew(&self, gic: &Gic, cell: &Cell, vcpu: &Vcpu, repeat: Option<&Repeat>) {
        // SAFETY: nobody reads meanwhile, see `Sync`.
        let State { repeat: Repeat { ppi, sgi }, own, .. } = unsafe { &mut *self.0.get() };
        let Some(repeat) = repeat else { return (ppi.slot, sgi.slot) = (0, 0) };
        (*ppi, *sgi) = (repeat.ppi, repeat.sgi);
        ppi.intid |= 16; // as every PPI's: none is not SGI 0
        // Others have no place in `vectors.S`, and the physical SGI of some numbers is EL2's.
        ppi.slot &= 0xf;
        sgi.slot &= if sgi.intid < SERVICE { 0xf } else { 0 };
        let bit = u64::from(vcpu.bit());
        *own = u64::from(sgi.intid) << 24 | bit;
        if let Driver::V2(_) = gic.driver
            && ppi.slot | sgi.slot != 0
        {
            let sender = sgi.lr.sender();
            *own = if sender == vcpu.index { bit << 16 | u64::from(sgi.intid) } else { u64::MAX };
            sgi.intid |= cell.doorbells.of(sender).load(Ordering::Relaxed).trailing_zeros() << 10;
            for place in [ppi, sgi] {
                let at = u64::from(place.slot.trailing_zeros() & 0x3f) << 2 | 0x100;
                place.lr.0 = at << 32 | u64::from(pack(place.lr.0));
            }
        }
    }

    #[inline(always)]
    fn state(&self) -> &State {
        // SAFETY: nobody writes meanwhile, see `Sync`.
        unsafe { &*self.0.get() }
    }

    /// `GICv2`: delivers the SGI that the vCPU sends itself by writing `value`, if it is the one that came last; false: nothing
    /// was done. `vectors.S` has the same for `GICv3`.
    #[inline(always)]
    pub fn send_v2(&self, gic: &Gic, value: u32) -> bool {
        let State { repeat: Repeat { sgi: Place { lr, slot, .. }, .. }, own, .. } = self.state();
        let Driver::V2(V2 { hypervisor, .. }) = &gic.driver else { return false };
        let fits = u64::from(value) == *own && hypervisor.ELRSR[0].get() & slot != 0;
        if fits && let Some(register) = hypervisor.LR.get(slot.trailing_zeros() as usize) {
            register.set((lr.0 & 0xffff_ffff) as u32);
        }
        fits
    }
}

impl Gic {
    /// The guest's SGI that a physical one stands for; nothing if no vCPU of `cell` sent it.
    pub fn sgi(&self, interrupt: Acknowledged, cell: &Cell) -> Option<Sgi> {
        let bit = 1 << interrupt.intid();
        let Driver::V2(_) = self.driver else { return Some(Sgi { targets: 0, bit, sender: 0 }) };
        let source = 1 << (interrupt.0 >> 10 & 7);
        let sender = cell.doorbells.0.iter().position(|doorbell| doorbell.load(Ordering::Relaxed) == source)?;
        Some(Sgi { targets: 0, bit: bit << 16, sender: 1 << (sender & 7) })
    }
}
