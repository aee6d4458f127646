//! The tracker's own thread: once a second it notes the time and what malloc holds; it asks new threads for their names; on request it collects garbage, so
//! that a snapshot can be taken while the program's threads block in C.

use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use brimline_recording::layout::Thread;

use crate::api::Api;
use crate::{python, recording, state, system, threads};

static RUNNING: AtomicBool = AtomicBool::new(false);
const STACK_BYTES: usize = 256 << 10;
const TICK_NS: u64 = 1_000_000_000;
const NAMING_NS: u64 = 50_000_000;
/// `mallinfo2` walks malloc's free lists: skipped for a while when it took longer than this.
const SLOW_NS: u64 = 2_000_000;

/// Starts the thread unless it runs; called inside.
#[inline]
pub(crate) fn ensure_running() {
    if !RUNNING.load(Ordering::Relaxed) {
        launch();
    }
}

#[cold]
fn launch() {
    if RUNNING.swap(true, Ordering::Relaxed) {
        return;
    }
    // SAFETY: plain pthread calls. All signals stay blocked in the new thread: they are for the program's threads.
    unsafe {
        let mut all: libc::sigset_t = core::mem::zeroed();
        let mut before: libc::sigset_t = core::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        let mut attributes: libc::pthread_attr_t = core::mem::zeroed();
        libc::pthread_attr_init(&raw mut attributes);
        libc::pthread_attr_setstacksize(&raw mut attributes, STACK_BYTES);
        libc::pthread_attr_setdetachstate(&raw mut attributes, libc::PTHREAD_CREATE_DETACHED);
        let mut thread = 0;
        libc::pthread_create(&raw mut thread, &raw const attributes, run, ptr::null_mut());
        libc::pthread_attr_destroy(&raw mut attributes);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, ptr::null_mut());
    }
}

/// A forked child has no ticker.
pub(crate) fn forget() {
    RUNNING.store(false, Ordering::Relaxed);
}

extern "C" fn run(_: *mut libc::c_void) -> *mut libc::c_void {
    threads::leave();
    // SAFETY: names this thread.
    unsafe { libc::prctl(libc::PR_SET_NAME, c"brimline".as_ptr()) };
    let header = recording::header();
    // SAFETY: the header stays mapped for good.
    let (request, done) =
        unsafe { (AtomicU32::from_ptr(&raw mut (*header).request), AtomicU32::from_ptr(&raw mut (*header).done)) };
    let mut next_tick = system::now_ns(libc::CLOCK_MONOTONIC) + TICK_NS;
    while state::active() {
        let seen = done.load(Ordering::Relaxed);
        let now = system::now_ns(libc::CLOCK_MONOTONIC);
        if !NEW_THREAD.load(Ordering::Relaxed) {
            system::futex_wait(request.as_ptr(), seen, next_tick.saturating_sub(now));
        }
        if NEW_THREAD.swap(false, Ordering::Relaxed) {
            // Time to get its name, and a bound on how often the interpreter is interrupted for one.
            system::futex_wait(request.as_ptr(), seen, NAMING_NS);
        }
        let asked = request.load(Ordering::Acquire);
        if !state::active() {
            break;
        }
        let is_due = system::now_ns(libc::CLOCK_MONOTONIC) >= next_tick;
        if asked != seen {
            with_interpreter(|api| {
                // SAFETY: this thread holds the GIL.
                unsafe { (api.collect)() };
                name_threads(true);
            });
        } else if has_nameless_thread() && python::raw_malloc_is_known() {
            with_interpreter(|_| name_threads(is_due));
        }
        if asked != seen || is_due {
            tick();
            next_tick = system::now_ns(libc::CLOCK_MONOTONIC) + TICK_NS;
        }
        if asked != seen {
            done.store(asked, Ordering::Release);
            system::futex_wake(done.as_ptr());
        }
    }
    // Counting may be started anew.
    RUNNING.store(false, Ordering::Relaxed);
    ptr::null_mut()
}

/// Set when a thread has come whose name is not known yet.
static NEW_THREAD: AtomicBool = AtomicBool::new(false);

/// Has a new thread asked for its name soon: it may live for less than a second.
pub(crate) fn wake() {
    if RUNNING.load(Ordering::Relaxed) && !NEW_THREAD.swap(true, Ordering::Relaxed) {
        // SAFETY: the header stays mapped for good.
        system::futex_wake(unsafe { &raw mut (*recording::header()).request });
    }
}

/// Runs `action` with the GIL, counted like any thread, and stops being counted afterwards.
fn with_interpreter(action: impl FnOnce(&Api)) {
    let api = Api::get();
    threads::join();
    // SAFETY: the interpreter is up (the ticker was started from it) and `atexit` has not run.
    unsafe {
        let gil = (api.gil_state_ensure)();
        action(api);
        (api.gil_state_release)(gil);
    }
    threads::rest();
}

/// Notes time and allocator figures in the header.
pub(crate) fn tick() {
    let header = recording::header();
    let now = system::now_ns(libc::CLOCK_MONOTONIC);
    let mut used = 0_i64;
    threads::for_each_row(|row| {
        // SAFETY: rows stay mapped; a torn sum is put right at the next tick.
        used += unsafe { (*row).small_allocated_bytes as i64 - (*row).small_freed_bytes as i64 };
    });
    // SAFETY: only this thread, or the last one at exit, writes these fields.
    unsafe {
        (*header).arena_used_bytes = used;
        static LAST_PEAK: core::sync::atomic::AtomicI64 = core::sync::atomic::AtomicI64::new(0);
        let peak = (*header).peak_bytes;
        if LAST_PEAK.swap(peak, Ordering::Relaxed) != peak {
            (*header).peak_monotonic_ns = now;
        }
        if (*header).malloc_used_bytes == 0 || !is_slow(now) {
            let info = libc::mallinfo2();
            (*header).malloc_reserved_bytes = (info.arena + info.hblkhd) as u64;
            (*header).malloc_used_bytes = (info.uordblks + info.hblkhd) as u64;
            note_cost(now, system::now_ns(libc::CLOCK_MONOTONIC));
        }
        (*header).tick_monotonic_ns = now;
    }
}

static NOT_BEFORE: core::sync::atomic::AtomicU64 = core::sync::atomic::AtomicU64::new(0);

fn is_slow(now: u64) -> bool {
    now < NOT_BEFORE.load(Ordering::Relaxed)
}

fn note_cost(before: u64, after: u64) {
    let cost = after - before;
    if cost > SLOW_NS {
        // At most one part in a thousand of the time.
        NOT_BEFORE.store(after + cost * 1000, Ordering::Relaxed);
    }
}

fn has_nameless_thread() -> bool {
    let mut found = false;
    threads::for_each_row(|row| {
        // SAFETY: rows stay mapped.
        unsafe { found |= (*row).name[0] == 0 && (*row).reserved[0] == 0 };
    });
    found
}

/// Copies the names that Python's `threading` module has for its threads; with `for_good`, threads that it does not know
/// are not asked about again. Needs the GIL.
pub(crate) fn name_threads(for_good: bool) {
    let api = Api::get();
    // SAFETY: the caller holds the GIL; `threading` is not imported, only looked up.
    unsafe {
        let module = (api.dict_get)((api.modules)(), c"threading".as_ptr());
        if !module.is_null() {
            let active = (api.attribute)(module, c"_active".as_ptr());
            if !active.is_null() {
                let (mut at, mut ident, mut thread) = (0, ptr::null_mut(), ptr::null_mut());
                while (api.dict_next)(active, &raw mut at, &raw mut ident, &raw mut thread) != 0 {
                    let ident = (api.long_as_unsigned)(ident);
                    let name = (api.attribute)(thread, c"_name".as_ptr());
                    if !name.is_null() {
                        let mut length = 0;
                        let utf8 = (api.text_utf8)(name, &raw mut length);
                        if !utf8.is_null() {
                            set_name(ident, core::slice::from_raw_parts(utf8.cast(), length as usize));
                        }
                        (api.decref)(name);
                    }
                }
                (api.decref)(active);
            }
        }
        (api.err_clear)();
        if for_good {
            threads::for_each_row(|row| (*row).reserved[0] = 1);
        }
    }
}

/// Names the thread that Python knows as `ident`.
///
/// # Safety
/// The recording is there.
pub(crate) unsafe fn set_name(ident: u64, name: &[u8]) {
    threads::for_each_row(|row| {
        if (*row).ident == ident {
            let row: &mut Thread = &mut *row;
            let mut length = name.len().min(row.name.len() - 1);
            while length > 0 && length < name.len() && name[length] & 0xC0 == 0x80 {
                length -= 1;
            }
            row.name = [0; 64];
            row.name[..length].copy_from_slice(&name[..length]);
        }
    });
}
