//! Sorting few things in few instructions and bytes.
//!
//! Owns one insertion sort: what a plan sorts is short and comes nearly sorted, since trees and plans are written so.
//! The library's sort is made for neither, and takes two kilobytes of text for each type.

use address::{Address, Region};

/// Sorts `items` by `key`; what has the same key stays in order.
pub(crate) fn sort<T: Copy>(items: &mut [T], key: impl Fn(&T) -> (u64, u64)) {
    for end in 2..=items.len() {
        let Some(([sorted @ .., last], _)) = items.split_at_checked(end) else { return };
        let (last, at) = (*last, key(last));
        if sorted.last().is_some_and(|before| key(before) > at) {
            let place = sorted.partition_point(|item| key(item) <= at);
            let moved = items.get_mut(place..end).unwrap_or_default();
            moved.copy_within(..moved.len().saturating_sub(1), 1);
            moved.iter_mut().take(1).for_each(|first| *first = last);
        }
    }
}

/// Orders regions by their bases, then their ends.
pub(crate) fn ends<A: Address>(region: Region<A>) -> (u64, u64) {
    (region.base().get(), region.end().get())
}
