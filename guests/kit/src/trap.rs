//! What the vectors call: exceptions that a probe expects, interrupts, and the end of the guest for all else.

use crate::{gic, guest_irq, println, probe, psci, read_sysreg, timer, write_sysreg};

/// The frame `vectors.S` builds.
#[repr(C)]
struct Frame {
    x: [u64; 31],
    elr: u64,
    spsr: u64,
    padding: u64,
}

const _: () = assert!(size_of::<Frame>() == 272);

const DATA_ABORT: u64 = 0x25;
const SOFTWARE_STEP: u64 = 0x33;
const WATCHPOINT: u64 = 0x35;
/// `MDSCR_EL1.SS`.
const STEPPING: u64 = 1;

#[unsafe(no_mangle)]
extern "C" fn kit_sync(frame: &mut Frame) {
    let (esr, far) = (read_sysreg!("esr_el1"), read_sysreg!("far_el1"));
    let class = esr >> 26;
    if class == SOFTWARE_STEP {
        write_sysreg!("mdscr_el1", read_sysreg!("mdscr_el1") & !STEPPING);
    }
    if probe::record(esr, far, frame.elr) {
        frame.elr = if matches!(class, DATA_ABORT | WATCHPOINT) { frame.elr.wrapping_add(4) } else { frame.x[30] };
        return;
    }
    println!("guest: FAULT: esr={esr:#x} far={far:#x} elr={:#x}", frame.elr);
    psci::system_off()
}

#[unsafe(no_mangle)]
extern "C" fn kit_irq() {
    if let Some(token) = gic::acknowledge() {
        guest_irq(token & 0x3ff);
        gic::end(token);
        if gic::is_v2() {
            timer::renew();
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn kit_unexpected(vector: u64) -> ! {
    println!("guest: FAULT: vector {vector}, esr={:#x} elr={:#x}", read_sysreg!("esr_el1"), read_sysreg!("elr_el1"));
    psci::system_off()
}
