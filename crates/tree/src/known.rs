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

        /// In the order of [`Known`]: by length, then by letters.
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

impl Known {
    /// Returns the number of the name in the enumeration.
    pub(crate) fn of(name: &[u8]) -> u8 {
        let found = NAMES.binary_search_by(|known| known.len().cmp(&name.len()).then_with(|| (*known).cmp(name)));
        found.ok().and_then(|index| u8::try_from(index).ok()).unwrap_or(Self::Other as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found() {
        for (index, name) in NAMES.iter().enumerate() {
            assert_eq!(usize::from(Known::of(name)), index);
        }
        assert_eq!(Known::of(b"regs"), Known::Other as u8);
    }
}
