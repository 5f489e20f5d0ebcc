//! Regions of a line of addresses: kept in order and apart, rounded.

use address::{Address, PhysAddr, Region};
use alloc::vec::Vec;

/// Adds a region to others that are ascending and apart, and joins it with those it touches.
pub(crate) fn cover(line: &mut Vec<Region<PhysAddr>>, mut region: Region<PhysAddr>) {
    let mut place = line.len();
    // Trees and plans are written nearly in order.
    while let Some(other) = line.get(place.wrapping_sub(1)).filter(|other| region.base() <= other.end()) {
        if other.encloses(region) {
            return;
        }
        let other = *other;
        place = place.wrapping_sub(1);
        if other.base() <= region.end() {
            region = region.hull(other);
            line.remove(place);
        }
    }
    line.insert(place, region);
}

/// Tells whether one of the regions, ascending and apart, has `pa`.
pub(crate) fn covers(line: &[Region<PhysAddr>], pa: PhysAddr) -> bool {
    line.iter().find(|region| pa < region.end()).is_some_and(|region| region.base() <= pa)
}

/// Finds the first that meets `region`.
#[inline(never)]
pub(crate) fn meets(line: &[Region<PhysAddr>], region: Region<PhysAddr>) -> Option<Region<PhysAddr>> {
    line.iter().copied().find(|other| other.overlaps(region))
}

/// Rounds up to a multiple of `bytes`, a power of two; to the last one where there is none.
pub(crate) fn round_up(number: u64, bytes: u64) -> u64 {
    let odd = bytes.wrapping_sub(1);
    number.saturating_add(odd) & !odd
}

/// Returns the ends of two regions, as a finding counts them.
pub(crate) fn ends<A: Address>(mine: Region<A>, theirs: Region<A>) -> [u64; 4] {
    [mine.base().get(), mine.end().get(), theirs.base().get(), theirs.end().get()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_covered_is_what_was_added_in_order_and_apart(
            added in proptest::collection::vec((0_u64..40, 1_u64..9), 0..12),
        ) {
            let mut line = Vec::new();
            let regions: Vec<_> =
                added.iter().filter_map(|(base, size)| Region::new(PhysAddr::at(*base), *size)).collect();
            for region in &regions {
                cover(&mut line, *region);
            }
            prop_assert!(line.is_sorted_by(|one, next| one.end() < next.base()), "{line:?}");
            for at in (0..60).map(PhysAddr::at) {
                let inside = |regions: &[Region<PhysAddr>]| regions.iter().any(|region| region.contains(at));
                prop_assert_eq!(covers(&line, at), inside(&regions), "{:?}", line);
            }
        }
    }
}
