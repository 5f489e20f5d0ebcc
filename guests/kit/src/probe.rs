//! Accesses that may abort: the abort comes back as a value instead of ending the guest.

use crate::cpu;
use core::arch::asm;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// A synchronous abort, as ESR_EL1 and FAR_EL1 tell it.
#[derive(Clone, Copy, Debug)]
pub struct Abort {
    /// The syndrome.
    pub esr: u64,
    /// The faulting address.
    pub far: u64,
}

impl Abort {
    /// Whether it is a synchronous external abort, not on a table walk (fault status 0b010000).
    #[must_use]
    pub fn is_external(&self) -> bool {
        self.esr & 0x3f == 0x10
    }
}

static EXPECTING: AtomicBool = AtomicBool::new(false);
static ABORTED: AtomicBool = AtomicBool::new(false);
static ESR: AtomicU64 = AtomicU64::new(0);
static FAR: AtomicU64 = AtomicU64::new(0);

/// Records an abort if one is expected; the trap handler then returns to where `x30` of a fetch, or the next
/// instruction of a load or store, stands.
pub(crate) fn record(esr: u64, far: u64) -> bool {
    if !EXPECTING.load(Relaxed) {
        return false;
    }
    EXPECTING.store(false, Relaxed);
    ESR.store(esr, Relaxed);
    FAR.store(far, Relaxed);
    ABORTED.store(true, Relaxed);
    true
}

fn attempt<T>(access: impl FnOnce() -> T) -> Result<T, Abort> {
    ABORTED.store(false, Relaxed);
    EXPECTING.store(true, Relaxed);
    let value = access();
    cpu::isb();
    EXPECTING.store(false, Relaxed);
    if ABORTED.load(Relaxed) { Err(Abort { esr: ESR.load(Relaxed), far: FAR.load(Relaxed) }) } else { Ok(value) }
}

/// Loads 32 bits.
pub fn read(address: usize) -> Result<u32, Abort> {
    attempt(|| {
        let value: u32;
        // SAFETY: an abort is caught by the trap handler, which steps over this one instruction.
        unsafe { asm!("ldr {:w}, [{}]", "dsb sy", out(reg) value, in(reg) address, options(nostack)) };
        value
    })
}

/// Stores 32 bits.
pub fn write(address: usize, value: u32) -> Result<(), Abort> {
    attempt(|| {
        // SAFETY: as in `read`; that the store may damage is what an attacker wants.
        unsafe { asm!("str {:w}, [{}]", "dsb sy", in(reg) value, in(reg) address, options(nostack)) };
    })
}

/// Calls what lies there; what is there had better return.
pub fn fetch(address: usize) -> Result<(), Abort> {
    attempt(|| {
        // SAFETY: on an abort the trap handler returns to the link register.
        unsafe { asm!("blr {}", in(reg) address, clobber_abi("C")) };
    })
}
