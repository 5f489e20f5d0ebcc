//! A cell at run time: its vCPUs, virtual devices and state.
//!
//! Built once by `build` from the sealed plan, then shared by its CPUs. Its locks are its own: no other cell's exit path
//! takes them (invariant 4). What crosses cells is atomic: `state`, `attention`, the console rings.

mod build;
mod enter;
mod load;
mod start;
mod stop;
mod vcpu;
mod zap;

pub use build::build_all;
pub use enter::{prepare, resume_at, run_vcpu};
pub use start::{NEWS_BYTES, refuse, work};
pub use stop::{end, leave, lose, retire, stop, watch};
pub use vcpu::{Doorbells, Seat, Vcpu};

use crate::console::LogRing;
use crate::el2::barrier::{Held, Lock, hold};
use crate::gic::Gic;
use crate::gic::lines::Lines;
use crate::memory::published::Published;
use crate::trap;
use address::{Address, Ipa, PhysAddr};
use alloc::vec::Vec;
use console::Ring;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use lifecycle::{Life, Watchdog};
use plan::{SealedCell, SealedPlan, VirtualDevice};
use vgic::{Kicks, Vgic};
use vpsci::Power;
use vuart::Uart;

/// Bytes of a cell's console output that may wait for the service CPU.
pub const OUTPUT_BYTES: usize = 4096;
/// Bytes of console input that may wait for a cell.
pub const INPUT_BYTES: usize = 256;

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
    /// How SGIs name their CPUs.
    pub doorbells: Doorbells,
    /// The board's GIC.
    pub gic: &'static Gic,
    /// Which vCPUs are on.
    pub power: Power,
    /// The virtual GIC.
    pub vgic: Lock<Vgic>,
    /// What its guests know of that.
    pub shown: trap::Shown,
    /// The emulated UART.
    pub uart: Lock<Uart>,
    /// Bytes for the console: written under `uart`'s lock, read by the service CPU.
    pub output: Ring<OUTPUT_BYTES>,
    /// What was dropped of them, as far as that was said.
    pub dropped: AtomicU32,
    /// What EL2 says of it: its starts and ends.
    pub news: LogRing,
    /// Where `output` stood then: the service CPU shows `news` once it has shown that much.
    pub said: AtomicU32,
    /// Bytes from the console: written by the service CPU, read under `uart`'s lock.
    pub input: Ring<INPUT_BYTES>,
    /// The guest found `output` full and wants to hear of room.
    pub wants_room: AtomicBool,
    /// One of its CPUs is to look at the emulated devices: input waits, output has room again, the watchdog gave its first signal.
    pub attention: AtomicBool,
    /// Offset of its virtual counter, taken when it starts.
    pub counter_offset: AtomicU64,
    /// Accesses to holes and the like, of which only some are logged.
    pub noise: AtomicU32,
    /// Where it stands between built and over, and who is inside.
    pub life: Life,
    /// When it ended last.
    pub ended: AtomicU64,
    /// When a CPU left it last.
    pub left: AtomicU64,
    /// Ends it where its guest no longer refreshes it.
    pub watchdog: Watchdog,
    /// Touching another's property gives its guest an abort and does not stop it.
    pub forgiving: bool,
    /// What must be put into RAM before it starts.
    pub images: load::Images,
}

static CELLS: Published<Vec<Cell>> = Published::new();

/// Publishes the cells: the commit.
pub fn commit(cells: &'static Vec<Cell>) {
    CELLS.set(cells);
}

/// All cells.
pub fn all() -> &'static [Cell] {
    CELLS.get().map_or(&[], |cells| cells)
}

impl Cell {
    /// The physical side of its interrupts.
    #[inline]
    pub fn lines(&'static self) -> Lines {
        Lines(self)
    }

    /// Sends a kick to each vCPU named.
    #[inline]
    pub fn kick(&self, kicks: Kicks) {
        let mut rest = kicks.0;
        while rest != 0 {
            if let Some(vcpu) = self.vcpus.get(rest.trailing_zeros() as usize) {
                vcpu.kick(self);
            }
            rest &= rest.wrapping_sub(1);
        }
    }

    /// Asks one of its CPUs for `attention`; from any CPU.
    pub fn ask(&self) {
        self.attention.store(true, Ordering::Release);
        if let Some(vcpu) = self.vcpus.iter().find(|vcpu| self.power.is_on(vcpu.index)).or(self.vcpus.first()) {
            vcpu.kick(self);
        }
    }

    /// Lets `vcpu` take what waits for it: SGIs, overflowed interrupts, console input.
    #[inline]
    pub fn attend(&'static self, vcpu: &Vcpu) {
        if self.attention.load(Ordering::Relaxed) {
            self.attend_devices();
        }
        if !self.sealed.passthrough {
            self.with_vgic(vcpu, |vgic, lines| vgic.sync(vcpu.index, &vcpu.inbox, lines));
        }
    }

    /// Works on the virtual GIC for `vcpu`, on its CPU, and kicks whom that concerns.
    #[inline]
    pub fn with_vgic(&'static self, vcpu: &Vcpu, work: impl FnOnce(&mut Vgic, &mut Lines) -> Kicks) {
        let mut lines = self.lines();
        let mut vgic = hold(&self.vgic);
        let kicks = work(&mut vgic, &mut lines);
        self.release(vcpu, vgic, kicks);
    }

    #[inline(never)]
    fn release(&'static self, vcpu: &Vcpu, vgic: Held<'_, Vgic>, kicks: Kicks) {
        vcpu.again.renew(self.gic, self, vcpu, vgic.repeat(vcpu.index));
        drop(vgic);
        self.kick(kicks);
    }

    #[cold]
    fn attend_devices(&'static self) {
        if self.attention.swap(false, Ordering::Acquire) {
            self.line(self.sealed.watchdog, self.watchdog.signals());
            let mut uart = hold(&self.uart);
            uart.receive(|| self.input.pop());
            if self.output.room() >= OUTPUT_BYTES / 2 {
                uart.transmit_ready(true);
            }
            self.line(self.sealed.uart, uart.interrupt());
        }
    }

    /// Drives an emulated device's interrupt line; the UART's under its lock: levels come in the order in which they were.
    pub fn line(&'static self, device: Option<VirtualDevice>, high: bool) {
        if let Some(VirtualDevice { intid, .. }) = device {
            let kicks = hold(&self.vgic).set_line(intid, high, &mut self.lines());
            self.kick(kicks);
        }
    }

    /// Silences its lines.
    pub fn quiet(&self) {
        self.sealed.interrupts.iter().for_each(|interrupt| self.gic.quiet(interrupt.intid));
    }

    /// Translates an address of its RAM by the plan.
    pub fn ram(&self, ipa: Ipa) -> Option<PhysAddr> {
        self.sealed.ram.iter().find_map(|run| {
            let offset = ipa.get().checked_sub(run.ipa.get())?;
            (offset < run.pa.size()).then(|| run.pa.base().checked_add(offset))?
        })
    }
}
