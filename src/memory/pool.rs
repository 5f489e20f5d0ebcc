//! The pool: frames for tables and stacks, and the heap of boot. Closed at commit.
//!
//! One buddy allocator over the memory behind the image. After [`close`] nothing allocates any more (invariant 4);
//! a later attempt gets a null pointer, and `./x check` shows that no exit path makes one.

use super::layout;
use address::{Address, PAGE_BYTES, PhysAddr, VirtAddr};
use buddy_system_allocator::Heap;
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicBool, Ordering};
use spin::mutex::TicketMutex;

struct Pool {
    heap: TicketMutex<Heap<24>>,
    closed: AtomicBool,
}

#[global_allocator]
static POOL: Pool = Pool { heap: TicketMutex::new(Heap::empty()), closed: AtomicBool::new(false) };

// SAFETY: the buddy allocator hands out disjoint blocks of the pool, which nothing else uses.
unsafe impl GlobalAlloc for Pool {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if self.closed.load(Ordering::Relaxed) {
            return null_mut();
        }
        self.heap.lock().alloc(layout).map_or(null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if self.closed.load(Ordering::Relaxed) {
            return; // Dropped values of boot: the pool is never used again.
        }
        if let Some(pointer) = NonNull::new(pointer) {
            // SAFETY: the caller got it from `alloc` with this layout.
            unsafe { self.heap.lock().dealloc(pointer, layout) }
        }
    }
}

/// Gives the pool its memory.
pub fn open() {
    let start = layout::bytes(layout::pool_start().get());
    let size = layout::bytes(layout::image_end().get()).wrapping_sub(start);
    // SAFETY: the linker script keeps this range for the pool alone, and entry.S mapped it writable.
    unsafe { POOL.heap.lock().init(start, size) }
}

/// Ends allocation for good.
pub fn close() {
    POOL.closed.store(true, Ordering::Relaxed);
}

/// Tells how many bytes are taken.
pub fn used() -> usize {
    POOL.heap.lock().stats_alloc_actual()
}

/// Takes one zeroed page.
pub fn frame() -> Option<PhysAddr> {
    let address = frames(1)?;
    let page = layout::linked(address)?;
    crate::el2::cache::zero_page(page);
    Some(address)
}

/// Takes `count` pages in a row, aligned to their size, not zeroed.
pub fn frames(count: usize) -> Option<PhysAddr> {
    let bytes = count.checked_mul(layout::bytes(PAGE_BYTES))?;
    let layout = Layout::from_size_align(bytes, layout::bytes(PAGE_BYTES)).ok()?;
    let page = POOL.heap.lock().alloc(layout).ok()?;
    Some(layout::physical(VirtAddr::new(page.addr().get() as u64)))
}
