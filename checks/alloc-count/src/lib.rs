//! An allocator that counts, for tests of what does not allocate.
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: alloc_count::Counting = alloc_count::Counting;
//!
//! # fn main() {
//! let (allocations, vec) = alloc_count::count(|| vec![1, 2, 3]);
//! assert_eq!((allocations, vec.len()), (1, 3));
//! # }
//! ```

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static ALLOCATED: Cell<u64> = const { Cell::new(0) };
    static FREED: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, which counts the allocations of each thread.
#[derive(Copy, Clone, Debug)]
pub struct Counting;

fn note(allocated: usize, freed: usize) {
    // A thread that is ending has no counter any more; nobody asks for it then.
    let _ = ALLOCATIONS.try_with(|n| n.set(n.get() + u64::from(allocated > 0)));
    let _ = ALLOCATED.try_with(|n| n.set(n.get() + allocated as u64));
    let _ = FREED.try_with(|n| n.set(n.get() + freed as u64));
}

// SAFETY: every call is passed on unchanged to the system's allocator, which keeps the promises of `GlobalAlloc`; counting
// touches a `const`-initialised thread-local without a destructor, and so does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        // SAFETY: the caller's promises are those of `System::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        note(0, layout.size());
        // SAFETY: `ptr` came from `System` with this layout, by the methods here.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        // SAFETY: the caller's promises are those of `System::alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        note(new_size, layout.size());
        // SAFETY: `ptr` came from `System` with this layout, by the methods here; the rest is promised by the caller.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

/// How often this thread allocated in `f`, and what `f` gave back.
pub fn count<T>(f: impl FnOnce() -> T) -> (u64, T) {
    let before = ALLOCATIONS.get();
    let value = f();
    (ALLOCATIONS.get() - before, value)
}

/// How many bytes this thread allocated in `f`, whether or not it freed them, and what `f` gave back.
pub fn bytes<T>(f: impl FnOnce() -> T) -> (u64, T) {
    let before = ALLOCATED.get();
    let value = f();
    (ALLOCATED.get() - before, value)
}

/// How many bytes more than before this thread holds after `f`, and what `f` gave back.
pub fn held<T>(f: impl FnOnce() -> T) -> (i64, T) {
    let held = || ALLOCATED.get().wrapping_sub(FREED.get());
    let before = held();
    let value = f();
    #[allow(clippy::cast_possible_wrap, reason = "the difference of two sizes")]
    (held().wrapping_sub(before) as i64, value)
}
