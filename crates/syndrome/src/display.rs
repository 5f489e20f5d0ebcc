//! Exits as people read them: `read of IPA 0x0900_0018 (translation fault, level 2)`.

use crate::{Abort, Exit, Syndrome, SystemRegister};
use core::fmt;

/// What the classes are called that say no more, by a bit for each ESR.EC.
static KINDS: [(u64, &str); 12] = [
    (1 << 0x01, "WFI or WFE"),
    (1 << 0x03 | 1 << 0x04, "AArch32 access to coprocessor 15"),
    (1 << 0x05 | 1 << 0x06 | 1 << 0x08 | 1 << 0x0c, "AArch32 access to coprocessor 14"),
    (1 << 0x07, "floating-point instruction"),
    (1 << 0x09, "pointer authentication instruction"),
    (1 << 0x0e, "illegal execution state"),
    (1 << 0x16, "HVC"),
    (1 << 0x17, "SMC"),
    (1 << 0x19, "SVE instruction"),
    (1 << 0x1d, "SME instruction"),
    (1 << 0x2f, "SError"),
    (0x3f << 0x30 | 1 << 0x38 | 1 << 0x3a | 1 << 0x3c, "debug exception"),
];

impl fmt::Display for Syndrome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.exit() {
            Exit::Abort(abort) => return abort.fmt(f),
            Exit::SystemRegister(access) => return access.fmt(f),
            _ => {}
        }
        match KINDS.iter().find(|(classes, _)| classes >> self.class() & 1 != 0) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "unexpected exception class 0x{:02x}", u64::from(self.class())),
        }
    }
}

impl fmt::Display for Abort {
    #[expect(clippy::indexing_slicing, reason = "the index is masked to the length")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_stage1_walk() { "stage-1 table walk: " } else { "" })?;
        f.write_str(self.verb())?;
        match (self.ipa(), self.far()) {
            (Some(ipa), _) => write!(f, " IPA {ipa}"),
            (None, Some(far)) => write!(f, " VA 0x{far:x}"),
            (None, None) => f.write_str(" an unknown address"),
        }?;
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
        let (verb, e) = (if self.read { "read of" } else { "write of" }, u64::from(self.encoding));
        let (op0, op1, op2) = (e >> 20 & 0b11, e >> 14 & 0b111, e >> 17 & 0b111);
        write!(f, "{verb} S{op0}_{op1}_C{}_C{}_{op2}", e >> 10 & 0xf, e >> 1 & 0xf)
    }
}
