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
        }

        /// Bit `n`: some name has `n` bytes.
        const LENGTHS: u64 = 0 $(| 1 << $name.len())+;

        const NAMES: &[(&str, Known)] = &[$(($name, Known::$known),)+];
    };
}

known! {
    "compatible" => Compatible,
    "reg" => Reg,
    "interrupts" => Interrupts,
    "phandle" => Phandle,
    "linux,phandle" => LinuxPhandle,
    "status" => Status,
    "device_type" => DeviceType,
    "ranges" => Ranges,
    "interrupt-parent" => InterruptParent,
    "interrupts-extended" => InterruptsExtended,
    "interrupt-map" => InterruptMap,
    "interrupt-controller" => InterruptController,
    "#address-cells" => AddressCells,
    "#size-cells" => SizeCells,
    "#interrupt-cells" => InterruptCells,
    "iommus" => Iommus,
    "iommu-map" => IommuMap,
}

impl Known {
    /// How many there are.
    pub const COUNT: usize = NAMES.len();

    pub(crate) fn of(name: &str) -> Option<Self> {
        if LENGTHS.unbounded_shr(u32::try_from(name.len()).unwrap_or(u32::MAX)) & 1 == 0 {
            return None;
        }
        let same = |known: &&(&str, Self)| known.0.len() == name.len() && known.0 == name;
        NAMES.iter().find(same).map(|(_, known)| *known)
    }
}
