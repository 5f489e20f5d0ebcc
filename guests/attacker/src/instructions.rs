//! Instructions: cache maintenance by set and way, EL2's registers, EL1 registers that reach past the CPU, waiting.

use crate::attempts::{Breach, Verdict, besiege};
use kit::probe::{self, mrs, msr};
use kit::{Machine, gic, read_sysreg, timer, write_sysreg};

/// DC ISW, CSW and CISW over all sets and ways of all levels.
pub fn set_way(_: &Machine) -> Result<Verdict, Breach> {
    let clidr = read_sysreg!("clidr_el1");
    let count = besiege(|| {
        for level in 0..7_u64 {
            // No cache, or instructions only.
            if clidr >> (3 * level) & 7 < 2 {
                continue;
            }
            write_sysreg!("csselr_el1", level << 1);
            let ccsidr = read_sysreg!("ccsidr_el1");
            let (line, ways, sets) = ((ccsidr & 7) + 4, ccsidr >> 3 & 0x3ff, ccsidr >> 13 & 0x7fff);
            let shift = u64::from(kit::cpu::low32(ways).leading_zeros());
            for way in 0..=ways {
                for set in 0..=sets {
                    let value = (if ways == 0 { 0 } else { way << shift }) | set << line | level << 1;
                    write_sysreg!("S1_0_C7_C6_2", value); // DC ISW
                    write_sysreg!("S1_0_C7_C10_2", value); // DC CSW
                    write_sysreg!("S1_0_C7_C14_2", value); // DC CISW
                }
            }
        }
        Ok(())
    })?;
    Ok(Verdict::NoEffect(count))
}

/// EL2's and EL3's registers, and EL2's names for EL1's.
const EL2_REGISTERS: [[u32; 5]; 30] = [
    [3, 4, 0, 0, 0],   // VPIDR_EL2
    [3, 4, 0, 0, 5],   // VMPIDR_EL2
    [3, 4, 1, 0, 0],   // SCTLR_EL2
    [3, 4, 1, 0, 1],   // ACTLR_EL2
    [3, 4, 1, 1, 0],   // HCR_EL2
    [3, 4, 1, 1, 1],   // MDCR_EL2
    [3, 4, 1, 1, 2],   // CPTR_EL2
    [3, 4, 1, 1, 3],   // HSTR_EL2
    [3, 4, 2, 0, 0],   // TTBR0_EL2
    [3, 4, 2, 0, 2],   // TCR_EL2
    [3, 4, 2, 1, 0],   // VTTBR_EL2
    [3, 4, 2, 1, 2],   // VTCR_EL2
    [3, 4, 4, 0, 0],   // SPSR_EL2
    [3, 4, 4, 0, 1],   // ELR_EL2
    [3, 4, 4, 1, 0],   // SP_EL1
    [3, 6, 4, 1, 0],   // SP_EL2
    [3, 4, 5, 2, 0],   // ESR_EL2
    [3, 4, 6, 0, 0],   // FAR_EL2
    [3, 4, 6, 0, 4],   // HPFAR_EL2
    [3, 4, 12, 0, 0],  // VBAR_EL2
    [3, 4, 12, 9, 5],  // ICC_SRE_EL2
    [3, 4, 12, 11, 0], // ICH_HCR_EL2
    [3, 4, 12, 11, 7], // ICH_VMCR_EL2
    [3, 4, 12, 12, 0], // ICH_LR0_EL2
    [3, 4, 14, 0, 3],  // CNTVOFF_EL2
    [3, 4, 14, 1, 0],  // CNTHCTL_EL2
    [3, 4, 14, 2, 1],  // CNTHP_CTL_EL2
    [3, 5, 1, 0, 0],   // SCTLR_EL12
    [3, 6, 1, 1, 0],   // SCR_EL3
    [3, 6, 12, 12, 7], // ICC_IGRPEN1_EL3
];

/// Maintenance and translation that belong to EL2.
const EL2_OPERATIONS: [[u32; 5]; 9] = [
    [1, 4, 8, 7, 0], // TLBI ALLE2
    [1, 4, 8, 7, 1], // TLBI VAE2
    [1, 4, 8, 7, 4], // TLBI ALLE1
    [1, 4, 8, 3, 4], // TLBI ALLE1IS
    [1, 4, 8, 7, 6], // TLBI VMALLS12E1
    [1, 4, 8, 4, 1], // TLBI IPAS2E1
    [1, 6, 8, 7, 0], // TLBI ALLE3
    [1, 4, 7, 8, 0], // AT S1E2R
    [1, 4, 7, 8, 4], // AT S12E1R
];

/// Reads and writes of them: each undefined.
pub fn el2_registers(_: &Machine) -> Result<Verdict, Breach> {
    let mut count = 0;
    let registers = EL2_REGISTERS.iter().flat_map(|&register| [mrs(register), msr(register)]);
    for instruction in registers.chain(EL2_OPERATIONS.iter().map(|&operation| msr(operation))) {
        match probe::execute(instruction, 0, 0) {
            Err(abort) if abort.is_undefined() => count += 1,
            Err(abort) => return Err(Breach("instruction", instruction.into(), abort.esr)),
            Ok(value) => return Err(Breach("instruction", instruction.into(), value)),
        }
    }
    Ok(Verdict::Undefined(count))
}

/// EL1 registers that reach past the CPU: undefined, or nothing comes of them.
pub fn shared_el1_registers(_: &Machine) -> Result<Verdict, Breach> {
    /// Power and lock controls, the auxiliary control, an implementation-defined one of each kind, error records,
    /// trace, and the interface's own enable.
    const REGISTERS: [[u32; 5]; 12] = [
        [2, 0, 1, 0, 4],  // OSLAR_EL1
        [2, 0, 1, 3, 4],  // OSDLR_EL1
        [2, 0, 1, 4, 4],  // DBGPRCR_EL1
        [3, 0, 1, 0, 1],  // ACTLR_EL1
        [3, 1, 11, 0, 2], // L2CTLR_EL1
        [3, 1, 15, 0, 0], // CPUACTLR_EL1
        [3, 1, 15, 2, 1], // CPUECTLR_EL1
        [3, 3, 15, 7, 7], // any
        [3, 0, 5, 3, 1],  // ERRSELR_EL1
        [3, 0, 5, 4, 1],  // ERXCTLR_EL1
        [2, 1, 0, 1, 0],  // TRCPRGCTLR
        [2, 1, 0, 0, 4],  // TRCOSLAR
    ];
    let mut undefined = 0;
    for instruction in REGISTERS.iter().flat_map(|&register| [mrs(register), msr(register)]) {
        match probe::execute(instruction, u64::MAX, 0) {
            Err(abort) if abort.is_undefined() => undefined += 1,
            Err(abort) => return Err(Breach("instruction", instruction.into(), abort.esr)),
            Ok(_) => {}
        }
    }
    Ok(Verdict::Undefined(undefined))
}

/// WFE, WFI with a masked interrupt coming, and both with one pending.
pub fn wait(machine: &Machine) -> Result<Verdict, Breach> {
    /// `wfi`.
    const WFI: u32 = 0xd503_207f;
    /// `wfe`.
    const WFE: u32 = 0xd503_205f;
    /// `sevl`: the next `wfe` falls through.
    const SEVL: u32 = 0xd503_20bf;
    gic::init();
    gic::enable(machine.timer_intid);
    let mut count = 0;
    for _ in 0..20 {
        timer::arm(timer::now() + timer::frequency() / 1000);
        for instruction in [SEVL, WFE, WFI, WFI, SEVL, WFE] {
            if let Err(abort) = probe::execute(instruction, 0, 0) {
                return Err(Breach("instruction", instruction.into(), abort.esr));
            }
            count += 1;
        }
    }
    timer::disarm();
    Ok(Verdict::NoEffect(count))
}
