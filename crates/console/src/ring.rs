//! A byte ring between one producer and one consumer, on different CPUs, without a lock.
//!
//! `tail` is written by the producer alone, `head` by the consumer alone; both run freely and wrap, their difference is
//! the number of bytes. A byte is written before `tail` is released and read after it was acquired; a place is reused
//! after `head` was released and acquired.

use core::ops::Deref;
use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};

/// A ring of `N` bytes, a power of two.
#[derive(Debug)]
pub struct Ring<const N: usize>(Bytes<[AtomicU8; N]>);

/// A ring of any size.
#[derive(Debug)]
pub struct Bytes<B: ?Sized = [AtomicU8]> {
    head: AtomicU32,
    tail: AtomicU32,
    dropped: AtomicU32,
    places: B,
}

impl<const N: usize> Ring<N> {
    /// Makes an empty ring.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "for statics")]
    pub const fn new() -> Self {
        const { assert!(N.is_power_of_two() && N <= 1 << 30, "a ring's size is a power of two") };
        Self(Bytes {
            head: AtomicU32::new(0),
            tail: AtomicU32::new(0),
            dropped: AtomicU32::new(0),
            places: [const { AtomicU8::new(0) }; N],
        })
    }
}

impl<const N: usize> Deref for Ring<N> {
    type Target = Bytes;
    fn deref(&self) -> &Bytes {
        &self.0
    }
}

impl Bytes {
    /// Adds a byte; the producer calls. A full ring drops it, counts it and returns false.
    #[inline(never)]
    pub fn push(&self, byte: u8) -> bool {
        let tail = self.tail.load(Ordering::Relaxed);
        let used = tail.wrapping_sub(self.head.load(Ordering::Acquire));
        let Some(place) = self.place(tail).filter(|_| (used as usize) < self.places.len()) else {
            self.dropped.store(self.dropped().wrapping_add(1), Ordering::Relaxed);
            return false;
        };
        place.store(byte, Ordering::Relaxed);
        self.tail.store(tail.wrapping_add(1), Ordering::Release);
        true
    }

    /// Adds bytes as [`Bytes::push`] does.
    #[inline(never)]
    pub fn extend(&self, bytes: &[u8]) {
        for &byte in bytes {
            self.push(byte);
        }
    }

    /// Takes the oldest byte; the consumer calls.
    #[inline(never)]
    pub fn pop(&self) -> Option<u8> {
        let head = self.head.load(Ordering::Relaxed);
        if head == self.tail.load(Ordering::Acquire) {
            return None;
        }
        let byte = self.place(head)?.load(Ordering::Relaxed);
        self.head.store(head.wrapping_add(1), Ordering::Release);
        Some(byte)
    }

    /// Forgets all bytes; the consumer calls.
    pub fn clear(&self) {
        self.head.store(self.tail.load(Ordering::Acquire), Ordering::Release);
    }

    /// Returns how many bytes were ever pushed, modulo 2^32.
    #[must_use]
    pub fn written(&self) -> u32 {
        self.tail.load(Ordering::Acquire)
    }

    /// Tells whether all that was pushed before [`Bytes::written`] gave `mark` has been taken.
    #[must_use]
    pub fn has_read(&self, mark: u32) -> bool {
        mark.wrapping_sub(self.head.load(Ordering::Acquire)).cast_signed() <= 0
    }

    /// Returns how many bytes [`Bytes::push`] still takes: at most, if the consumer asks; at least, if the producer asks.
    #[inline(never)]
    #[must_use]
    pub fn room(&self) -> usize {
        let head = self.head.load(Ordering::Acquire);
        self.places.len().saturating_sub(self.tail.load(Ordering::Acquire).wrapping_sub(head) as usize)
    }

    /// Returns how many bytes a full ring has dropped.
    #[must_use]
    pub fn dropped(&self) -> u32 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn place(&self, at: u32) -> Option<&AtomicU8> {
        self.places.get(at as usize & self.places.len().wrapping_sub(1))
    }
}
