//! Software generated interrupts: what a write of `ICC_SGI1R_EL1` or `GICD_SGIR` means in a cell, and the inbox that carries it.
//!
//! Owns the decode and the lock-free way from sender to target. Promises that an SGI reaches vCPUs of the own cell only.
//! IHI 0069H 12.2.16 (`ICC_SGI0R_EL1`), 12.2.18 (`ICC_SGI1R_EL1`), IHI 0048B 4.3.15 (`GICD_SGIR`).
#[cfg(not(loom))]
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering;
#[cfg(loom)]
use loom::sync::atomic::AtomicU32;

/// A generated SGI: which vCPUs, and what to [`Inbox::post`] to each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sgi {
    /// Target vCPUs, bit `n` for vCPU `n`; may name the sender.
    pub targets: u32,
    /// SGI `n` as bit `n` (`ICC_SGI1R_EL1`), or as bit 16 + `n` where only group 0 may be generated.
    pub bit: u32,
    /// `GICv2`: the sender, as a bit; 0 on `GICv3`, where nobody can tell.
    pub sender: u8,
}

/// Decodes a write of `ICC_SGI1R_EL1` by vCPU `from` of a cell of `vcpus`, whose affinities are 0.0.0.n; `group0`: of
/// `ICC_SGI0R_EL1` or `ICC_ASGI1R_EL1`, the same layout, but only SGIs configured as group 0 are generated.
#[inline]
#[must_use]
pub fn sgi1r(value: u64, from: usize, vcpus: usize, group0: bool) -> Sgi {
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
    let intid = (value >> 24 & 0xf) as usize | if group0 { 16 } else { 0 };
    Sgi { targets, bit: crate::masked::bit(intid), sender: 0 }
}

/// Decodes a write of `GICD_SGIR` by vCPU `from`. NSATT means nothing without security extensions: all are in group 0.
#[inline]
#[must_use]
pub fn sgir(value: u32, from: usize, vcpus: usize) -> Sgi {
    let all = crate::masked::bit(vcpus).wrapping_sub(1);
    let own = crate::masked::bit(from & 7);
    let targets = match value >> 24 & 3 {
        0 => value >> 16 & 0xff & all,
        1 => all & !own,
        2 => own,
        _ => 0,
    };
    let bit = crate::masked::bit((value & 0xf) as usize) << 16;
    Sgi { targets, bit, sender: (u64::from(own) & 0xff) as u8 }
}

/// SGIs on their way to one vCPU, outside the cell's lock.
#[derive(Debug, Default)]
pub struct Inbox {
    sgis: AtomicU32,
    /// `GICv2`: a byte of senders for each SGI; said before `sgis`, taken after.
    senders: [AtomicU32; 4],
}

impl Inbox {
    /// Leaves an SGI. True if the vCPU must be kicked: nothing was waiting before.
    #[inline]
    #[must_use = "a kick that is not sent loses an interrupt"]
    pub fn post(&self, sgi: Sgi) -> bool {
        if sgi.sender != 0
            && let Some((word, shift)) = self.place(sgi.bit.trailing_zeros() as usize)
        {
            word.fetch_or(u32::from(sgi.sender).wrapping_shl(shift), Ordering::Relaxed);
        }
        self.sgis.fetch_or(sgi.bit, Ordering::Release) == 0
    }
    /// Where the senders of an SGI are.
    fn place(&self, i: usize) -> Option<(&AtomicU32, u32)> {
        let byte = (i as u64 & 3) as u32;
        Some((self.senders.get(i >> 2 & 3)?, byte << 3))
    }
    /// Takes the senders of an SGI that was taken.
    pub(crate) fn take_senders(&self, i: usize) -> u8 {
        self.place(i).map_or(0, |(word, shift)| {
            let mask = 0xff_u32.wrapping_shl(shift);
            ((word.fetch_and(!mask, Ordering::Relaxed) & mask).wrapping_shr(shift) & 0xff) as u8
        })
    }
    /// Takes all SGIs that wait.
    #[inline]
    pub(crate) fn take(&self) -> u32 {
        if self.sgis.load(Ordering::Relaxed) == 0 { 0 } else { self.sgis.swap(0, Ordering::Acquire) }
    }
    /// Drops what waits: when its vCPU is reset.
    pub fn clear(&self) {
        self.sgis.store(0, Ordering::Relaxed);
        self.senders.iter().for_each(|senders| senders.store(0, Ordering::Relaxed));
    }
}
