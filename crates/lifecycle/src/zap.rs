//! Taking a vCPU's memory from it for a moment, so that its CPU must come to EL2 whatever its guest has done to it.
//!
//! Owns the order between whoever kicks, on any CPU, and the vCPU's own CPU. Promises, without a lock or a wait: what a
//! kicker wrote before [`Zap::take`] is seen by the vCPU's CPU behind a [`Zap::give`] that tells true; an abort that a zap
//! caused is told from one that the guest caused; nobody takes while another takes or gives.

use core::sync::atomic::Ordering;
#[cfg(not(loom))]
use core::sync::atomic::{AtomicU8, fence};
#[cfg(loom)]
use loom::sync::atomic::{AtomicU8, fence};

const ITS_OWN: u8 = 0;
const TAKING: u8 = 1;
const TAKEN: u8 = 2;

/// Whether one vCPU has its memory; it has at first.
#[derive(Debug, Default)]
pub struct Zap(AtomicU8);

impl Zap {
    /// A kicker's part: `empty` makes the vCPU's tables and TLB entries invalid. Whoever comes second need not: the vCPU
    /// will look at what it wrote too.
    pub fn take(&self, empty: impl FnOnce()) {
        fence(Ordering::SeqCst);
        if self.0.compare_exchange(ITS_OWN, TAKING, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            fence(Ordering::SeqCst);
            empty();
            self.0.store(TAKEN, Ordering::Release);
        }
    }

    /// The part of the vCPU's CPU, after an abort: `fill` makes its tables valid again. False where no zap has caused it;
    /// else the kick is to be looked at. While the taking is not finished the guest goes on, into the next abort.
    #[must_use]
    pub fn give(&self, fill: impl FnOnce()) -> bool {
        let state = self.0.load(Ordering::Acquire);
        if state == TAKEN {
            fill();
            self.0.store(ITS_OWN, Ordering::Release);
            fence(Ordering::SeqCst);
        }
        state != ITS_OWN
    }
}
