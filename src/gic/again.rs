//! The interrupt that came last, once more: what a CPU puts into a list register without its cell's lock. `vectors.S` does
//! it for what was acknowledged, [`Again::send`] for the SGI that a vCPU sends itself.

use super::v2::{V2, pack};
use super::{Acknowledged, Driver, Gic};
use crate::cell::Cell;
use crate::el2::sysreg::set_list_register;
use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::ptr::from_ref;
use tock_registers::interfaces::Writeable;
use vgic::{Place, Repeat, Sgi};

/// A vCPU's copy of [`vgic::Vgic::repeat`], renewed after each of its operations; only its own CPU may use it. Each place
/// has what `ICC_IAR1_EL1` or `GICC_IAR` says of it, and the list register in the board's form.
pub struct Again(UnsafeCell<State>);

#[repr(C)]
struct State {
    repeat: Repeat,
    /// `GICv2`: where the CPU interface and the virtual interface control are.
    frames: [usize; 2],
    /// The SGI is the vCPU's own.
    own: bool,
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
        Self(UnsafeCell::new(State { repeat: Repeat::NONE, frames, own: false }))
    }

    /// Takes the virtual GIC's word for what came last to vCPU `index` of `cell`.
    pub fn renew(&self, gic: &Gic, cell: &Cell, index: usize, mut repeat: Repeat) {
        let mut own = true;
        let places = [&mut repeat.ppi, &mut repeat.sgi];
        if let Driver::V2(_) = gic.driver {
            let sender = repeat.sgi.lr.sender();
            own = sender == index;
            let number = cell.vcpus.get(sender).map_or(0, |vcpu| gic.target(vcpu.cpu).trailing_zeros());
            repeat.sgi.intid |= number << 10;
            for place in [&mut repeat.ppi, &mut repeat.sgi] {
                place.lr.0 = pack(place.lr.0).into();
            }
        } else {
            // Others have no place in `vectors.S`.
            places.into_iter().for_each(|place| place.slot &= 0xf);
        }
        // SAFETY: nobody reads meanwhile, see `Sync`.
        let state = unsafe { &mut *self.0.get() };
        (state.repeat, state.own) = (repeat, own);
    }

    /// Delivers an SGI that the vCPU sends itself, if it is the one that came last; false: nothing was done.
    #[inline]
    pub fn send(&self, gic: &Gic, intid: u32) -> bool {
        // SAFETY: nobody writes meanwhile, see `Sync`.
        let State { repeat: Repeat { sgi: Place { lr, intid: last, slot }, .. }, own, .. } = unsafe { &*self.0.get() };
        if !own || last & 0x3ff != intid || gic.empty_lrs() & slot == 0 {
            return false;
        }
        match &gic.driver {
            Driver::V2(V2 { hypervisor, .. }) => {
                if let Some(register) = hypervisor.LR.get(slot.trailing_zeros() as usize) {
                    register.set((lr.0 & 0xffff_ffff) as u32);
                }
            }
            Driver::V3(_) => set_list_register(slot.trailing_zeros() as usize & 3, lr.0),
        }
        true
    }
}

impl Gic {
    /// The guest's SGI that a physical one stands for; nothing if no vCPU of `cell` sent it.
    pub fn sgi(&self, interrupt: Acknowledged, cell: &Cell) -> Option<Sgi> {
        let bit = 1 << interrupt.intid();
        let Driver::V2(_) = self.driver else { return Some(Sgi { targets: 0, bit, sender: 0 }) };
        let source = 1 << (interrupt.0 >> 10 & 7);
        let sender = cell.vcpus.iter().position(|vcpu| self.target(vcpu.cpu) == source)?;
        Some(Sgi { targets: 0, bit: bit << 16, sender: 1 << (sender & 7) })
    }
}
