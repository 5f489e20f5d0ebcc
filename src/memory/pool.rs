//! The pool: the heap of boot, and frames for tables and stacks. Closed at commit.
//!
//! The memory behind the image. The heap is its first part, one pointer that goes up, since boot keeps what it takes: only
//! the last block can grow. Frames come from a buddy allocator over the rest. After [`close`] nothing allocates any more
//! (invariant 4); `./x check` shows that no exit path tries.

use super::layout;
use crate::el2::barrier::{Lock, hold};
use address::{Address, PAGE_BYTES, PhysAddr, VirtAddr};
use buddy_system_allocator::Heap;
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes at the start of the pool for the heap; the rest are frames.
const HEAP_BYTES: usize = 384 << 10;

/// Free of the heap is what lies between two linked addresses.
struct Pool {
    low: AtomicUsize,
    high: AtomicUsize,
}

#[global_allocator]
static POOL: Pool = Pool { low: AtomicUsize::new(0), high: AtomicUsize::new(0) };

/// Free frames.
static FRAMES: Lock<Heap<21>> = Lock::new(Heap::empty());

// SAFETY: hands out disjoint blocks of the pool, which nothing else uses, and takes none back. Sizes are `isize::MAX` at most:
// no end wraps.
unsafe impl GlobalAlloc for Pool {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mask = layout.align().wrapping_sub(1);
        let start = |low: usize| low.wrapping_add(mask) & !mask;
        let end = |low| Some(start(low).wrapping_add(layout.size())).filter(|end| *end <= self.high.load(Relaxed));
        self.low.fetch_update(Relaxed, Relaxed, end).map_or(null_mut(), |low| layout::pointer(start(low) as u64))
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let (low, end) = (old.addr().wrapping_add(layout.size()), old.addr().wrapping_add(size));
        // The last block can grow.
        if end <= self.high.load(Relaxed) && self.low.compare_exchange(low, end, Relaxed, Relaxed).is_ok() {
            return old;
        }
        // SAFETY: the caller's word.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: as above.
        let new = unsafe { self.alloc(wanted) };
        if !new.is_null() {
            // SAFETY: both are blocks of the pool, at least so long, and apart.
            unsafe { new.copy_from_nonoverlapping(old, layout.size().min(size)) }
        }
        new
    }
}

/// Gives the pool its memory.
pub fn open() {
    let [low, high] = [layout::pool_start(), layout::image_end()].map(|end| layout::bytes(end.get()));
    let frames = low.wrapping_add(HEAP_BYTES);
    POOL.low.store(low, Relaxed);
    POOL.high.store(frames, Relaxed);
    // SAFETY: the linker script keeps this range for the pool alone, and entry.S mapped it writable.
    unsafe { hold(&FRAMES).init(frames, high.wrapping_sub(frames)) }
}

/// Ends allocation for good, by leaving nothing free.
pub fn close() {
    POOL.high.store(0, Relaxed);
}

/// Tells how many bytes are free.
pub fn free() -> u64 {
    let frames = hold(&FRAMES);
    let frames = frames.stats_total_bytes().wrapping_sub(frames.stats_alloc_actual());
    POOL.high.load(Relaxed).wrapping_sub(mark()).wrapping_add(frames) as u64
}

/// Notes how far the heap is taken, for [`rewind`].
pub fn mark() -> usize {
    POOL.low.load(Relaxed)
}

/// Takes back what the heap gave since `mark`.
///
/// # Safety
/// Nothing of it is in use any more.
pub unsafe fn rewind(mark: usize) {
    POOL.low.store(mark, Relaxed);
}

/// Takes one zeroed page.
pub fn frame() -> Option<PhysAddr> {
    let page = frames(1)?;
    crate::el2::cache::zero_page(layout::linked(page)?);
    Some(page)
}

/// Takes `count` pages in a row, not zeroed.
#[inline(never)]
pub fn frames(count: usize) -> Option<PhysAddr> {
    let page = layout::bytes(PAGE_BYTES);
    let layout = Layout::from_size_align(count.checked_mul(page)?, page).ok()?;
    if POOL.high.load(Relaxed) == 0 {
        return None;
    }
    let start = hold(&FRAMES).alloc(layout).ok()?;
    Some(layout::physical(VirtAddr::new(start.addr().get() as u64)))
}
