//! Software generated interrupts: what a write of `ICC_SGI1R_EL1` means in a cell, and the inbox that carries it.
//!
//! Owns the decode and the lock-free way from sender to target. Promises that an SGI reaches vCPUs of the own cell only.
//! IHI 0069H 12.2.16 (`ICC_SGI0R_EL1`), 12.2.18 (`ICC_SGI1R_EL1`).
use core::sync::atomic::{AtomicU32, Ordering};

/// A generated SGI: which vCPUs, and the bit to [`Inbox::post`] to each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sgi {
    /// Target vCPUs, bit `n` for vCPU `n`; may name the sender.
    pub targets: u32,
    /// SGI `n` as bit `n` (`ICC_SGI1R_EL1`), or as bit 16 + `n` where only group 0 may be generated.
    pub bit: u32,
}

/// Decodes a write of `ICC_SGI1R_EL1` by vCPU `from` of a cell of `vcpus`, whose affinities are 0.0.0.n.
#[inline]
#[must_use]
pub fn sgi1r(value: u64, from: usize, vcpus: usize) -> Sgi {
    const IRM: u64 = 1 << 40;
    const AFFINITY_AND_RS: u64 = 0x00ff_f0ff_00ff_0000;
    let all = crate::masked::bit(vcpus).wrapping_sub(1);
    let targets = if value & IRM != 0 {
        all & !crate::masked::bit(from)
    } else if value & AFFINITY_AND_RS != 0 {
        0
    } else {
        (value & 0xffff) as u32 & all
    };
    Sgi { targets, bit: crate::masked::bit((value >> 24 & 0xf) as usize) }
}

/// Decodes a write of `ICC_SGI0R_EL1` or `ICC_ASGI1R_EL1`: the same layout, but only SGIs configured as group 0 are generated.
#[inline]
#[must_use]
pub fn sgi0r(value: u64, from: usize, vcpus: usize) -> Sgi {
    let Sgi { targets, bit } = sgi1r(value, from, vcpus);
    Sgi { targets, bit: bit << 16 }
}

/// SGIs on their way to one vCPU, outside the cell's lock.
#[derive(Debug, Default)]
pub struct Inbox {
    sgis: AtomicU32,
}

impl Inbox {
    /// An empty inbox.
    #[must_use]
    pub const fn new() -> Self {
        Self { sgis: AtomicU32::new(0) }
    }
    /// Leaves an SGI ([`Sgi::bit`]). True if the vCPU must be kicked: nothing was waiting before.
    #[inline]
    #[must_use = "a kick that is not sent loses an interrupt"]
    pub fn post(&self, bit: u32) -> bool {
        self.sgis.fetch_or(bit, Ordering::Release) == 0
    }
    /// Takes all SGIs that wait.
    #[inline]
    pub(crate) fn take(&self) -> u32 {
        if self.sgis.load(Ordering::Relaxed) == 0 { 0 } else { self.sgis.swap(0, Ordering::Acquire) }
    }
    /// Takes the SGI `bit` if it is all that waits.
    #[inline]
    pub(crate) fn take_only(&self, bit: u32) -> bool {
        self.sgis.compare_exchange(bit, 0, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }
    /// Drops what waits: when its vCPU is reset.
    pub fn clear(&self) {
        self.sgis.store(0, Ordering::Relaxed);
    }
}
