//! Who is inside a cell: a count that can be closed while it is 0.
//!
//! Promises that between a successful [`Gate::close`] and the next [`Gate::open`] nobody enters, so that the closer has
//! the cell to itself; and that of those who leave an ending cell, one is told to be the last.

#[cfg(not(loom))]
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering;
#[cfg(loom)]
use loom::sync::atomic::AtomicU32;

/// Closed to everybody; the count below it is 0.
const CLOSED: u32 = 1 << 31;

/// The gate of one cell.
#[derive(Debug)]
pub struct Gate(AtomicU32);

impl Gate {
    /// Makes a closed gate.
    #[must_use]
    pub fn closed() -> Self {
        Self(AtomicU32::new(CLOSED))
    }

    /// Goes in; false where it is closed.
    #[must_use]
    pub fn enter(&self) -> bool {
        let more = |count: u32| (count & CLOSED == 0).then(|| count.saturating_add(1));
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok()
    }

    /// Goes out again; true for the last.
    pub fn leave(&self) -> bool {
        self.0.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Closes it if nobody is inside.
    #[must_use]
    pub fn close(&self) -> bool {
        self.0.compare_exchange(0, CLOSED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Opens it with the caller, who closed it, inside; false where it is blocked.
    #[must_use]
    pub fn open(&self) -> bool {
        self.0.compare_exchange(CLOSED, 1, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Tells whether it is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.load(Ordering::Acquire) == CLOSED
    }

    /// Puts somebody inside who never leaves: it cannot be closed any more.
    pub fn block(&self) {
        self.0.fetch_and(!CLOSED, Ordering::AcqRel);
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}
