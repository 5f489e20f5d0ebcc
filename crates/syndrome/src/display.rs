//! Exits as people read them: `read of IPA 0x9000018 (translation fault, status 0x06)`.

use crate::{Abort, Exit, Syndrome, SystemRegister};
use address::{Address, Dec, Hex, Ipa, Text, digits};
use core::fmt;

/// What the classes are called that say no more, by a bit for each ESR.EC.
static KINDS: [(u64, &str); 9] = [
    (1 << 0x01, "WFI or WFE"),
    (1 << 0x03 | 1 << 0x04 | 1 << 0x05 | 1 << 0x06 | 1 << 0x08 | 1 << 0x0c, "AArch32 coprocessor access"),
    (1 << 0x07 | 1 << 0x19 | 1 << 0x1d, "FP, SVE or SME instruction"),
    (1 << 0x09, "pointer authentication instruction"),
    (1 << 0x0e, "illegal execution state"),
    (1 << 0x16, "HVC"),
    (1 << 0x17, "SMC"),
    (1 << 0x2f, "SError"),
    (0x3f << 0x30 | 1 << 0x38 | 1 << 0x3a | 1 << 0x3c, "debug exception"),
];

/// The same of an abort's status (DFSC, IFSC); of most the level is in its low two bits.
static FAULTS: [(u64, &str); 7] = [
    (0xf, "address size fault"),
    (0xf << 0x04, "translation fault"),
    (0xf << 0x08, "access flag fault"),
    (0xf << 0x0c, "permission fault"),
    (1 << 0x10 | 0xf << 0x14, "external abort"),
    (1 << 0x21, "alignment fault"),
    (1 << 0x30, "TLB conflict"),
];

#[inline(never)]
fn name(names: &'static [(u64, &str)], number: u8) -> Option<&'static str> {
    names.iter().find(|(numbers, _)| numbers >> (number & 0x3f) & 1 != 0).map(|(_, name)| *name)
}

impl fmt::Display for Syndrome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.exit(), name(&KINDS, self.class())) {
            (Exit::Abort(abort), _) => abort.fmt(f),
            (Exit::SystemRegister(access), _) => access.fmt(f),
            (_, Some(name)) => f.write_str(name),
            _ => digits(f, "unexpected exception class 0x", self.class().into(), 16, 2),
        }
    }
}

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let walk = Text(if self.is_stage1_walk() { "stage-1 table walk: " } else { "" });
        let (verb, status) = (Text(self.verb()), self.status());
        let what = Text(name(&FAULTS, status).unwrap_or("unexpected"));
        let (space, at) = match (self.ipa().map(Ipa::get), self.far()) {
            (Some(ipa), _) => ("IPA", ipa),
            (None, Some(far)) => ("VA", far),
            (None, None) => ("unknown address", 0),
        };
        write!(f, "{walk}{verb} {} {} ({what}, ", Text(space), Hex(at))?;
        digits(f, "status 0x", status.into(), 16, 2)?;
        f.write_str(")")
    }
}

impl fmt::Display for SystemRegister {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, e) = (if self.read { "read of" } else { "write of" }, u64::from(self.encoding));
        let (op0, op1, op2) = (Dec(e >> 20 & 0b11), Dec(e >> 14 & 0b111), Dec(e >> 17 & 0b111));
        write!(f, "{} S{op0}_{op1}_C{}_C{}_{op2}", Text(verb), Dec(e >> 10 & 0xf), Dec(e >> 1 & 0xf))
    }
}
