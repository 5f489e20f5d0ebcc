//! Accesses and instructions that may not come through: the exception comes back as a value instead of ending the
//! guest. Probes run on the first CPU only, with interrupts masked (DDI 0487 D24.2.40, `ESR_EL1`).

use crate::cpu;
use core::arch::asm;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

/// A synchronous exception, as ESR_EL1 and FAR_EL1 tell it.
#[derive(Clone, Copy, Debug)]
pub struct Abort {
    /// The syndrome.
    pub esr: u64,
    /// The faulting address.
    pub far: u64,
    /// Where it was taken.
    pub elr: u64,
}

impl Abort {
    /// Whether it is a synchronous external abort, not on a table walk (fault status 0b010000).
    #[must_use]
    pub fn is_external(&self) -> bool {
        self.esr & 0x3f == 0x10 && matches!(self.esr >> 26, 0x21 | 0x25)
    }

    /// Whether it is a synchronous external abort on a walk of stage 1, of whatever level (0b0101LL).
    #[must_use]
    pub fn is_external_on_walk(&self) -> bool {
        self.esr & 0x3c == 0x14 && matches!(self.esr >> 26, 0x21 | 0x25)
    }

    /// Whether the instruction was undefined (EC 0).
    #[must_use]
    pub fn is_undefined(&self) -> bool {
        self.esr >> 26 == 0
    }
}

static EXPECTING: AtomicBool = AtomicBool::new(false);
static ABORTED: AtomicBool = AtomicBool::new(false);
static ESR: AtomicU64 = AtomicU64::new(0);
static FAR: AtomicU64 = AtomicU64::new(0);
static ELR: AtomicU64 = AtomicU64::new(0);

/// Records an exception if one is expected; the trap handler then returns behind a load or store, and from anything
/// else to its caller.
pub(crate) fn record(esr: u64, far: u64, elr: u64) -> bool {
    if !EXPECTING.load(Relaxed) {
        return false;
    }
    EXPECTING.store(false, Relaxed);
    ESR.store(esr, Relaxed);
    FAR.store(far, Relaxed);
    ELR.store(elr, Relaxed);
    ABORTED.store(true, Relaxed);
    true
}

fn attempt<T>(access: impl FnOnce() -> T) -> Result<T, Abort> {
    ABORTED.store(false, Relaxed);
    EXPECTING.store(true, Relaxed);
    let value = access();
    cpu::isb();
    EXPECTING.store(false, Relaxed);
    if ABORTED.load(Relaxed) {
        Err(Abort { esr: ESR.load(Relaxed), far: FAR.load(Relaxed), elr: ELR.load(Relaxed) })
    } else {
        Ok(value)
    }
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

/// One instruction and the return behind it.
static CODE: [AtomicU32; 2] = [const { AtomicU32::new(0) }; 2];
const RET: u32 = 0xd65f_03c0;

/// Where [`execute`]'s instruction stands: what `ELR_EL1` must say when it is undefined.
#[must_use]
pub fn code() -> usize {
    CODE.as_ptr().expose_provenance()
}

/// Runs the instruction of that encoding with x0 and x1 as given; returns x0. It may change x0 to x17, the SIMD
/// registers and the flags.
pub fn execute(instruction: u32, x0: u64, x1: u64) -> Result<u64, Abort> {
    CODE[0].store(instruction, Relaxed);
    CODE[1].store(RET, Relaxed);
    let code = code();
    // SAFETY: makes what was just stored in this guest's own memory visible to its fetches.
    unsafe {
        asm!("dc cvau, {0}", "dsb sy", "ic ivau, {0}", "dsb sy", "isb", in(reg) code, options(nostack));
    }
    attempt(|| {
        let result;
        // SAFETY: the one instruction is what the caller wants tried; on an exception the trap handler steps over it or
        // returns to the link register.
        unsafe { asm!("blr {}", in(reg) code, inout("x0") x0 => result, inout("x1") x1 => _, clobber_abi("C")) };
        result
    })
}

/// Runs one instruction at [`code`] with `MDSCR_EL1.SS` set: what comes is the step exception behind it.
pub fn step() -> Result<(), Abort> {
    /// EL1h, all masked but debug exceptions, SS.
    const STATE: u64 = 1 << 21 | 0b0111 << 6 | 0b0101;
    attempt(|| {
        // SAFETY: the one instruction is what `execute` put there, and the trap handler returns to the link register.
        unsafe {
            asm!("adr x30, 2f", "msr elr_el1, {0}", "msr spsr_el1, {1}", "eret", "2:",
                in(reg) code(), in(reg) STATE, clobber_abi("C"));
        }
    })
}

/// The encoding of `mrs x0, S<op0>_<op1>_C<crn>_C<crm>_<op2>`.
#[must_use]
pub const fn mrs([op0, op1, crn, crm, op2]: [u32; 5]) -> u32 {
    msr([op0, op1, crn, crm, op2]) | 1 << 21
}

/// The encoding of `msr S<op0>_<op1>_C<crn>_C<crm>_<op2>, x0`; with op0 1 that of `sys`.
#[must_use]
pub const fn msr([op0, op1, crn, crm, op2]: [u32; 5]) -> u32 {
    0xd500_0000 | op0 << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5
}
