//! An array whose index cannot be out of bounds: it is taken modulo the length, a power of two. The bit word of an INTID.
//!
//! Owns the crate's only indexing. Where an index comes from a guest, the caller has judged it before.
use core::ops::{Index, IndexMut};

impl<T, const N: usize> Default for Masked<T, N>
where
    [T; N]: Default,
{
    fn default() -> Self {
        Self(Default::default())
    }
}

/// `N` is a power of two.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Masked<T, const N: usize>(pub [T; N]);

#[expect(clippy::indexing_slicing, reason = "the index is masked to the length")]
impl<T, const N: usize> Index<usize> for Masked<T, N> {
    type Output = T;
    #[inline]
    fn index(&self, index: usize) -> &T {
        &self.0[index & N.wrapping_sub(1)]
    }
}

#[expect(clippy::indexing_slicing, reason = "the index is masked to the length")]
impl<T, const N: usize> IndexMut<usize> for Masked<T, N> {
    #[inline]
    fn index_mut(&mut self, index: usize) -> &mut T {
        &mut self.0[index & N.wrapping_sub(1)]
    }
}

/// Bit `n` modulo 32: an INTID's bit in its word.
#[inline]
pub(crate) const fn bit(n: usize) -> u32 {
    1_u32.wrapping_shl((n as u64 & 31) as u32)
}

/// The numbers of the bits set in `word`, ascending.
#[inline]
pub(crate) fn bits(word: impl Into<u64>) -> impl Iterator<Item = usize> {
    let mut word = word.into();
    core::iter::from_fn(move || {
        let (n, some) = (word.trailing_zeros(), word != 0);
        word &= word.wrapping_sub(1);
        some.then_some(n as usize)
    })
}
