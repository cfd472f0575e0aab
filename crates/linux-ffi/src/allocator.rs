//! An allocator that counts per thread, to show that a media worker allocates nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Threads that can be watched: workers, not every thread of the runtime.
const WATCHED: usize = 64;

/// One counter pair per watched thread, each on its own cache line so that workers do not slow each other down.
#[repr(align(64))]
struct Counters {
    allocations: AtomicU64,
    octets: AtomicU64,
}

static COUNTERS: [Counters; WATCHED] =
    [const { Counters { allocations: AtomicU64::new(0), octets: AtomicU64::new(0) } }; WATCHED];
static REGISTERED: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    // Constant and without destructor: reading it neither allocates nor registers anything.
    static SLOT: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The system's allocator, counting on threads that were registered. Use it in the binary:
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: offhook_linux_ffi::CountingAllocator = offhook_linux_ffi::CountingAllocator;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct CountingAllocator;

/// Reads the counters of one registered thread, from any thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadAllocations {
    slot: usize,
}

impl ThreadAllocations {
    /// Allocations since the thread registered; a reallocation counts as one.
    pub fn allocations(self) -> u64 {
        COUNTERS[self.slot].allocations.load(Ordering::Relaxed)
    }

    /// Octets asked for since the thread registered.
    pub fn octets(self) -> u64 {
        COUNTERS[self.slot].octets.load(Ordering::Relaxed)
    }
}

/// Begins to count what the calling thread allocates. `None` where 64 threads have registered already; a thread
/// that registers again keeps its counters. Counts stay zero where [`CountingAllocator`] is not the global allocator.
pub fn register_thread() -> Option<ThreadAllocations> {
    let slot = match SLOT.get() {
        usize::MAX => REGISTERED.fetch_add(1, Ordering::Relaxed),
        slot => slot,
    };
    if slot >= WATCHED {
        return None;
    }
    SLOT.set(slot);
    Some(ThreadAllocations { slot })
}

fn count(octets: usize) {
    // A thread that is being torn down has no slot any more; it is not a worker at work.
    let slot = SLOT.try_with(Cell::get).unwrap_or(usize::MAX);
    if let Some(counters) = COUNTERS.get(slot) {
        counters.allocations.fetch_add(1, Ordering::Relaxed);
        counters.octets.fetch_add(octets as u64, Ordering::Relaxed);
    }
}

// SAFETY: every call is handed to `System` unchanged; counting touches only atomics and a constant thread-local.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.dealloc(pointer, layout) }
    }
}
