//! Exits as people read them: `read of 4 bytes at IPA 0x0900_0018 (translation fault, level 2)`.

use crate::{DataAbort, Exit, FaultKind, InstructionAbort, SystemRegister, system};
use address::Ipa;
use core::fmt;

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hvc { immediate } => write!(f, "HVC #{immediate}"),
            Self::Smc { immediate } => write!(f, "SMC #{immediate}"),
            Self::DataAbort(abort) => abort.fmt(f),
            Self::InstructionAbort(abort) => abort.fmt(f),
            Self::SystemRegister(access) => access.fmt(f),
            Self::Cp15 => f.write_str("AArch32 access to coprocessor 15"),
            Self::Cp14 => f.write_str("AArch32 access to coprocessor 14"),
            Self::Wfx { wfe: true } => f.write_str("WFE"),
            Self::Wfx { wfe: false } => f.write_str("WFI"),
            Self::FloatingPoint => f.write_str("floating-point instruction"),
            Self::Sve => f.write_str("SVE instruction"),
            Self::Sme => f.write_str("SME instruction"),
            Self::PointerAuth => f.write_str("pointer authentication instruction"),
            Self::SError => f.write_str("SError"),
            Self::IllegalState => f.write_str("illegal execution state"),
            Self::Debug => f.write_str("debug exception"),
            Self::Unexpected { class } => write!(f, "unexpected exception class 0x{class:02x}"),
        }
    }
}

impl fmt::Display for DataAbort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.stage1_walk, self.cache_maintenance, self.write) {
            (true, ..) => "stage-1 table walk",
            (_, true, _) => "cache maintenance",
            (_, _, true) => "write",
            (_, _, false) => "read",
        })?;
        if let Some(access) = self.access {
            write!(f, " of {} byte{}", access.size, if access.size == 1 { "" } else { "s" })?;
        }
        place(f, self.ipa, self.far, self.fault)
    }
}

impl fmt::Display for InstructionAbort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.stage1_walk { "stage-1 table walk for a fetch" } else { "fetch" })?;
        place(f, self.ipa, self.far, self.fault)
    }
}

fn place(f: &mut fmt::Formatter<'_>, ipa: Option<Ipa>, far: Option<u64>, fault: FaultKind) -> fmt::Result {
    match (ipa, far) {
        (Some(ipa), _) => write!(f, " at IPA {ipa}")?,
        (None, Some(far)) => write!(f, " at VA 0x{far:x}")?,
        (None, None) => {}
    }
    write!(f, " ({fault})")
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Translation(level) => write!(f, "translation fault, level {level}"),
            Self::Permission(level) => write!(f, "permission fault, level {level}"),
            Self::AccessFlag(level) => write!(f, "access flag fault, level {level}"),
            Self::AddressSize(level) => write!(f, "address size fault, level {level}"),
            Self::External => f.write_str("external abort"),
            Self::Alignment => f.write_str("alignment fault"),
            Self::TlbConflict => f.write_str("TLB conflict"),
            Self::Other(status) => write!(f, "fault status 0x{status:02x}"),
        }
    }
}

impl fmt::Display for SystemRegister {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.read { "read of " } else { "write of " })?;
        let [op0, op1, crn, crm, op2] = self.fields();
        match system::name(self.encoding) {
            Some(name) => f.write_str(name),
            None => write!(f, "S{op0}_{op1}_C{crn}_C{crm}_{op2}"),
        }
    }
}
