//! The virtual GIC of one cell, `GICv2` or `GICv3`: a pure state machine. No hardware access, no allocation, no panic.
//!
//! Owns: every guest-visible bit of the distributor, the redistributors and the content of the list registers of one
//! cell. Promises: an interrupt that is pending and enabled reaches a list register of its vCPU; none is delivered while
//! disabled; no vINTID stands twice in the list registers of a vCPU; a line that the cell does not own never fires and
//! never reaches hardware. Data: guest accesses and events come in, [`Hardware`] calls and [`Kicks`] go out.
//!
//! **How EL2 calls it.** One lock per cell guards the whole [`Vgic`]; `hw` is always the calling CPU's.
//! * *Guest accesses* (`access`): under the lock, on the accessing vCPU. Without an answer the interrupt stands in
//!   another vCPU's list register: drop the lock, send the kicks, `sync` oneself if kicked, call again with the same
//!   arguments. This ends, since each kicked vCPU brings it home in its `sync` (or in its `fold` when it stops), and no list
//!   register of the cell is filled until the access is done or its vCPU folds.
//! * *Physical interrupt of an owned line* (acknowledged, priority dropped, not deactivated): `physical`.
//!   Without the lock first: [`Repeat`], a copy of `Vgic::repeat` taken after the vCPU's last operation.
//! * *Kick or maintenance interrupt*: `sync` with the vCPU's [`Inbox`].
//! * *SGI registers*: [`sgi1r`], or [`sgir`] for a write at [`SGIR`]. Either `Inbox::post` for each target without
//!   the lock, with a kick if it returned true (for the sender itself: `sync` at once); or an own physical SGI to each, which
//!   there tries [`Repeat`] first and else posts and syncs.
//! * *Emulated line*: `set_line` from any CPU under the lock.
//! * Each returned [`Kicks`] must be carried out after the lock is dropped: a physical SGI to each vCPU named; where the
//!   caller's own vCPU is named (only `set_line` does that), call `sync`. A kick sent to a vCPU that is off may be dropped:
//!   `sync` runs when it is turned on.
//! * *`CPU_OFF`, stop*: `fold` on that CPU. *Start, restart*: `reset` (all vCPUs folded). *A vCPU's
//!   entry* (boot, `CPU_ON`): `vcpu_reset`, then `sync`, on its CPU.
//!
//! `GICv2` has the same list registers and events. What differs: the distributor holds the private interrupts of the vCPU
//! that accesses, SGIs have senders.
//!
//! **Passed through** (`Config::passthrough`) the physical interrupts of the cell go to its guest without EL2, so there are
//! no list registers: `access` is then the filter between guest and distributor, which lets the cell's own lines through and
//! keeps a shadow of the others; `set_line` makes an unused physical line pending; `physical`, `sync` and `fold` are never
//! called. IHI 0048B, chapters 3 to 5;
//! IHI 0069H, chapters 4 (interrupt handling), 6 (virtual interrupts), 12 (registers).
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod events;
mod hardware;
mod lists;
mod masked;
mod registers;
mod repeat;
mod sgi;
mod state;
mod v2;
mod words;

pub use hardware::{Hardware, ListRegister, field, maintenance};
pub use registers::{Access, SGIR};
pub use repeat::{Place, Repeat};
pub use sgi::{Inbox, Sgi, sgi1r, sgir};

use alloc::vec::Vec;
use masked::Masked;
use state::{Vcpu, Word};

/// The most vCPUs a cell can have.
pub const VCPUS: usize = 8;

/// What a cell's virtual GIC is built from.
#[derive(Clone, Debug)]
pub struct Config {
    /// The cell sees `GICv2`, not `GICv3` with affinity routing and one security state: what the board has, since the virtual
    /// CPU interface is the hardware's.
    pub v2: bool,
    /// vCPUs, 1 to 8; vCPU `n` has affinity 0.0.0.`n`, on `GICv2` it is CPU interface `n`.
    pub vcpus: usize,
    /// Interrupts in all, SGIs and PPIs included, 1 to 1020; rounded up to a multiple of 32 as `GICD_TYPER` tells it.
    pub lines: usize,
    /// Bits of priority that the virtual CPU interface implements (`ICH_VTR_EL2.PRIbits` + 1), 5 to 8.
    pub priority_bits: u32,
    /// List registers of each CPU, 1 to 16.
    pub list_registers: usize,
    /// The cell's interrupts reach its guest without EL2.
    pub passthrough: bool,
    /// Passed through: the SGIs that the guest may use.
    pub sgis: u32,
}

/// vCPUs that must be interrupted by a physical SGI so that they call `sync`; bit `n` is vCPU `n`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "a kick that is not sent loses an interrupt"]
pub struct Kicks(pub u32);

/// The virtual GIC of one cell.
#[derive(Debug, Default)]
pub struct Vgic {
    v2: bool,
    /// Interrupts do not come by EL2.
    direct: bool,
    count: usize,
    /// The vCPU whose operation this is, on its CPU.
    by: usize,
    vcpus: Masked<Vcpu, VCPUS>,
    /// A word of private interrupts for each of [`VCPUS`], then the SPIs.
    words: Vec<Word>,
    spare: Word,
    /// All ones where `GICD_CTLR` enables group 0, group 1.
    groups: [u32; 2],
    /// Words that may hold something ready.
    hot: u64,
    /// vCPUs to which a kick is on its way, or whose list registers have to be refilled.
    kicked: u32,
    /// Of these, those that the caller has still to be told of.
    told: u32,
    /// vCPUs where something resident changed: fold all, then refill.
    review: u32,
    /// vCPUs that may have active interrupts without a list register.
    parked: u32,
    /// `GICR_WAKER.ProcessorSleep`.
    asleep: u32,
    /// The vCPU for whose access no list register is filled.
    frozen: u32,
    /// A bit for each list register.
    slots: u32,
    /// The priority bits implemented.
    priorities: u8,
}
