//! A cell's watchdog: the generic one of Arm's BSA (DEN 0094, "Generic Watchdog"), version 0, from the guest's accesses
//! and the counter's time. Its first signal is an interrupt of the cell, its second ends it.
//!
//! Shared by the cell's CPUs and by the service CPU, which looks when it is due, without a lock.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Control and status: enabled, first signal.
const WCS: u64 = 0;
/// Ticks from a refresh to the first signal, and from that to the second.
const WOR: u64 = 8;
/// When the next signal is due; the upper half follows.
const WCV: u64 = 0x10;
/// Refresh, in the second frame.
const WRR: u64 = FRAME_BYTES;
/// Bytes of a frame: control is first.
pub const FRAME_BYTES: u64 = 0x1000;

/// The watchdog of one cell.
#[derive(Debug)]
pub struct Watchdog {
    /// `WOR` at reset; 0: there is no watchdog.
    first: u32,
    offset: AtomicU32,
    /// When the next signal is due, even; odd: it is the second one; 0: off.
    due: AtomicU64,
}

impl Watchdog {
    /// Makes one that ends its cell after `ticks` without a refresh, if its guest does not change that.
    #[must_use]
    pub fn new(ticks: u64) -> Self {
        let first = u32::try_from(ticks / 2).unwrap_or(u32::MAX);
        Self { first, offset: AtomicU32::new(first), due: AtomicU64::new(0) }
    }

    /// Starts it with its cell.
    pub fn start(&self, now: u64) {
        self.offset.store(self.first, Relaxed);
        self.set(self.first != 0, now);
    }

    /// Turns it on, anew, or off.
    pub fn set(&self, on: bool, now: u64) {
        let due = now.saturating_add(self.offset.load(Relaxed).into()) & !1;
        self.due.store(if on { due } else { 0 }, Relaxed);
    }

    /// Reads a register; the guest's counter began at `began`.
    pub fn read(&self, at: u64, began: u64) -> u32 {
        let due = self.due.load(Relaxed);
        let compare = due.wrapping_sub(began);
        let value = match at {
            WCS => u64::from(due != 0) | (due & 1) << 1,
            WOR => self.offset.load(Relaxed).into(),
            WCV => compare,
            0x14 => compare >> 32,
            _ => 0,
        };
        (value & 0xffff_ffff) as u32
    }

    /// Writes a register; true where it may be due sooner than before.
    pub fn write(&self, at: u64, value: u32, now: u64) -> bool {
        let on = self.due.load(Relaxed) != 0;
        match at {
            WCS => self.set(value & 1 != 0, now),
            WOR => {
                self.offset.store(value, Relaxed);
                self.set(on, now);
            }
            WRR => self.set(on, now),
            _ => {}
        }
        at <= WOR
    }

    /// Tells whether its first signal is there.
    #[must_use]
    pub fn signals(&self) -> bool {
        self.due.load(Relaxed) & 1 != 0
    }

    /// Tells when to look again, for ever if it is off; 0: the cell is over.
    pub fn look(&self, now: u64) -> u64 {
        let due = self.due.load(Relaxed);
        let next = match due {
            0 => return u64::MAX,
            _ if now < due => return due,
            _ if due & 1 != 0 => 0,
            _ => now.saturating_add(self.offset.load(Relaxed).into()) | 1,
        };
        // Who refreshes it at this moment comes first.
        if self.due.compare_exchange(due, next, Relaxed, Relaxed).is_ok() { next } else { now.saturating_add(1) }
    }
}
