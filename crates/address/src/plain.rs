//! Numbers and text as EL2 writes them: plain. What `core` writes by `{}` and `{:#x}` may have widths, signs and fills, and
//! code for them all is 2 KiB of the image.

use core::fmt::{Display, Formatter, Result, Write};

/// Text as it is.
pub struct Text<'a>(pub &'a str);

/// A number in decimal.
pub struct Dec(pub u64);

/// A number in hexadecimal, behind `0x`.
pub struct Hex(pub u64);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(self.0)
    }
}

impl Display for Dec {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        digits(f, "", self.0, 10, 1)
    }
}

impl Display for Hex {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        digits(f, "0x", self.0, 16, 1)
    }
}

/// Writes `front`, and `value` to a base from 10 to 16, with at least so many digits (of 64 bits no more).
///
/// # Errors
/// Those of what it writes to.
#[inline(never)]
pub fn digits(f: &mut Formatter<'_>, front: &str, value: u64, base: usize, least: usize) -> Result {
    f.write_str(front)?;
    let value = usize::try_from(value).unwrap_or(usize::MAX);
    let (mut unit, mut places) = (1_usize, 1_usize);
    while places < least || value.checked_div(unit).is_some_and(|rest| rest >= base) {
        (unit, places) = (unit.wrapping_mul(base), places.wrapping_add(1));
    }
    for _ in 0..places {
        let digit = value.checked_div(unit).and_then(|rest| rest.checked_rem(base)).unwrap_or(0);
        f.write_char(b"0123456789abcdef".get(digit).map_or('?', |digit| char::from(*digit)))?;
        unit = unit.checked_div(base).unwrap_or(0);
    }
    Ok(())
}
