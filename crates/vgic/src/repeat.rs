//! The same interrupt again: the cheapest delivery, without the cell's lock.
//!
//! Owns what a CPU has to remember for it: the physical PPI and the SGI that the guest had last, and the list registers
//! they had, which the virtual GIC leaves to them while it has others. While the guest has ended one and nothing about it
//! has changed, writing that list register once more is all there is to do. A change by another vCPU on its way takes
//! effect when this one syncs, as for any interrupt that is in a list register already. IHI 0069H 6.2 (list registers).
use crate::ListRegister;

/// One interrupt and its list register.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// What is written into the list register.
    pub lr: ListRegister,
    /// Its INTID, which says nothing without a list register.
    pub intid: u32,
    /// The list register, as a bit; 0 if none.
    pub slot: u32,
}

/// What a vCPU's CPU may do without the lock: a copy of [`crate::Vgic::repeat`], renewed after each operation of that vCPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repeat {
    /// The physical PPI that came last.
    pub ppi: Place,
    /// The SGI that came last; on `GICv2` from the sender that its list register names.
    pub sgi: Place,
}
