//! Code that nobody vouches for, one instruction at a time, at EL1 or EL0: whatever it does to registers or flow,
//! control comes back, by the `brk` behind it, by any exception, or by the timer. The instruction stands in the
//! middle of a wide field of `brk`, so that a branch ends in one too. It runs on SP_EL0 with interrupts let in; it
//! may change memory its registers point at, and system registers.

use crate::cpu::{self, address, low32};
use crate::{Machine, gic, timer, write_sysreg};
use core::arch::{asm, global_asm};

global_asm!(include_str!("sandbox.S"));

unsafe extern "C" {
    fn sandbox_enter(registers: *const u64, spsr: u64, code: usize, stack: usize) -> Pair;
}

/// What the assembly returns: ESR_EL1 (all ones for an interrupt) and the code's last x0.
#[repr(C)]
struct Pair {
    esr: u64,
    x0: u64,
}

/// Where the code ran to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// To the `brk` behind it, or to another; x0 then.
    Through(u64),
    /// Undefined at this exception level (EC 0).
    Undefined,
    /// An abort or another exception, with this syndrome.
    Exception(u64),
    /// Nowhere: the timer ended it.
    Interrupted,
}

const BRK: u32 = 0xd420_0ee0;
const BRK_ESR: u64 = 0xf200_0077;
/// A conditional branch reaches a mebibyte.
const FIELD: usize = 1 << 20;
/// PSTATE at EL1t and at EL0t: D, A and F masked, I not.
const SPSR: [u64; 2] = [0x344, 0x340];

/// The field and what runs in it.
pub struct Sandbox {
    code: usize,
    /// 64 KiB of memory for the code to write to.
    pub scratch: u64,
}

impl Sandbox {
    /// Lays out the field in the middle of the guest's memory, which had better have 4 MiB, and readies the timer.
    #[must_use]
    pub fn new(machine: &Machine) -> Self {
        let (base, size) = machine.memory;
        let code = address(base + size / 8 * 5) & !0xfff;
        for at in (code - FIELD..code + FIELD).step_by(4) {
            // SAFETY: the guest's own memory, clear of its image at the start and of its tree.
            unsafe { cpu::write32(at, BRK) };
        }
        maintain(code);
        // SAFETY: makes all of the field visible to fetches.
        unsafe { asm!("dsb sy", "ic iallu", "dsb sy", "isb", options(nostack)) };
        write_sysreg!("cpacr_el1", 0b11 << 20);
        gic::init();
        gic::enable(machine.timer_intid);
        Self { code, scratch: (code + FIELD) as u64 + 0x1_0000 }
    }

    /// Where the instruction stands.
    #[must_use]
    pub fn code(&self) -> u64 {
        self.code as u64
    }

    /// Runs one instruction with these registers.
    pub fn run(&self, instruction: u32, registers: &[u64; 31], user: bool) -> Exit {
        // SAFETY: the field is this guest's own.
        unsafe { cpu::write32(self.code, instruction) };
        maintain(self.code);
        timer::arm(timer::now() + timer::frequency() / 500);
        // SAFETY: whatever the code does, the vectors bring it back here with the callee's registers restored; what it
        // may write to is what its registers say.
        let Pair { esr, x0 } =
            unsafe { sandbox_enter(registers.as_ptr(), SPSR[usize::from(user)], self.code, address(self.scratch)) };
        timer::disarm();
        // Whatever else it let in is ended too.
        while let Some(token) = gic::acknowledge() {
            gic::end(token);
        }
        match esr {
            u64::MAX => Exit::Interrupted,
            BRK_ESR => Exit::Through(x0),
            _ if esr >> 26 == 0 => Exit::Undefined,
            _ => Exit::Exception(esr),
        }
    }

    /// Runs one instruction at EL1 with x0 given, the others harmless.
    pub fn one(&self, instruction: u32, x0: u64) -> Exit {
        let mut registers = [self.scratch; 31];
        registers[0] = x0;
        self.run(instruction, &registers, false)
    }
}

/// Makes one word visible to fetches.
fn maintain(at: usize) {
    // SAFETY: maintenance of this guest's own memory.
    unsafe { asm!("dc cvau, {0}", "dsb sy", "ic ivau, {0}", "dsb sy", "isb", in(reg) at, options(nostack)) };
}

/// An exception's class and, for aborts, its fault status: enough to count by.
#[must_use]
pub fn class(esr: u64) -> (u32, u32) {
    (low32(esr >> 26), low32(esr & 0x3f))
}

/// A generator that repeats itself from its seed.
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits (splitmix64).
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}
