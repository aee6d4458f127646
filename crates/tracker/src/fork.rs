//! `fork`: the child gets a recording of its own and counts what it allocates itself.
//!
//! Its copy of the parent's memory stays counted in the parent's recording; how much that is, is noted.

use core::cell::UnsafeCell;
use core::ffi::CStr;

use crate::{codes, descriptors, mappings, native, recording, shadow, state, threads, ticker};

struct Folder(UnsafeCell<[u8; recording::PATH_BYTES]>);
// SAFETY: written once, by the constructor.
unsafe impl Sync for Folder {}
static FOLDER: Folder = Folder(UnsafeCell::new([0; recording::PATH_BYTES]));

fn folder() -> &'static CStr {
    // SAFETY: NUL-terminated since `remember_folder`.
    unsafe { CStr::from_ptr(FOLDER.0.get().cast()) }
}

/// Keeps the recordings' folder: the environment may be gone by the time of a fork.
pub(crate) fn remember_folder(folder: &CStr) -> bool {
    let bytes = folder.to_bytes_with_nul();
    if bytes.len() > recording::PATH_BYTES {
        return false;
    }
    // SAFETY: only the constructor gets here, and the path fits.
    unsafe { FOLDER.0.get().cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    true
}

/// Registers the handlers.
pub(crate) fn init() {
    // SAFETY: plain libc call.
    unsafe { libc::pthread_atfork(Some(before), Some(after_in_parent), Some(after_in_child)) };
}

/// Takes all locks, so that no table is half changed in the child; from here to the end of the handlers the thread is
/// inside, for what the other handlers allocate.
unsafe extern "C" fn before() {
    if let Some(entered) = state::enter() {
        core::mem::forget(entered);
    }
    threads::lock_for_fork();
    mappings::lock_for_fork();
    codes::lock_for_fork();
    native::lock_for_fork();
    recording::lock_for_fork();
}

unsafe fn unlock() {
    recording::unlock_after_fork();
    native::unlock_after_fork();
    codes::unlock_after_fork();
    mappings::unlock_after_fork();
    threads::unlock_after_fork();
}

unsafe extern "C" fn after_in_parent() {
    unlock();
    state::step_out();
}

/// What a child's recording takes over from its parent's.
struct Inherited(UnsafeCell<(i64, i64, u32, u32, u32, u64)>);
// SAFETY: written and read by the one thread of a forked child.
unsafe impl Sync for Inherited {}
static INHERITED: Inherited = Inherited(UnsafeCell::new((0, 0, 0, 0, 0, 0)));

unsafe extern "C" fn after_in_child() {
    unlock();
    state::step_out();
    if !state::active() {
        return;
    }
    state::deactivate();
    let header = &*recording::header();
    let bytes = header.live_bytes + header.inherited_bytes;
    let (version, test) = (header.python_version, header.self_test);
    INHERITED.0.get().write((bytes, header.arena_bytes, version, test, header.mode, header.period));
    ticker::forget();
    threads::clear();
    shadow::clear();
    codes::clear();
    native::clear();
    mappings::clear();
    descriptors::clear();
    state::postpone();
}

/// Makes the recording of a forked child; true if it counts from here on.
pub(crate) fn start_in_child() -> bool {
    // SAFETY: the child has one thread until it allocates, and this is its first allocation.
    unsafe {
        let (bytes, arenas, version, self_test, mode, period) = INHERITED.0.get().read();
        if !recording::create(folder(), version) {
            return false;
        }
        let header = recording::header();
        (*header).inherited_bytes = bytes;
        (*header).arena_bytes = arenas;
        (*header).self_test = self_test;
        (*header).mode = mode;
        (*header).period = period;
    }
    state::activate();
    true
}
