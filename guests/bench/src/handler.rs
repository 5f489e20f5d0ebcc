//! What the vectors call: notes when an interrupt or a fault reached its handler, ends it, answers the other CPU.

use crate::count;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering::Relaxed};
use kit::gic::{self, Sgi};
use kit::{cpu, timer, write_sysreg};

/// SGI: just be there.
pub const HERE: u32 = 3;
/// SGI: answer with [`ANSWER`].
pub const ECHO: u32 = 5;
/// SGI: time how it is ended.
pub const TIMED: u32 = 7;

/// What a CPU's handler noted.
pub struct Noted {
    /// The counter.
    pub at: AtomicU64,
    /// Interrupts so far.
    pub count: AtomicU64,
}

/// By CPU.
pub static NOTED: [Noted; 2] = [const { Noted { at: AtomicU64::new(0), count: AtomicU64::new(0) } }; 2];
/// What ending [`TIMED`] took.
pub static END: AtomicU64 = AtomicU64::new(0);
/// Made ready by the CPU that answers.
pub static ANSWER: AtomicPtr<Sgi> = AtomicPtr::new(null_mut());

/// The frame of `vectors.S`.
#[repr(C)]
struct Frame {
    registers: [u64; 22],
    elr: u64,
    spsr: u64,
}

const _: () = assert!(size_of::<Frame>() == 192, "vectors.S saves 192 bytes");

unsafe extern "C" {
    static bench_vectors: [u8; 0];
}

/// Makes the vectors this CPU's.
pub fn install() {
    write_sysreg!("vbar_el1", (&raw const bench_vectors).addr() as u64);
}

/// What this CPU's handler notes.
pub fn here() -> &'static Noted {
    &NOTED[usize::from(cpu::affinity() & 1 != 0)]
}

#[unsafe(no_mangle)]
extern "C" fn bench_irq(now: u64, _frame: &mut Frame) {
    let Some(token) = gic::acknowledge() else { return };
    match token & 0x3ff {
        // SAFETY: null, or what the CPU that answers keeps for good.
        ECHO => unsafe { ANSWER.load(Relaxed).as_ref() }.into_iter().for_each(|answer| answer.send()),
        0..16 => {}
        _ => timer::disarm(),
    }
    if token & 0x3ff == TIMED {
        END.store(count_end(token), Relaxed)
    } else {
        gic::end(token)
    }
    let noted = here();
    noted.at.store(now, Relaxed);
    noted.count.store(noted.count.load(Relaxed) + 1, Relaxed);
}

/// Ends an interrupt; returns what that took.
fn count_end(token: u32) -> u64 {
    match gic::cpu_interface() {
        // SAFETY: ends the interrupt that was acknowledged.
        0 => unsafe {
            count!("msr icc_eoir1_el1, {token}", "isb", ; token = in(reg) u64::from(token), options(nostack))
        },
        // SAFETY: the same, by the interface's register.
        base => unsafe {
            count!("str {token:w}, [{eoir}]", "dsb sy", ; token = in(reg) token, eoir = in(reg) base + 0x10, options(nostack))
        },
    }
}

/// A fault: goes on behind what faulted.
#[unsafe(no_mangle)]
extern "C" fn bench_sync(now: u64, frame: &mut Frame) {
    here().at.store(now, Relaxed);
    frame.elr += 4;
}
