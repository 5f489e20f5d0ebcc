//! Where EL2's own memory lies, linked and physical.
//!
//! The linker script (`linker/cellwall.ld`) names the ends; `entry.S` mapped them. Physical and linked addresses of the
//! image differ by one constant, found at boot.

use address::{Address, PhysAddr, Region, VirtAddr};
use core::sync::atomic::{AtomicU64, Ordering};

/// Physical address of `_head`.
static IMAGE: AtomicU64 = AtomicU64::new(0);

macro_rules! symbols {
    ($($(#[$doc:meta])* $name:ident = $symbol:ident;)+) => {
        unsafe extern "C" {
            $(static $symbol: u8;)+
        }
        $($(#[$doc])*
        pub fn $name() -> VirtAddr {
            VirtAddr::new((&raw const $symbol).addr() as u64)
        })+
    };
}

symbols! {
    /// The image's first byte.
    head = _head;
    /// The end of the code.
    text_end = __text_end;
    /// The pool.
    pool_start = __pool_start;
    /// Its end, and the image's.
    image_end = __image_end;
    /// Top of the boot CPU's stack.
    stack_top = __stack_top;
    /// EL2's level-0 table.
    root_table = boot_table_l0;
    /// EL2's vectors.
    exception_vectors = vectors;
    /// Where secondary CPUs start.
    secondary = secondary_entry;
}

/// A number as the size of something in memory: this image is built for 64-bit CPUs alone.
pub const fn bytes(count: u64) -> usize {
    const { assert!(size_of::<usize>() == size_of::<u64>()) };
    #[expect(clippy::cast_possible_truncation, reason = "asserted above")]
    (count as usize)
}

/// Makes a pointer to what EL2 has mapped at `address`.
pub const fn pointer<T>(address: u64) -> *mut T {
    core::ptr::with_exposed_provenance_mut(bytes(address))
}

/// Where the other CPUs' stacks are mapped: behind the 2 MiB that hold the image, under the same level-2 table.
pub fn stacks() -> VirtAddr {
    VirtAddr::new(head().get().wrapping_add(2 << 20))
}

/// Notes where the loader put the image.
pub fn set_image(image: PhysAddr) {
    IMAGE.store(image.get(), Ordering::Relaxed);
}

/// Returns the bytes of the image with its stack and pool.
pub fn size() -> u64 {
    image_end().get().wrapping_sub(head().get())
}

/// Returns the image with its stack and pool.
pub fn image() -> Option<Region<PhysAddr>> {
    Region::new(PhysAddr::new(IMAGE.load(Ordering::Relaxed)), size())
}

/// Returns the physical address of something inside the image.
#[inline(never)]
pub fn physical(address: VirtAddr) -> PhysAddr {
    PhysAddr::new(address.get().wrapping_sub(head().get()).wrapping_add(IMAGE.load(Ordering::Relaxed)))
}

/// Returns the linked address of something inside the image, or nothing if it is not.
#[inline(always)]
pub fn linked(address: PhysAddr) -> Option<VirtAddr> {
    let offset = address.get().checked_sub(IMAGE.load(Ordering::Relaxed))?;
    let linked = VirtAddr::new(head().get().wrapping_add(offset));
    (linked < image_end()).then_some(linked)
}
