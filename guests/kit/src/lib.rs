//! What the bare-metal guests share. A guest is an arm64 Image that runs at EL1 with the MMU off, at whatever
//! 2 MiB-aligned address it is loaded, and learns its machine from the device tree in x0: as a cell, or alone
//! on QEMU's `virt`. Since the MMU is off, memory is Device memory: no exclusive access is used anywhere, only
//! plain loads and stores, and CPUs take turns by flags.
//!
//! A guest names its three entry points with [`guest!`] and is then given a [`Machine`].
#![no_std]

pub mod console;
pub mod cpu;
pub mod gic;
pub mod machine;
pub mod probe;
pub mod psci;
pub mod sandbox;
pub mod timer;
mod trap;
pub mod tree;

pub use machine::Machine;

core::arch::global_asm!(include_str!("entry.S"));
core::arch::global_asm!(include_str!("vectors.S"));

unsafe extern "Rust" {
    /// The guest's first CPU, given by [`guest!`].
    safe fn guest_main(machine: Machine) -> !;
    /// The guest's other CPUs, by index.
    safe fn guest_secondary(index: usize) -> !;
    /// An acknowledged interrupt, ended when this returns.
    safe fn guest_irq(intid: u32);
}

/// Names a guest's entry points: `guest!(main, secondary, irq)`.
#[macro_export]
macro_rules! guest {
    ($main:path, $secondary:path, $irq:path) => {
        #[unsafe(no_mangle)]
        fn guest_main(machine: $crate::Machine) -> ! {
            $main(machine)
        }
        #[unsafe(no_mangle)]
        fn guest_secondary(index: usize) -> ! {
            $secondary(index)
        }
        #[unsafe(no_mangle)]
        fn guest_irq(intid: u32) {
            $irq(intid)
        }
    };
}

/// For a guest that starts no other CPU.
pub fn no_secondary(_: usize) -> ! {
    cpu::park()
}

/// For a guest that takes no interrupts.
pub fn no_irq(_: u32) {}

#[unsafe(no_mangle)]
extern "C" fn kit_start(tree: usize) -> ! {
    guest_main(Machine::discover(tree))
}

#[unsafe(no_mangle)]
extern "C" fn kit_secondary(index: usize) -> ! {
    guest_secondary(index)
}

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    println!("guest: PANIC: {info}");
    psci::system_off()
}
