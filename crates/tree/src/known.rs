//! The names of properties that the walk over a board asks every node for.
//!
//! Owns the list. Each is recognised where [`crate::Tree::parse`] first meets it in the strings block.
//! Devicetree Specification v0.4, 2.3 and 2.4.

use crate::is;

macro_rules! known {
    ($($name:literal => $known:ident,)+) => {
        /// A property's name, recognised when the tree was read.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Known {
            $(#[doc = concat!("`", $name, "`")] $known,)+
        }

        /// In the order of [`Known`].
        const NAMES: &[&str] = &[$($name,)+];
    };
}

known! {
    "reg" => Reg,
    "ranges" => Ranges,
    "status" => Status,
    "phandle" => Phandle,
    "#iommu-cells" => IommuCells,
    "compatible" => Compatible,
    "interrupts" => Interrupts,
    "device_type" => DeviceType,
    "interrupt-map" => InterruptMap,
    "interrupt-parent" => InterruptParent,
    "interrupts-extended" => InterruptsExtended,
    "interrupt-controller" => InterruptController,
    "#size-cells" => SizeCells,
    "#address-cells" => AddressCells,
    "#interrupt-cells" => InterruptCells,
}

/// The number all other names share.
pub(crate) const OTHER: u8 = 15;

/// By the low five bits of their first letter, which names begin so: bit `n` stands for number `n`.
#[expect(clippy::indexing_slicing, reason = "the compiler runs it")]
const FIRST: [u32; 32] = {
    let (mut first, mut number) = ([0; 32], 0);
    while number < NAMES.len() {
        first[(NAMES[number].as_bytes()[0] & 31) as usize] |= 1 << number;
        number += 1;
    }
    first
};

/// Returns the number of the name at the start of `text`.
#[inline(never)]
pub(crate) fn number(text: &[u8]) -> u8 {
    let first = text.first().map_or(0, |letter| letter & 31);
    let mut likely = FIRST.get(usize::from(first)).copied().unwrap_or(0);
    while likely != 0 {
        let number = likely.trailing_zeros();
        if NAMES.get(number as usize).is_some_and(|name| is(text, name)) {
            return number.to_le_bytes()[0];
        }
        likely &= likely.wrapping_sub(1);
    }
    OTHER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found() {
        for (index, name) in NAMES.iter().enumerate() {
            assert_eq!(usize::from(number(&[name.as_bytes(), &b"\0more"[..]].concat())), index);
        }
        for other in [&b""[..], b"reg", b"regs\0", b"\0", b"interrupt\0", b"3\0"] {
            assert_eq!(number(other), OTHER);
        }
    }
}
