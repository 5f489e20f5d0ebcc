//! What traps to EL2 and what is the guest's own: the table behind the isolation of cells.
//!
//! A vCPU owns its physical CPU for good. So what is private to a CPU (FP registers, debug registers, counters, its
//! translation regime) may be the guest's without a trap; what reaches past the CPU (firmware, SGIs, power requests,
//! error records, implementation-defined controls) traps. DDI 0487 D24.2 (each register by name).

use crate::features::Features;
use crate::table::table;

table! {
    /// Hypervisor configuration: what routes, what traps, what stays open.
    ///
    /// | clear | bits | why |
    /// |---|---|---|
    /// | VF, VI, VSE | 8:6 | virtual interrupts come from list registers, a virtual SError from a handler |
    /// | FB, BSU | 11:9 | vCPUs never move: a guest's own shareability choice is right as it stands |
    /// | DC | 12 | with its MMU off a guest sees memory as bare metal does |
    /// | TWE | 14 | the CPU is the vCPU's own, so it may sleep on it; interrupts wake it through EL2 |
    /// | TID0-TID3 | 18:15 | guests read the CPU's own ID registers; what they show is enabled here |
    /// | TSW | 22 | under VM and SWIO set and way loses no data; on shared caches it costs time, as evictions do |
    /// | TPCP, TPU, TTLB | 25:23 | maintenance by address or VMID reaches the cell's own only |
    /// | TVM, TRVM | 30, 26 | stage 1 is the guest's business |
    /// | TGE | 27 | EL1 exists |
    /// | TDZ | 28 | DC ZVA goes through stage 2 |
    /// | HCD | 29 | HVC is the guest's way to PSCI |
    /// | CD, ID | 33:32 | stage 2 caches what its attributes say |
    /// | E2H | 34 | EL2 hosts no applications; the layouts in this file are those of E2H = 0 |
    /// | TLOR | 35 | ordering regions order this CPU's accesses only |
    /// | TEA | 37 | a synchronous external abort of the guest's access is the guest's to handle |
    /// | NV, NV1, NV2 | 45, 43:42 | no nested virtualisation |
    /// | AT | 44 | address translation is the guest's own |
    /// | FWB | 46 | crate stage2 encodes MemAttr as without FWB |
    /// | FIEN | 47 | fault injection into error records stays closed |
    /// | TID4, TID5 | 58, 49 | as TID0-TID3 |
    HCR_EL2 {
        "VM" = 1 << 0, "stage 2 stands between the guest and every physical address";
        "SWIO" = 1 << 1, "invalidate by set and way cleans too: it loses no other cell's dirty lines";
        "PTW" = 1 << 2, "a guest's table walk that hits device memory aborts instead of reading a device";
        "FMO" = 1 << 3, without PASSTHROUGH_V2, "FIQs come to EL2, and the guest's mask cannot hold them; SGI registers trap";
        "IMO" = 1 << 4, without PASSTHROUGH, "IRQs come to EL2; ICC_* become the virtual interface, ICC_SGI1R_EL1 traps";
        "AMO" = 1 << 5, "SErrors come to EL2, which knows whose device or memory failed";
        "TWI" = 1 << 13, with PASSTHROUGH, "a guest that masks all at its GIC sleeps in EL2, where it can be woken, or not";
        "TSC" = 1 << 19, "SMC traps: firmware serves EL2 only";
        "TIDCP" = 1 << 20, "implementation-defined registers trap: some control clusters or shared caches";
        "TACR" = 1 << 21, "ACTLR_EL1 traps: implementation-defined, on some CPUs the cluster's";
        "RW" = 1 << 31, "EL1 is AArch64: AArch32 guests are not offered";
        "TERR" = 1 << 36, with RAS, "error records trap: those of shared caches and memory are every cell's";
        "APK" = 1 << 40, with POINTER_AUTH, "the guest's keys are its own: they sit in this CPU";
        "API" = 1 << 41, with POINTER_AUTH, "ID registers show pointer authentication: let it run";
        "EnSCXT" = 1 << 53, with SCXTNUM, "SCXTNUM_EL1 and SCXTNUM_EL0 are private to the CPU, and shown";
        "ATA" = 1 << 56, with MTE, "ID registers show allocation tags: let the guest use those of its RAM";
    }
}

table! {
    /// Extended hypervisor configuration; written where [`Features::HCX`] is.
    ///
    /// | clear | bits | why |
    /// |---|---|---|
    /// | EnAS0, EnALS, EnASR | 2:0 | 64-byte loads and stores go to accelerators no cell owns |
    /// | FnXS | 3 | TLB maintenance keeps waiting for XS memory too |
    /// | TALLINT, VINMI, VFNMI | 8:6 | no non-maskable interrupts are offered |
    HCRX_EL2 {
        "MSCEn" = 1 << 11, with MOPS, "memory copy and set instructions are shown and run: userlands use them";
        "TCR2En" = 1 << 14, with TCR2, "TCR2_EL1 is shown, and translation is the guest's own";
        "SCTLR2En" = 1 << 15, with SCTLR2, "SCTLR2_EL1 is shown, and controls this CPU's EL1 only";
    }
}

table! {
    /// Fine-grained traps, `HFGRTR_EL2` and `HFGWTR_EL2` alike; written where [`Features::FGT`] is, with 0 in
    /// `HFGITR_EL2`, `HDFGRTR_EL2` and `HDFGWTR_EL2`. Bits whose names begin with n are gates: set is open.
    HFGXTR_EL2 {
        "nSMPRI_EL1" = 1 << 54, with SME, "streaming priority is shown with SME; SMPRIMAP_EL2 is not in use";
        "nTPIDR2_EL0" = 1 << 55, with SME, "SME's thread register is private to the CPU";
        "nPIRE0_EL1, nPIR_EL1" = 0b11 << 57, with S1PIE, "permission indirection is shown, and stage 1's business";
        "nPOR_EL0, nPOR_EL1" = 0b11 << 59, with S1POE, "permission overlays are shown, and stage 1's business";
    }
}

table! {
    /// Traps of floating point, SVE, SME and trace.
    ///
    /// | clear | bits | why |
    /// |---|---|---|
    /// | TFP | 10 | FP registers are the guest's: EL2 is built without floating point and never touches them |
    /// | TAM | 30 | activity monitors count this CPU only |
    /// | TCPAC | 31 | CPACR_EL1 is the guest's own |
    CPTR_EL2 {
        "RES1" = 1 << 13 | 1 << 9 | 0xff, "reserved, one";
        "TZ" = 1 << 8, without SVE, "reserved, one, where there is no SVE; where there is, it is the guest's";
        "TSM" = 1 << 12, without SME, "reserved, one, where there is no SME; where there is, it is the guest's";
        "TTA" = 1 << 20, "trace registers trap: a trace unit reports to the board, not to the cell";
    }
}

table! {
    /// SVE vector length for EL1; written where [`Features::SVE`] is.
    ZCR_EL2 {
        "LEN" = 0xf, "the longest the CPU has, as bare metal would";
    }
}

table! {
    /// SME vector length and features for EL1; written where [`Features::SME`] is.
    SMCR_EL2 {
        "LEN" = 0xf, "the longest the CPU has, as bare metal would";
        "EZT0" = 1 << 30, "ZT0 is a register like the others";
        "FA64" = 1 << 31, "the whole instruction set in streaming mode, where the CPU has it";
    }
}

table! {
    /// Debug, performance monitors and profiling. [`mdcr_el2`] adds HPMN.
    ///
    /// | clear | bits | why |
    /// |---|---|---|
    /// | TPMCR, TPM | 6:5 | the PMU is the guest's: it counts this CPU only |
    /// | HPME | 7 | no counter is reserved for EL2 |
    /// | TDE | 8 | debug exceptions are the guest's to take |
    /// | TDA | 9 | breakpoints and watchpoints are the guest's: they sit in this CPU and match EL1 and EL0 only |
    /// | E2PB | 13:12 | EL1 cannot own the profiling buffer: its registers trap |
    /// | E2TB | 25:24 | EL1 cannot own the trace buffer: its registers trap |
    /// | TDCC | 27 | the debug channel ends at an external debugger, at no other cell |
    /// | MTPME | 28 | events of the core's other threads are not counted |
    MDCR_EL2 {
        "TDOSA" = 1 << 10, "OS lock and DBGPRCR_EL1 trap: the latter asks for resets and power";
        "TDRA" = 1 << 11, "the debug ROM's address traps: it names board addresses";
        "TPMS" = 1 << 14, with SPE, "profiling controls trap: samples would tell of EL2";
        "HPMD" = 1 << 17, with PMU_V3P1, "the guest's event counters stand still in EL2: they tell nothing of it";
        "TTRF" = 1 << 19, with TRF, "trace filters trap, as the trace unit does";
        "HCCD" = 1 << 23, with PMU_V3P5, "its cycle counter stands still in EL2 too";
    }
}

/// Returns `MDCR_EL2` with HPMN = `counters`, which is `PMCR_EL0.N`: all event counters are the guest's.
#[must_use]
pub const fn mdcr_el2(features: Features, counters: u64) -> u64 {
    MDCR_EL2.value(features) | if features.has(Features::PMU) { counters & 0x1f } else { 0 }
}

table! {
    /// Timers and counters.
    ///
    /// | clear | bits | why |
    /// |---|---|---|
    /// | EVNTEN | 2 | no event stream from EL2 |
    /// | ECV | 12 | the physical counter is not offset |
    /// | EL1TVT, EL1TVCT | 14:13 | the virtual timer is the guest's |
    CNTHCTL_EL2 {
        "EL1PCTEN" = 1 << 0, "the physical counter is readable: it only counts";
        "EL1PCEN" = 1 << 1, "the EL1 physical timer is this CPU's and so the guest's; EL2 has its own";
    }
}

table! {
    /// `AArch32` coprocessor 15, from EL0.
    ///
    /// | clear | bits | why |
    /// |---|---|---|
    /// | T0-T15 | 15:0 | AArch32 EL0 reaches only what the guest's EL1 lets it |
    HSTR_EL2 {}
}

table! {
    /// `GICv3`'s virtual CPU interface. IHI 0069 12.4.
    ///
    /// | clear | bits | why |
    /// |---|---|---|
    /// | UIE, LRENPIE, NPIE | 3:1 | set only while interrupts wait for a list register |
    /// | TALL0, TALL1, TSEI | 13:11 | the virtual interface is the guest's: a trap would protect nothing |
    /// | TDIR | 14 | deactivation is the virtual interface's work |
    ICH_HCR_EL2 {
        "En" = 1 << 0, without PASSTHROUGH, "list registers reach the guest";
        "TC" = 1 << 10, with PASSTHROUGH, "under FMO the common registers would be the virtual interface's, the others are not";
    }
}

table! {
    /// The system register interface of `GICv3`. IHI 0069 12.2.
    ICC_SRE_EL2 {
        "SRE" = 1 << 0, "EL2 drives the GIC by system registers";
        "DFB" = 1 << 1, "no FIQ bypass";
        "DIB" = 1 << 2, "no IRQ bypass";
        "Enable" = 1 << 3, "ICC_SRE_EL1 does not trap: clearing SRE there costs the guest its own interface, no more";
    }
}
