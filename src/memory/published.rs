//! What is written once, by one CPU, and read by all from then on.

use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

/// A place for one value that lives for good.
pub struct Published<T: 'static>(AtomicPtr<T>);

impl<T: Sync> Published<T> {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Shows `value` to all.
    pub fn set(&self, value: &'static T) {
        self.0.store(ptr::from_ref(value).cast_mut(), Ordering::Release);
    }

    /// What was shown last.
    #[inline]
    pub fn get(&self) -> Option<&'static T> {
        // SAFETY: null, or of `set`: shared for good.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }
}
