//! The names of properties that every walk over a board asks for.
//!
//! Owns the list. Each is recognised once, where [`crate::Tree::parse`] first meets it in the strings block.
//! Devicetree Specification v0.4, 2.3 and 2.4.

macro_rules! known {
    ($($name:literal => $known:ident,)+) => {
        /// A property's name, recognised when the tree was read.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Known {
            $(#[doc = concat!("`", $name, "`")] $known,)+
            /// Any other.
            Other,
        }

        /// In the order of [`Known`].
        const NAMES: &[&[u8]] = &[$($name.as_bytes(),)+];
    };
}

known! {
    "reg" => Reg,
    "iommus" => Iommus,
    "ranges" => Ranges,
    "status" => Status,
    "phandle" => Phandle,
    "iommu-map" => IommuMap,
    "compatible" => Compatible,
    "interrupts" => Interrupts,
    "#size-cells" => SizeCells,
    "device_type" => DeviceType,
    "interrupt-map" => InterruptMap,
    "linux,phandle" => LinuxPhandle,
    "#address-cells" => AddressCells,
    "#interrupt-cells" => InterruptCells,
    "interrupt-parent" => InterruptParent,
    "interrupts-extended" => InterruptsExtended,
    "interrupt-controller" => InterruptController,
}

/// By the low five bits of their first letter, which names begin so: bit `n` stands for number `n`.
#[expect(clippy::indexing_slicing, reason = "the compiler runs it")]
const FIRST: [u32; 32] = {
    let (mut first, mut number) = ([0; 32], 0);
    while number < NAMES.len() {
        first[(NAMES[number][0] & 31) as usize] |= 1 << number;
        number += 1;
    }
    first
};

impl Known {
    /// Returns the number of the name at the start of `text`, where a NUL ends it.
    pub(crate) fn of(text: &[u8]) -> u32 {
        let first = text.first().map_or(0, |letter| letter & 31);
        let mut likely = FIRST.get(usize::from(first)).copied().unwrap_or(0);
        while likely != 0 {
            let number = likely.trailing_zeros();
            let name = NAMES.get(number as usize).copied().unwrap_or_default();
            if text.get(name.len()) == Some(&0) && text.starts_with(name) {
                return number;
            }
            likely &= likely.wrapping_sub(1);
        }
        Self::Other as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found() {
        for (index, name) in NAMES.iter().enumerate() {
            assert_eq!(Known::of(&[name, &b"\0more"[..]].concat()) as usize, index);
        }
        for other in [&b""[..], b"reg", b"regs\0", b"\0", b"interrupt\0", b"3\0"] {
            assert_eq!(Known::of(other), Known::Other as u32);
        }
    }
}
