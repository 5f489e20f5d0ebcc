//! The state a guest's CPU starts in.
//!
//! Owns what EL1 finds at entry and after `CPU_ON`: `EL1h`, interrupts masked, MMU and caches off, and an affinity that
//! says which vCPU it is and nothing of the board. Linux' arm64 boot protocol and PSCI (DEN 0022, `CPU_ON`) ask for the
//! same. DDI 0487 D24.2 (`SCTLR_EL1`, `VMPIDR_EL2`), C5.2 (`SPSR_EL2`).

use crate::table::table;

table! {
    /// EL1's system control at reset.
    ///
    /// | clear | bits | why |
    /// |---|---|---|
    /// | M, C, I | 12, 2, 0 | MMU and caches are off at entry |
    /// | E0E, EE | 25:24 | little-endian at entry |
    SCTLR_EL1 {
        "SA, SA0" = 0b11 << 3, "stack alignment is checked, as at reset";
        "CP15BEN" = 1 << 5, "AArch32 barriers work at EL0, as at reset";
        "nTWI, nTWE" = 1 << 16 | 1 << 18, "EL0 may wait, as at reset";
        "RES1" = 0x30d0_0800, "reserved, one, or their ARMv8.0 meaning where a later feature uses them";
    }
}

table! {
    /// `SPSR_EL2` for a guest's first instruction.
    ///
    /// | clear | bits | why |
    /// |---|---|---|
    /// | nRW | 4 | AArch64 |
    GUEST_PSTATE {
        "M" = 0b0101, "EL1 with its own stack pointer";
        "F, I, A, D" = 0b1111 << 6, "nothing interrupts a guest before it is ready";
    }
}

/// Returns `VMPIDR_EL2` of a vCPU: Aff0 = its number in the cell, U = 0, bit 31 RES1.
#[must_use]
pub const fn vmpidr_el2(vcpu: u8) -> u64 {
    1 << 31 | vcpu as u64
}
