//! The library that `brimline run` loads into the target (`LD_PRELOAD`).
//!
//! It replaces the C library's allocation functions and wraps Python's allocators, keeps for each Python stack how much
//! is live, was live at the peak and was ever allocated, and writes that into a shared file ([`recording`]) which the
//! command reads. In processes that are no Python it does nothing.
//!
//! On the hook path nothing is allocated through the functions it replaces, and no lock is held while anything outside
//! this crate runs. Rust's own allocator is one that aborts: a use of it is an error that tests find.
//!
//! Unit tests leave out what interposes: they run in a process that needs its allocator.
#![cfg_attr(test, expect(dead_code, reason = "the users of the tables are left out of unit tests"))]

#[cfg(not(test))]
mod api;
mod array;
#[cfg(not(test))]
mod bring_up;
#[cfg(not(test))]
mod codes;
#[cfg(not(test))]
mod descriptors;
#[cfg(not(test))]
mod embed;
#[cfg(not(test))]
mod fork;
#[cfg(not(test))]
mod interpose;
#[cfg(not(test))]
mod line_table;
mod lines;
mod lock;
mod map;
#[cfg(not(test))]
mod mappings;
mod native;
mod offsets;
#[cfg(not(test))]
mod patch;
#[cfg(not(test))]
mod public_frames;
#[cfg(not(test))]
mod python;
#[cfg(not(test))]
mod recording;
#[cfg(not(test))]
mod sampled_python;
mod sampling;
mod shadow;
#[cfg(not(test))]
mod shard;
#[cfg(not(test))]
mod stack;
#[cfg(not(test))]
mod state;
mod system;
#[cfg(not(test))]
mod threads;
#[cfg(not(test))]
mod ticker;

#[cfg(not(test))]
mod entry {
    use core::alloc::{GlobalAlloc, Layout};

    /// Runs before `main`.
    #[used]
    #[unsafe(link_section = ".init_array")]
    static START: extern "C" fn() = crate::bring_up::start;

    struct NoAllocation;

    // SAFETY: hands out nothing.
    unsafe impl GlobalAlloc for NoAllocation {
        unsafe fn alloc(&self, _: Layout) -> *mut u8 {
            libc::abort()
        }
        unsafe fn dealloc(&self, _: *mut u8, _: Layout) {
            libc::abort()
        }
    }

    #[global_allocator]
    static ALLOCATOR: NoAllocation = NoAllocation;
}
