//! A lock for the rare paths: growing a table, a new code object, an mmap.
//!
//! Critical sections neither allocate nor call back into the program. A thread that holds one is inside the tracker,
//! so that its own nested allocations pass by; `fork` takes all of them first.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// Data behind a spinning lock.
pub(crate) struct Lock<T> {
    held: AtomicBool,
    data: UnsafeCell<T>,
}

// SAFETY: `with` gives access to one thread at a time.
unsafe impl<T> Sync for Lock<T> {}

impl<T> Lock<T> {
    pub(crate) const fn new(data: T) -> Self {
        Self { held: AtomicBool::new(false), data: UnsafeCell::new(data) }
    }

    /// Runs `action` alone.
    pub(crate) fn with<R>(&self, action: impl FnOnce(&mut T) -> R) -> R {
        self.acquire();
        // SAFETY: this thread holds the lock.
        let result = action(unsafe { &mut *self.data.get() });
        self.release();
        result
    }

    /// Takes the lock; for `fork` only, everything else uses `with`.
    pub(crate) fn acquire(&self) {
        let mut tries = 0_u32;
        while self.held.swap(true, Ordering::Acquire) {
            tries += 1;
            if tries.is_multiple_of(64) {
                // SAFETY: no arguments.
                unsafe { libc::syscall(libc::SYS_sched_yield) };
            } else {
                core::hint::spin_loop();
            }
        }
    }

    /// Gives the lock back; for `fork` only.
    pub(crate) fn release(&self) {
        self.held.store(false, Ordering::Release);
    }
}
