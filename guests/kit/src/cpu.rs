//! The CPU's own registers and plain device accesses (DDI 0487 D13, C6).

use core::arch::asm;

/// Reads a system register by its name.
#[macro_export]
macro_rules! read_sysreg {
    ($name:literal) => {{
        let value: u64;
        // SAFETY: reading a system register at EL1 changes no memory.
        unsafe { core::arch::asm!(concat!("mrs {}, ", $name), out(reg) value, options(nostack)) };
        value
    }};
}

/// Writes a system register by its name, then synchronises.
#[macro_export]
macro_rules! write_sysreg {
    ($name:literal, $value:expr) => {{
        let value: u64 = $value;
        // SAFETY: the guests write only registers of the timer and the interrupt controller's CPU interface,
        // which move no memory.
        unsafe { core::arch::asm!(concat!("msr ", $name, ", {}"), "isb", in(reg) value, options(nostack)) };
    }};
}

/// The low 32 bits.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "as the name says")]
pub const fn low32(value: u64) -> u32 {
    value as u32
}

/// A number of the tree as an address.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "a guest is 64-bit")]
pub const fn address(value: u64) -> usize {
    value as usize
}

/// Reads a device's 32-bit register with a plain `ldr`.
///
/// # Safety
/// `address` is a device register of this machine.
#[must_use]
pub unsafe fn read32(address: usize) -> u32 {
    let value: u32;
    // SAFETY: by the caller; `ldr` with one base register, so the syndrome is valid.
    unsafe { asm!("ldr {:w}, [{}]", out(reg) value, in(reg) address, options(nostack)) };
    value
}

/// Writes a device's 32-bit register with a plain `str`.
///
/// # Safety
/// `address` is a device register of this machine.
pub unsafe fn write32(address: usize, value: u32) {
    // SAFETY: by the caller.
    unsafe { asm!("str {:w}, [{}]", in(reg) value, in(reg) address, options(nostack)) };
}

/// This CPU's affinity, as `reg` of its node and PSCI name it.
#[must_use]
pub fn affinity() -> u64 {
    read_sysreg!("mpidr_el1") & 0xff_00ff_ffff
}

/// The exception level.
#[must_use]
pub fn exception_level() -> u64 {
    read_sysreg!("currentel") >> 2 & 3
}

/// Lets interrupts in.
pub fn unmask_irq() {
    // SAFETY: the vectors were installed before the first line of Rust.
    unsafe { asm!("msr daifclr, #2", options(nostack)) };
}

/// Keeps interrupts out.
pub fn mask_irq() {
    // SAFETY: changes PSTATE only.
    unsafe { asm!("msr daifset, #2", options(nostack)) };
}

/// Waits for an interrupt, masked or not.
pub fn wait() {
    // SAFETY: waiting changes nothing.
    unsafe { asm!("dsb sy", "wfi", options(nostack)) };
}

/// Waits for ever; interrupts that are let in are still served.
pub fn park() -> ! {
    loop {
        wait();
    }
}

/// Synchronises the context: what follows sees what was written before.
pub fn isb() {
    // SAFETY: a barrier.
    unsafe { asm!("isb", options(nostack)) };
}

unsafe extern "C" {
    static _start: u8;
    static __memory_end: u8;
}

/// Where this guest's image begins.
#[must_use]
pub fn image_start() -> usize {
    (&raw const _start).expose_provenance()
}

/// Where its bss and stacks end.
#[must_use]
pub fn image_end() -> usize {
    (&raw const __memory_end).expose_provenance()
}

/// Loads from this guest's memory.
#[must_use]
pub fn peek(address: usize) -> u64 {
    let value;
    // SAFETY: a load changes nothing.
    unsafe { asm!("ldr {}, [{}]", out(reg) value, in(reg) address, options(nostack, readonly)) };
    value
}

/// Stores into this guest's memory, behind its image.
pub fn poke(address: usize, value: u64) {
    // SAFETY: nothing of this program lies there.
    unsafe { asm!("str {}, [{}]", in(reg) value, in(reg) address, options(nostack)) };
}
