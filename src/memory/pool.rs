//! The pool: frames for tables and stacks, and the heap of boot. Closed at commit.
//!
//! The memory behind the image, the heap growing up from its start, frames down from its end: two pointers, since what
//! boot takes it keeps. Only the block that was taken last can grow or be given back. After [`close`] nothing allocates
//! any more (invariant 4); a later attempt gets a null pointer, and `./x check` shows that no exit path makes one.

use super::layout;
use address::{Address, PAGE_BYTES, PhysAddr, VirtAddr};
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::null_mut;
use spin::mutex::TicketMutex;

/// What is free: from `low` to `high`, linked addresses.
struct Free {
    low: usize,
    high: usize,
}

impl Free {
    /// Takes `size` bytes from the low end; a power of two `align`.
    fn take(&mut self, size: usize, align: usize) -> Option<usize> {
        let mask = align.wrapping_sub(1);
        let start = self.low.wrapping_add(mask) & !mask;
        let end = start.checked_add(size).filter(|end| *end <= self.high)?;
        self.low = end;
        Some(start)
    }
}

struct Pool(TicketMutex<Free>);

#[global_allocator]
static POOL: Pool = Pool(TicketMutex::new(Free { low: 0, high: 0 }));

fn pointer(address: Option<usize>) -> *mut u8 {
    address.map_or(null_mut(), |address| layout::pointer(address as u64))
}

// SAFETY: `Free` hands out disjoint blocks of the pool, which nothing else uses, and takes back only what `low` ends.
unsafe impl GlobalAlloc for Pool {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        pointer(self.0.lock().take(layout.size(), layout.align()))
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let mut free = self.0.lock();
        if pointer.addr().wrapping_add(layout.size()) == free.low {
            free.low = pointer.addr();
        }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let mut free = self.0.lock();
        let start = old.addr();
        if start.wrapping_add(layout.size()) == free.low && start.checked_add(size).is_some_and(|end| end <= free.high)
        {
            free.low = start.wrapping_add(size);
            return old;
        }
        let new = pointer(free.take(size, layout.align()));
        if !new.is_null() {
            // SAFETY: both are blocks of the pool, at least so long, and apart.
            unsafe { new.copy_from_nonoverlapping(old, layout.size().min(size)) }
        }
        new
    }
}

/// Gives the pool its memory.
pub fn open() {
    let mut free = POOL.0.lock();
    free.low = layout::bytes(layout::pool_start().get());
    free.high = layout::bytes(layout::image_end().get());
}

/// Ends allocation for good, by leaving nothing free.
pub fn close() {
    POOL.0.lock().high = 0;
}

/// Tells how many bytes are taken.
pub fn used() -> usize {
    let free = POOL.0.lock();
    let all = layout::image_end().get().wrapping_sub(layout::pool_start().get());
    layout::bytes(all).wrapping_sub(free.high.wrapping_sub(free.low))
}

/// Takes one zeroed page.
pub fn frame() -> Option<PhysAddr> {
    let address = frames(1)?;
    let page = layout::linked(address)?;
    crate::el2::cache::zero_page(page);
    Some(address)
}

/// Takes `count` pages in a row, not zeroed.
pub fn frames(count: usize) -> Option<PhysAddr> {
    let mut free = POOL.0.lock();
    let bytes = count.checked_mul(layout::bytes(PAGE_BYTES))?;
    let start = free.high.checked_sub(bytes).filter(|start| *start >= free.low)?;
    free.high = start;
    Some(layout::physical(VirtAddr::new(start as u64)))
}
