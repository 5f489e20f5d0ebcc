//! System registers that `aarch64-cpu` does not have, under the manual's names.
//!
//! DDI 0487 D24, IHI 0069 12. Each is a unit struct with `get` and/or `set`, as tock-registers' traits spell them.

macro_rules! system_registers {
    ($($(#[$doc:meta])* $name:ident = $asm:literal: $($access:ident)+;)+) => {$(
        $(#[$doc])*
        #[allow(non_camel_case_types, reason = "the manual's name")]
        pub struct $name;
        impl $name {
            $(system_registers!(@$access $asm);)+
        }
    )+};
    (@read $asm:literal) => {
        /// Reads the register.
        #[inline(always)]
        pub fn get() -> u64 {
            let value: u64;
            // SAFETY: reading this register, which may acknowledge an interrupt, touches no memory of ours.
            unsafe { core::arch::asm!(concat!("mrs {}, ", $asm), out(reg) value, options(nostack)) };
            value
        }
    };
    (@write $asm:literal) => {
        /// Writes the register.
        #[inline(always)]
        pub fn set(value: u64) {
            // SAFETY: EL2 owns this register; what the value allows a guest is stated where it is made.
            unsafe { core::arch::asm!(concat!("msr ", $asm, ", {}"), in(reg) value, options(nostack)) };
        }
    };
}

system_registers! {
    /// Virtualization Processor ID: what a guest reads as `MIDR_EL1`.
    VPIDR_EL2 = "vpidr_el2": write;
    /// Stage-2 table and VMID.
    VTTBR_EL2 = "vttbr_el2": read write;
    /// Hypervisor system trap register.
    HSTR_EL2 = "hstr_el2": write;
    /// Counter-timer hypervisor physical timer: when.
    CNTHP_CVAL_EL2 = "cnthp_cval_el2": write;
    /// Interrupt controller system register enable.
    ICC_SRE_EL2 = "S3_4_C12_C9_5": write;
    /// Interrupt acknowledge, group 1.
    ICC_IAR1_EL1 = "S3_0_C12_C12_0": read;
    /// End of interrupt, group 1.
    ICC_EOIR1_EL1 = "S3_0_C12_C12_1": write;
    /// Deactivate interrupt.
    ICC_DIR_EL1 = "S3_0_C12_C11_1": write;
    /// Priority mask.
    ICC_PMR_EL1 = "S3_0_C4_C6_0": read write;
    /// Running priority.
    ICC_RPR_EL1 = "S3_0_C12_C11_3": read;
    /// Active priorities, group 1.
    ICC_AP1R0_EL1 = "S3_0_C12_C9_0": read write;
    /// Binary point, group 1.
    ICC_BPR1_EL1 = "S3_0_C12_C12_3": read write;
    /// CPU interface control.
    ICC_CTLR_EL1 = "S3_0_C12_C12_4": read write;
    /// Group 1 enable.
    ICC_IGRPEN1_EL1 = "S3_0_C12_C12_7": read write;
    /// Software generated interrupt, group 1.
    ICC_SGI1R_EL1 = "S3_0_C12_C11_5": write;
    /// Virtual interface control.
    ICH_HCR_EL2 = "S3_4_C12_C11_0": read write;
    /// Virtual interface type.
    ICH_VTR_EL2 = "S3_4_C12_C11_1": read;
    /// Virtual machine control.
    ICH_VMCR_EL2 = "S3_4_C12_C11_7": write;
    /// Empty list registers.
    ICH_ELRSR_EL2 = "S3_4_C12_C11_5": read;
    /// List registers whose interrupt was ended and asks for maintenance.
    ICH_EISR_EL2 = "S3_4_C12_C11_3": read;
    /// Active priorities, group 0.
    ICH_AP0R0_EL2 = "S3_4_C12_C8_0": write;
    /// Active priorities, group 1.
    ICH_AP1R0_EL2 = "S3_4_C12_C9_0": write;
    /// Instruction set attributes 2.
    ID_AA64ISAR2_EL1 = "S3_0_C0_C6_2": read;
    /// Memory model features 3.
    ID_AA64MMFR3_EL1 = "S3_0_C0_C7_3": read;
    /// Performance monitors control.
    PMCR_EL0 = "pmcr_el0": read write;
    /// Selects an event counter.
    PMSELR_EL0 = "pmselr_el0": write;
    /// Disables counters.
    PMCNTENCLR_EL0 = "pmcntenclr_el0": write;
    /// Disables their interrupts.
    PMINTENCLR_EL1 = "pmintenclr_el1": write;
    /// Clears their overflows.
    PMOVSCLR_EL0 = "pmovsclr_el0": write;
    /// Debug claim tags.
    DBGCLAIMCLR_EL1 = "dbgclaimclr_el1": write;
    /// Extended hypervisor configuration.
    HCRX_EL2 = "S3_4_C1_C2_2": write;
    /// OS double lock.
    OSDLR_EL1 = "osdlr_el1": write;
    /// SVE control.
    ZCR_EL2 = "S3_4_C1_C2_0": write;
    /// SME control.
    SMCR_EL2 = "S3_4_C1_C2_6": write;
}

macro_rules! list_registers {
    ($($asm:literal)+) => {
        /// `ICH_LR<n>_EL2`: the list registers, by number (0 to 15).
        #[inline(always)]
        pub fn list_register(n: usize) -> u64 {
            let value: u64;
            // SAFETY: reading a list register has no side effect, and each takes eight bytes of code.
            unsafe {
                core::arch::asm!("adr {at}, 2f", "add {at}, {at}, {n}, lsl #3", "br {at}",
                    "2:", $(concat!("mrs {value}, ", $asm), "b 3f",)+ "3:",
                    at = out(reg) _, n = in(reg) n & 15, value = out(reg) value, options(nomem, nostack))
            }
            value
        }

        /// Writes `ICH_LR<n>_EL2`.
        #[inline(always)]
        pub fn set_list_register(n: usize, value: u64) {
            // SAFETY: the value is the virtual GIC's, whose promise is that HW-linked ids are the cell's own; else as above.
            unsafe {
                core::arch::asm!("adr {at}, 2f", "add {at}, {at}, {n}, lsl #3", "br {at}",
                    "2:", $(concat!("msr ", $asm, ", {value}"), "b 3f",)+ "3:",
                    at = out(reg) _, n = in(reg) n & 15, value = in(reg) value, options(nostack))
            }
        }
    };
}

list_registers! {
    "S3_4_C12_C12_0" "S3_4_C12_C12_1" "S3_4_C12_C12_2" "S3_4_C12_C12_3"
    "S3_4_C12_C12_4" "S3_4_C12_C12_5" "S3_4_C12_C12_6" "S3_4_C12_C12_7"
    "S3_4_C12_C13_0" "S3_4_C12_C13_1" "S3_4_C12_C13_2" "S3_4_C12_C13_3"
    "S3_4_C12_C13_4" "S3_4_C12_C13_5" "S3_4_C12_C13_6" "S3_4_C12_C13_7"
}
