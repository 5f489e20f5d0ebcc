//! A cell at run time: its vCPUs, virtual devices and state.
//!
//! Built once by `build` from the sealed plan, then shared by its CPUs. Its locks are its own: no other cell's exit path
//! takes them (invariant 4). What crosses cells is atomic: `state`, `attention`, the console rings.

mod build;
mod enter;
mod load;
mod stop;
mod vcpu;

pub use build::build_all;
pub use enter::{resume_at, run_vcpu};
pub use load::load;
pub use stop::{Reason, leave, retire, stop};
pub use vcpu::{Seat, Vcpu};

use crate::console::LogRing;
use crate::gic::lines::Lines;
use address::{Address, Ipa, PhysAddr};
use alloc::vec::Vec;
use console::Ring;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use plan::{SealedCell, SealedPlan};
use spin::Once;
use spin::mutex::TicketMutex;
use vgic::{Kicks, Vgic};
use vpsci::Power;
use vuart::Uart;

/// Bytes of a cell's console output that may wait for the service CPU.
pub const OUTPUT_BYTES: usize = 4096;
/// Bytes of console input that may wait for a cell.
pub const INPUT_BYTES: usize = 256;

/// What a cell is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Built, not yet started.
    Ready,
    /// Running.
    Running,
    /// Its vCPUs are on their way out.
    Stopping,
    /// Over.
    Stopped,
    /// Its image was refused at start.
    Refused,
}

impl State {
    /// The word the monitor shows.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Refused => "refused",
        }
    }
}

/// Requests to a cell's CPUs that need the cell's locks: bits of `Cell::attention`.
pub mod attention {
    /// Input waits, or output has room again.
    pub const UART: u32 = 1 << 0;
}

/// One partition.
pub struct Cell {
    /// Its name.
    pub name: &'static str,
    /// Its number in the plan.
    pub index: usize,
    /// Its part of the plan.
    pub sealed: &'static SealedCell<'static>,
    /// The whole plan, to judge what lies outside the cell's map.
    pub plan: &'static SealedPlan<'static>,
    /// Its vCPUs by number.
    pub vcpus: Vec<Vcpu>,
    /// Virtual machine id.
    pub vmid: u16,
    /// Which vCPUs are on.
    pub power: Power,
    /// The virtual GIC.
    pub vgic: TicketMutex<Vgic>,
    /// The emulated UART.
    pub uart: TicketMutex<Uart>,
    /// Bytes for the console: written under `uart`'s lock, read by the service CPU.
    pub output: Ring<OUTPUT_BYTES>,
    /// Why it ended: shown by the service CPU after all of `output`.
    pub farewell: LogRing,
    /// Bytes from the console: written by the service CPU, read under `uart`'s lock.
    pub input: Ring<INPUT_BYTES>,
    /// The guest found `output` full and wants to hear of room.
    pub wants_room: AtomicBool,
    /// Bits of [`attention`].
    pub attention: AtomicU32,
    /// Offset of its virtual counter, taken when it starts.
    pub counter_offset: AtomicU64,
    /// Accesses to holes and the like, of which only some are logged.
    pub noise: AtomicU32,
    /// vCPUs that run the guest.
    pub active: AtomicUsize,
    /// What must be put into RAM before it starts.
    pub images: load::Images,
    state: AtomicU8,
}

static CELLS: Once<&'static [Cell]> = Once::new();

/// Publishes the cells: the commit.
pub fn commit(cells: &'static [Cell]) {
    CELLS.call_once(|| cells);
}

/// All cells.
pub fn all() -> &'static [Cell] {
    CELLS.get().copied().unwrap_or(&[])
}

impl Cell {
    /// What it is doing.
    #[inline]
    pub fn state(&self) -> State {
        match self.state.load(Ordering::Acquire) {
            0 => State::Ready,
            1 => State::Running,
            2 => State::Stopping,
            3 => State::Stopped,
            _ => State::Refused,
        }
    }

    /// Moves from one state to another; false where it was in neither.
    pub fn change(&self, from: State, to: State) -> bool {
        self.state.compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The physical side of its interrupts.
    #[inline]
    pub fn lines(&'static self) -> Option<Lines> {
        Some(Lines { cell: self, gic: crate::gic::get()? })
    }

    /// Sends a kick to each vCPU named.
    #[inline]
    pub fn kick(&self, kicks: Kicks) {
        let mut rest = kicks.0;
        while rest != 0 {
            if let Some(vcpu) = self.vcpus.get(rest.trailing_zeros() as usize) {
                vcpu.kick();
            }
            rest &= rest.wrapping_sub(1);
        }
    }

    /// Asks one of its CPUs to look at `attention`; from any CPU.
    pub fn ask(&self, bits: u32) {
        self.attention.fetch_or(bits, Ordering::Release);
        if let Some(vcpu) = self.vcpus.iter().find(|vcpu| self.power.is_on(vcpu.index)) {
            vcpu.kick();
        }
    }

    /// Lets `vcpu` take what waits for it: SGIs, overflowed interrupts, console input.
    #[inline]
    pub fn attend(&'static self, vcpu: &Vcpu) {
        if self.attention.load(Ordering::Relaxed) != 0 {
            self.attend_uart();
        }
        let Some(mut lines) = self.lines() else { return };
        let kicks = self.vgic.lock().sync(vcpu.index, &vcpu.inbox, &mut lines);
        self.kick(kicks);
    }

    #[cold]
    fn attend_uart(&'static self) {
        if self.attention.swap(0, Ordering::Acquire) & attention::UART != 0 {
            let mut uart = self.uart.lock();
            uart.receive(|| self.input.pop());
            if self.output.room() >= OUTPUT_BYTES / 2 {
                uart.transmit_ready(true);
            }
            let level = uart.interrupt();
            drop(uart);
            self.uart_line(level);
        }
    }

    /// Drives the emulated UART's interrupt line.
    pub fn uart_line(&'static self, high: bool) {
        if let (Some(uart), Some(mut lines)) = (self.sealed.uart, self.lines()) {
            let kicks = self.vgic.lock().set_line(uart.intid, high, &mut lines);
            self.kick(kicks);
        }
    }

    /// Translates an address of its RAM by the plan.
    pub fn ram(&self, ipa: Ipa) -> Option<PhysAddr> {
        self.sealed.ram.iter().find_map(|run| {
            let offset = ipa.get().checked_sub(run.ipa.get())?;
            (offset < run.pa.size()).then(|| run.pa.base().checked_add(offset))?
        })
    }

    /// Tells whether another line about what its guest does may be logged: the first few, then ever fewer.
    pub fn may_log(&self) -> bool {
        let seen = self.noise.fetch_add(1, Ordering::Relaxed);
        seen < 8 || seen.is_power_of_two()
    }

    /// All its vCPUs, to be kicked.
    pub fn everyone(&self) -> Kicks {
        Kicks(self.vcpus.iter().fold(0, |mask, vcpu| mask | vcpu.bit()))
    }
}
