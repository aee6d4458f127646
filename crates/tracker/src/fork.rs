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

unsafe extern "C" fn after_in_child() {
    unlock();
    state::step_out();
    if !state::active() {
        return;
    }
    state::deactivate();
    let header = recording::header();
    let inherited = (*header).live_bytes + (*header).inherited_bytes;
    let version = (*header).python_version;
    let self_test = (*header).self_test;
    let arenas = (*header).arena_bytes;
    ticker::forget();
    threads::clear();
    shadow::clear();
    codes::clear();
    native::clear();
    mappings::clear();
    descriptors::clear();
    if recording::create(folder(), version).is_err() {
        return;
    }
    let header = recording::header();
    (*header).inherited_bytes = inherited;
    (*header).self_test = self_test;
    (*header).arena_bytes = arenas;
    state::activate();
}
