//! Exits as people read them: `read of 4 bytes at IPA 0x0900_0018 (translation fault, level 2)`.

use crate::{Abort, Exit, Syndrome, SystemRegister, system};
use core::fmt;

/// What the classes are called, by [`kind`].
const KINDS: [&str; 16] = [
    "unexpected exception class",
    "AArch32 access to coprocessor 15",
    "AArch32 access to coprocessor 14",
    "floating-point instruction",
    "pointer authentication instruction",
    "illegal execution state",
    "HVC",
    "SMC",
    "SVE instruction",
    "SME instruction",
    "SError",
    "debug exception",
    "WFI",
    "WFE",
    "",
    "",
];

/// The place of a syndrome's class in [`KINDS`].
const fn kind(syndrome: Syndrome) -> usize {
    match syndrome.class() {
        0x01 if syndrome.esr & 1 == 0 => 12,
        0x01 => 13,
        0x03 | 0x04 => 1,
        0x05 | 0x06 | 0x08 | 0x0c => 2,
        0x07 => 3,
        0x09 => 4,
        0x0e => 5,
        0x16 => 6,
        0x17 => 7,
        0x19 => 8,
        0x1d => 9,
        0x2f => 10,
        0x30..=0x35 | 0x38 | 0x3a | 0x3c => 11,
        _ => 0,
    }
}

impl fmt::Display for Syndrome {
    #[expect(clippy::indexing_slicing, reason = "the index is masked to the length")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = kind(*self);
        match self.exit() {
            Exit::Abort(abort) => return abort.fmt(f),
            Exit::SystemRegister(access) => return access.fmt(f),
            _ => f.write_str(KINDS[kind & 15])?,
        }
        match kind {
            0 => write!(f, " 0x{:02x}", u64::from(self.class())),
            6 | 7 => write!(f, " #{}", self.esr & 0xffff),
            10 => write!(f, ", syndrome {:#x}", self.esr),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Abort {
    #[expect(clippy::indexing_slicing, reason = "the index is masked to the length")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.is_stage1_walk(), self.is_fetch()) {
            (true, true) => "stage-1 table walk for a fetch",
            (true, false) => "stage-1 table walk",
            (_, true) => "fetch",
            _ if self.is_maintenance() => "cache maintenance",
            _ if self.is_write() => "write",
            _ => "read",
        })?;
        if let Some(access) = self.access() {
            write!(f, " of {} byte{}", u64::from(access.size), if access.size == 1 { "" } else { "s" })?;
        }
        if let Some(ipa) = self.ipa() {
            write!(f, " at IPA {ipa}")?;
        } else if let Some(far) = self.far() {
            write!(f, " at VA 0x{far:x}")?;
        }
        let status = self.status();
        f.write_str(match status {
            0x00..=0x0f => {
                let what = ["address size", "translation", "access flag", "permission"][usize::from(status >> 2 & 3)];
                return write!(f, " ({what} fault, level {})", u64::from(status & 3));
            }
            0x10 | 0x14..=0x17 => " (external abort)",
            0x21 => " (alignment fault)",
            0x30 => " (TLB conflict)",
            _ => return write!(f, " (fault status 0x{:02x})", u64::from(status)),
        })
    }
}

impl fmt::Display for SystemRegister {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.read { "read of " } else { "write of " })?;
        if let Some((_, name)) = system::NAMES.iter().find(|(encoding, _)| *encoding == self.encoding) {
            return f.write_str(name);
        }
        let [op0, op1, crn, crm, op2] = self.fields().map(u64::from);
        write!(f, "S{op0}_{op1}_C{crn}_C{crm}_{op2}")
    }
}
