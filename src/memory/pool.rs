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

/// Bytes at the start of the pool for the heap; the rest are frames.
const HEAP_BYTES: usize = 384 << 10;

/// What is free: of the heap what lies between two linked addresses, of the frames what the buddies hold.
struct Free {
    low: usize,
    high: usize,
    frames: Heap<21>,
}

impl Free {
    /// Takes `size` bytes from the heap's low end; a power of two `align`.
    fn take(&mut self, size: usize, align: usize) -> *mut u8 {
        let mask = align.wrapping_sub(1);
        let start = self.low.wrapping_add(mask) & !mask;
        match start.checked_add(size) {
            Some(end) if end <= self.high => self.low = end,
            _ => return null_mut(),
        }
        layout::pointer(start as u64)
    }
}

struct Pool(Lock<Free>);

#[global_allocator]
static POOL: Pool = Pool(Lock::new(Free { low: 0, high: 0, frames: Heap::empty() }));

// SAFETY: `Free` hands out disjoint blocks of the pool, which nothing else uses, and takes none back.
unsafe impl GlobalAlloc for Pool {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        hold(&POOL.0).take(layout.size(), layout.align())
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let mut free = hold(&POOL.0);
        let start = old.addr();
        if start.wrapping_add(layout.size()) == free.low && start.checked_add(size).is_some_and(|end| end <= free.high)
        {
            free.low = start.wrapping_add(size);
            return old;
        }
        let new = free.take(size, layout.align());
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
    let mut free = hold(&POOL.0);
    (free.low, free.high) = (low, low.wrapping_add(HEAP_BYTES));
    // SAFETY: the linker script keeps this range for the pool alone, and entry.S mapped it writable.
    unsafe { free.frames.init(low.wrapping_add(HEAP_BYTES), high.wrapping_sub(low).wrapping_sub(HEAP_BYTES)) }
}

/// Ends allocation for good, by leaving nothing free.
pub fn close() {
    hold(&POOL.0).high = 0;
}

/// Tells how many bytes are free.
pub fn free() -> u64 {
    let free = hold(&POOL.0);
    let frames = free.frames.stats_total_bytes().wrapping_sub(free.frames.stats_alloc_actual());
    free.high.wrapping_sub(free.low).wrapping_add(frames) as u64
}

/// Notes how far the heap is taken, for [`rewind`].
pub fn mark() -> usize {
    hold(&POOL.0).low
}

/// Takes back what the heap gave since `mark`.
///
/// # Safety
/// Nothing of it is in use any more.
pub unsafe fn rewind(mark: usize) {
    hold(&POOL.0).low = mark;
}

/// Takes one zeroed page.
pub fn frame() -> Option<PhysAddr> {
    let page = frame_pages(1)?;
    crate::el2::cache::zero_page(page);
    Some(layout::physical(page))
}

/// Takes `count` pages in a row, not zeroed.
pub fn frames(count: usize) -> Option<PhysAddr> {
    frame_pages(count).map(layout::physical)
}

#[inline(never)]
fn frame_pages(count: usize) -> Option<VirtAddr> {
    let page = layout::bytes(PAGE_BYTES);
    let layout = Layout::from_size_align(count.checked_mul(page)?, page).ok()?;
    let mut free = hold(&POOL.0);
    let start = if free.high > 0 { free.frames.alloc(layout).ok()? } else { return None };
    Some(VirtAddr::new(start.addr().get() as u64))
}
