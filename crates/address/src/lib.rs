//! Physical, intermediate and virtual addresses as types that do not mix, and regions of them.
//!
//! Owns nothing, promises that a [`Region`] is never empty and never wraps. Every other crate speaks in these types;
//! a number becomes an address here and nowhere else.
#![no_std]
#![forbid(unsafe_code)]

mod plain;

pub use plain::{Dec, Hex, Text, digits};

use core::fmt;

/// The bytes of one page: the 4 KiB granule is the only one EL2 and stage 2 use (DDI 0487 D8.2).
pub const PAGE_BYTES: u64 = 4096;

/// An address of one of the three address spaces.
pub trait Address: Copy + Ord + fmt::Display + fmt::Debug {
    /// Makes the address from its number.
    fn new(address: u64) -> Self;
    /// Returns the number.
    fn get(self) -> u64;
    /// Returns the address `bytes` further on, or nothing where it would wrap.
    #[must_use]
    fn checked_add(self, bytes: u64) -> Option<Self> {
        self.get().checked_add(bytes).map(Self::new)
    }
    /// Tells whether the address is a multiple of `bytes`, a power of two.
    #[must_use]
    fn is_aligned(self, bytes: u64) -> bool {
        self.get() & bytes.wrapping_sub(1) == 0
    }
    /// Rounds down to a multiple of `bytes`, a power of two.
    #[must_use]
    fn align_down(self, bytes: u64) -> Self {
        Self::new(self.get() & !bytes.wrapping_sub(1))
    }
    /// Rounds up to a multiple of `bytes`, a power of two, or nothing where it would wrap.
    #[must_use]
    fn align_up(self, bytes: u64) -> Option<Self> {
        Some(self.checked_add(bytes.wrapping_sub(1))?.align_down(bytes))
    }
}

/// An address of the space of that number: the types below do not mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct In<const SPACE: u8>(u64);

/// A physical address: what the board's buses carry.
pub type PhysAddr = In<0>;
/// An intermediate physical address: what a guest takes for physical.
pub type Ipa = In<1>;
/// A virtual address of EL2.
pub type VirtAddr = In<2>;

impl<const SPACE: u8> In<SPACE> {
    /// Makes the address from its number, in constants too.
    #[must_use]
    pub const fn at(address: u64) -> Self {
        Self(address)
    }
}

impl<const SPACE: u8> Address for In<SPACE> {
    fn new(address: u64) -> Self {
        Self(address)
    }
    fn get(self) -> u64 {
        self.0
    }
}

/// As people write addresses: `0x0900_0000`, `0x1_0000_0000`.
impl<const SPACE: u8> fmt::Display for In<SPACE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let top = self.0 >> 32;
        if top > 0 {
            digits(f, "0x", top, 16, 1)?;
        }
        digits(f, if top > 0 { "_" } else { "0x" }, self.0 >> 16 & 0xffff, 16, 4)?;
        digits(f, "_", self.0 & 0xffff, 16, 4)
    }
}

/// A half-open run of addresses that is not empty and does not wrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region<A> {
    base: A,
    size: u64,
}

impl<A: Address> Region<A> {
    /// Makes a region; nothing where it would be empty or reach past the last address but one.
    #[must_use]
    pub fn new(base: A, size: u64) -> Option<Self> {
        // Both in one: an empty one is larger than any by wrapping.
        (size.wrapping_sub(1) < !base.get()).then_some(Self { base, size })
    }

    /// Makes the region from `base` up to but not including `end`.
    #[must_use]
    pub fn from_ends(base: A, end: A) -> Option<Self> {
        Self::new(base, end.get().checked_sub(base.get())?)
    }

    /// Returns the first address.
    #[must_use]
    pub fn base(self) -> A {
        self.base
    }

    /// Returns the size in bytes, never 0.
    #[must_use]
    pub fn size(self) -> u64 {
        self.size
    }

    /// Returns the address after the last.
    #[must_use]
    pub fn end(self) -> A {
        A::new(self.base.get().wrapping_add(self.size))
    }

    /// Tells whether `address` lies inside.
    #[must_use]
    pub fn contains(self, address: A) -> bool {
        address.get().wrapping_sub(self.base.get()) < self.size
    }

    /// Tells whether all of `other` lies inside.
    #[must_use]
    pub fn encloses(self, other: Self) -> bool {
        self.base <= other.base && other.end() <= self.end()
    }

    /// Tells whether the two share an address.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.base < other.end() && other.base < self.end()
    }

    /// Returns the least region that encloses both.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        let base = self.base.min(other.base);
        Self { base, size: self.end().max(other.end()).get().wrapping_sub(base.get()) }
    }

    /// Returns the region of the same numbers in another space: what is mapped one to one, or judged by its number.
    #[must_use]
    pub fn same<B: Address>(self) -> Region<B> {
        Region { base: B::new(self.base.get()), size: self.size }
    }

    /// Widens both ends to multiples of `bytes`, a power of two.
    #[must_use]
    pub fn widen(self, bytes: u64) -> Option<Self> {
        Self::from_ends(self.base.align_down(bytes), self.end().align_up(bytes)?)
    }
}

impl<A: Address> fmt::Display for Region<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = A::new(self.end().get().wrapping_sub(1));
        write!(f, "{}..={last}", self.base)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::format;
    use std::string::ToString;

    #[test]
    fn a_region_is_never_empty_and_never_wraps() {
        assert!(Region::new(Ipa::at(0), 0).is_none());
        assert!(Region::new(Ipa::at(u64::MAX), 1).is_none());
        assert!(Region::new(Ipa::at(u64::MAX - 1), 1).is_some());
    }

    #[test]
    fn addresses_read_as_people_write_them() {
        assert_eq!(PhysAddr::at(0x900_0000).to_string(), "0x0900_0000");
        assert_eq!(PhysAddr::at(0x40_1000_0000).to_string(), "0x40_1000_0000");
    }

    #[test]
    fn numbers_read_as_core_writes_them() {
        for number in [0, 1, 9, 10, 15, 16, 99, 100, 4096, u64::MAX / 3, u64::MAX] {
            assert_eq!(Dec(number).to_string(), format!("{number}"));
            assert_eq!(Hex(number).to_string(), format!("{number:#x}"));
            assert_eq!(std::fmt::from_fn(|f| digits(f, "", number, 16, 4)).to_string(), format!("{number:04x}"));
        }
    }

    proptest! {
        #[test]
        fn overlap_is_having_an_address_in_common(a in 0u64..1000, n in 1u64..1000, b in 0u64..1000, m in 1u64..1000) {
            let x = Region::new(PhysAddr::at(a), n).ok_or(()).map_err(|()| TestCaseError::fail("region"))?;
            let y = Region::new(PhysAddr::at(b), m).ok_or(()).map_err(|()| TestCaseError::fail("region"))?;
            prop_assert_eq!(x.overlaps(y), (a..a.saturating_add(n)).any(|i| y.contains(PhysAddr::at(i))));
        }
    }
}
