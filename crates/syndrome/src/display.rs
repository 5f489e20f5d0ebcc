//! Exits as people read them: `read of 4 bytes at IPA 0x0900_0018 (translation fault, level 2)`.

use crate::{DataAbort, Exit, FaultKind, InstructionAbort, SystemRegister, system};
use address::Ipa;
use core::fmt;

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hvc { .. } => "HVC",
            Self::Smc { .. } => "SMC",
            Self::DataAbort(abort) => return abort.fmt(f),
            Self::InstructionAbort(abort) => return abort.fmt(f),
            Self::SystemRegister(access) => return access.fmt(f),
            Self::Cp15 => "AArch32 access to coprocessor 15",
            Self::Cp14 => "AArch32 access to coprocessor 14",
            Self::Wfx { wfe: true } => "WFE",
            Self::Wfx { wfe: false } => "WFI",
            Self::FloatingPoint => "floating-point instruction",
            Self::Sve => "SVE instruction",
            Self::Sme => "SME instruction",
            Self::PointerAuth => "pointer authentication instruction",
            Self::SError => "SError",
            Self::IllegalState => "illegal execution state",
            Self::Debug => "debug exception",
            Self::Unexpected { .. } => "unexpected exception class",
        })?;
        match *self {
            Self::Hvc { immediate } | Self::Smc { immediate } => write!(f, " #{}", u64::from(immediate)),
            Self::Unexpected { class } => write!(f, " 0x{:02x}", u64::from(class)),
            _ => Ok(()),
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
            write!(f, " of {} byte{}", u64::from(access.size), if access.size == 1 { "" } else { "s" })?;
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
        let (what, level) = match *self {
            Self::Translation(level) => ("translation fault, level", level),
            Self::Permission(level) => ("permission fault, level", level),
            Self::AccessFlag(level) => ("access flag fault, level", level),
            Self::AddressSize(level) => ("address size fault, level", level),
            Self::External => return f.write_str("external abort"),
            Self::Alignment => return f.write_str("alignment fault"),
            Self::TlbConflict => return f.write_str("TLB conflict"),
            Self::Other(status) => return write!(f, "fault status 0x{:02x}", u64::from(status)),
        };
        write!(f, "{what} {}", u64::from(level))
    }
}

impl fmt::Display for SystemRegister {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.read { "read of " } else { "write of " })?;
        if let Some(name) = system::name(self.encoding) {
            return f.write_str(name);
        }
        let [op0, op1, crn, crm, op2] = self.fields().map(u64::from);
        write!(f, "S{op0}_{op1}_C{crn}_C{crm}_{op2}")
    }
}
