//! The shape of the tables: registers made of bits, each with its reason.
//!
//! Owns [`Register`] and the notation; promises that a register's value is the fold over its rows and nothing else. A row
//! reads `"NAME" = value, why;` or, where a CPU feature decides, `"NAME" = value, with FEATURE, why;`. The bits somebody
//! might expect set stand in the register's documentation, with the reason why they are clear; the tests read them there.

use crate::features::Features;

/// When a bit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// On every CPU.
    Always,
    /// Where the CPU has the feature.
    With(Features),
    /// Where it has not.
    Without(Features),
}

/// One register: what is set.
#[derive(Clone, Copy, Debug)]
pub struct Register {
    /// Its name in the manual.
    pub name: &'static str,
    /// Of each row the bit's or field's name in the manual, and what it is for.
    pub words: &'static [(&'static str, &'static str)],
    /// The rows without their words, which so stay out of EL2's image: the value in place, and on which CPUs.
    pub(crate) rows: &'static [(u64, When)],
}

impl Register {
    /// Returns the value to write on a CPU with `features`.
    #[inline]
    #[must_use]
    pub const fn value(&self, features: Features) -> u64 {
        let (mut rest, mut value) = (self.rows, 0);
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
    (@when) => { $crate::table::When::Always };
    (@when with $feature:ident) => { $crate::table::When::With($crate::Features::$feature) };
    (@when without $feature:ident) => { $crate::table::When::Without($crate::Features::$feature) };
    ($(#[$doc:meta])* $register:ident {
        $($name:literal = $value:expr $(, $when:ident $feature:ident)?, $why:literal;)*
    }) => {
        $(#[$doc])*
        pub const $register: $crate::Register = $crate::Register {
            name: stringify!($register),
            words: &[$(($name, $why)),*],
            rows: &[$(($value, table!(@when $($when $feature)?))),*],
        };
    };
}
pub(crate) use table;
