//! Leaves everything other than it was.

use core::arch::asm;
use kit::probe::{self, msr};
use kit::{Machine, cpu, gic};

const JUNK: u64 = 0x5a5a_a5a5_5aa5_a55a;

/// What would end this guest at once, or turn its MMU on: everything else is written.
fn spared([op0, op1, crn, crm, op2]: [u32; 5]) -> bool {
    matches!(
        (op0, op1, crn, crm, op2),
        (3, 0, 1, 0, 0 | 3) // SCTLR_EL1, SCTLR2_EL1
            | (3, 0, 12, 0, 0) // VBAR_EL1
            | (3, 0, 4, 2, _) // SPSel, PAN and their like
            | (3, 3, 4, 2, 0 | 1) // NZCV, DAIF
            | (2, 0, 0, 2, 2) // MDSCR_EL1: single steps
            | (3, 0, 2, 5, _) // guarded control stacks
            | (3, 0, 12, 12, 5) // ICC_SRE_EL1
    )
}

/// Every register of this CPU that takes it.
pub fn cpu() {
    floating(|_| ());
    for fields in crate::encodings().filter(|fields| !spared(*fields)) {
        let _ = probe::execute(msr(fields), JUNK, 0);
    }
    let base = if gic::is_v2() { gic::distributor() } else { gic::redistributors() + 0x1_0000 };
    for (offset, value) in [(0x100, u32::MAX), (0x200, u32::MAX), (0x300, 0xffff), (0x400, 0x5050_5050)] {
        let _ = probe::write(base + offset, value);
    }
}

/// The registers of the distributor that hold something, last.
pub fn distributor() {
    let base = gic::distributor();
    for (offset, end) in [(0x80, 0x100), (0x104, 0x180), (0x204, 0x280), (0x304, 0x380), (0x420, 0xc00), (0xc08, 0xd00)]
    {
        for offset in (offset..end).step_by(4) {
            let _ = probe::write(base + offset, cpu::low32(JUNK));
        }
    }
    let _ = probe::write(base, 3);
}

/// The memory behind the image, the tree too.
pub fn memory(machine: &Machine) {
    let (base, size) = machine.memory;
    for at in (cpu::image_end()..cpu::address(base + size)).step_by(8) {
        cpu::poke(at, JUNK);
    }
}

/// The UART's own registers but data and control.
pub fn uart(machine: &Machine) {
    for offset in [0x20, 0x24, 0x28, 0x34, 0x38, 0x48] {
        let _ = probe::write(machine.uart.unwrap_or(0) + offset, 0x33);
    }
}

/// Tells every vector register's halves, then fills them.
pub fn floating(mut each: impl FnMut(u64)) {
    macro_rules! vectors {
        ($($n:literal)+) => {$(
            let (low, high): (u64, u64);
            // SAFETY: this guest is built without floating point: nobody else uses these registers.
            unsafe {
                asm!(".arch_extension fp", ".arch_extension simd",
                    concat!("umov {0}, v", $n, ".d[0]"), concat!("umov {1}, v", $n, ".d[1]"), concat!("dup v", $n, ".2d, {2}"),
                    out(reg) low, out(reg) high, in(reg) JUNK, options(nomem, nostack))
            };
            each(low);
            each(high);
        )+};
    }
    kit::write_sysreg!("cpacr_el1", 3 << 20);
    vectors!("0" "1" "2" "3" "4" "5" "6" "7" "8" "9" "10" "11" "12" "13" "14" "15" "16" "17" "18" "19" "20" "21" "22"
        "23" "24" "25" "26" "27" "28" "29" "30" "31");
    kit::write_sysreg!("cpacr_el1", 0);
}
