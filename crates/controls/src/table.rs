//! The shape of the tables: registers made of bits, each with its reason.
//!
//! Owns [`Bit`], [`Register`] and the notation; promises that a register's value is the fold over its rows and nothing
//! else. A row reads `"NAME" = value, why;` or, where a CPU feature decides, `"NAME" = value, with FEATURE, why;`.

use crate::features::Features;

/// When a bit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// On every CPU.
    Always,
    /// Where the CPU has the feature.
    With(Features),
    /// Where it has not.
    Without(Features),
}

/// One bit or field.
#[derive(Clone, Copy, Debug)]
pub struct Bit {
    /// Its name in the manual.
    pub name: &'static str,
    /// Its value, in place; of a bit left clear, its mask.
    pub value: u64,
    /// On which CPUs.
    pub when: When,
    /// What it is for, or why it is left clear.
    pub why: &'static str,
}

/// One register: what is set, and what is left clear on purpose.
#[derive(Clone, Copy, Debug)]
pub struct Register {
    /// Its name in the manual.
    pub name: &'static str,
    /// The bits set.
    pub set: &'static [Bit],
    /// The bits somebody might expect set, and why they are not.
    pub clear: &'static [Bit],
    /// The rows of `set` without their words, so that the words stay out of EL2's image.
    pub(crate) values: &'static [(u64, When)],
}

impl Register {
    /// Returns the value to write on a CPU with `features`.
    #[inline]
    #[must_use]
    pub const fn value(&self, features: Features) -> u64 {
        let (mut rest, mut value) = (self.values, 0);
        while let [(bits, when), tail @ ..] = rest {
            let stands = match *when {
                When::Always => true,
                When::With(feature) => features.has(feature),
                When::Without(feature) => !features.has(feature),
            };
            if stands {
                value |= *bits;
            }
            rest = tail;
        }
        value
    }
}

macro_rules! table {
    (@when) => { $crate::When::Always };
    (@when with $feature:ident) => { $crate::When::With($crate::Features::$feature) };
    (@when without $feature:ident) => { $crate::When::Without($crate::Features::$feature) };
    (@bits $($name:literal = $value:expr $(, $when:ident $feature:ident)?, $why:literal;)*) => {
        &[$($crate::Bit { name: $name, value: $value, when: table!(@when $($when $feature)?), why: $why }),*]
    };
    (@values $($name:literal = $value:expr $(, $when:ident $feature:ident)?, $why:literal;)*) => {
        &[$(($value, table!(@when $($when $feature)?))),*]
    };
    ($(#[$doc:meta])* $name:ident set { $($set:tt)* } clear { $($clear:tt)* }) => {
        $(#[$doc])*
        pub const $name: $crate::Register = $crate::Register {
            name: stringify!($name),
            set: table!(@bits $($set)*),
            clear: table!(@bits $($clear)*),
            values: table!(@values $($set)*),
        };
    };
}
pub(crate) use table;
