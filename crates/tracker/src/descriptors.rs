//! Open file descriptors, by the stack that opened them.

use core::ffi::{c_char, c_int, c_uint, c_void};
use core::sync::atomic::{AtomicI64, AtomicPtr, AtomicU32, Ordering};

use crate::interpose::{Next, next};
use crate::python::own_thread_state;
use crate::recording;
use crate::shard::Kind;
use crate::stack::current_node;
use crate::state;
use crate::system::{self, KeepErrno};

/// Descriptors above this are not followed.
const MOST: usize = 1 << 20;

/// The highest descriptor that was opened so far.
static HIGHEST: AtomicU32 = AtomicU32::new(0);
/// Record of each descriptor, 0 if it is closed or was opened before.
static TABLE: AtomicPtr<AtomicU32> = AtomicPtr::new(core::ptr::null_mut());

fn entry(fd: c_int) -> Option<&'static AtomicU32> {
    let fd = usize::try_from(fd).ok().filter(|&fd| fd < MOST)?;
    let mut table = TABLE.load(Ordering::Acquire);
    if table.is_null() {
        let fresh = system::map(MOST * size_of::<AtomicU32>()).cast::<AtomicU32>();
        if fresh.is_null() {
            return None;
        }
        table = match TABLE.compare_exchange(table, fresh, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => fresh,
            Err(other) => other,
        };
    }
    // SAFETY: the table has `MOST` entries and is never unmapped.
    Some(unsafe { &*table.add(fd) })
}

fn count_open(change: i64) {
    // SAFETY: the header is mapped while the tracker is active.
    unsafe { AtomicI64::from_ptr(&raw mut (*recording::header()).open_fds).fetch_add(change, Ordering::Relaxed) };
}

/// A `vfork` child shares the table but not the descriptors.
fn is_own_process() -> bool {
    // SAFETY: the header is mapped while the tracker is active.
    unsafe { (*recording::header()).pid == system::pid() }
}

#[inline]
fn opened(fd: c_int) -> c_int {
    if fd >= 0 && state::active() {
        note_open(fd);
    }
    fd
}

fn note_open(fd: c_int) {
    let errno = KeepErrno::new();
    if is_own_process()
        && let Some(entered) = state::enter()
        && let Some(entry) = entry(fd)
    {
        // SAFETY: this thread's own state.
        let node = unsafe { current_node(entered.shard, own_thread_state()) };
        let record = entered.shard.add_elsewhere(node, Kind::Descriptor, 0);
        let old = entry.swap(record, Ordering::Relaxed);
        HIGHEST.fetch_max(fd as u32, Ordering::Relaxed);
        count_open(1);
        if old != 0 {
            entered.shard.remove(old, 0, 1, false);
            count_open(-1);
        }
    }
    drop(errno);
}

fn note_close(fd: c_int) {
    if !state::active() {
        return;
    }
    let errno = KeepErrno::new();
    if is_own_process()
        && let Some(entered) = state::enter()
        && let Some(entry) = entry(fd)
    {
        let old = entry.swap(0, Ordering::Relaxed);
        if old != 0 {
            entered.shard.remove(old, 0, 1, false);
            count_open(-1);
        }
    }
    drop(errno);
}

/// Forgets all descriptors (in a forked child: they were opened by the parent).
pub(crate) fn clear() {
    let table = TABLE.load(Ordering::Acquire);
    if !table.is_null() {
        // SAFETY: the child has one thread, and it is here.
        unsafe { system::discard(table.cast(), MOST * size_of::<AtomicU32>()) };
    }
}

/// Functions that return one new descriptor. Variadic ones take their third argument the same way on this platform.
macro_rules! opening {
    ($($name:ident($($argument:ident: $kind:ty),*);)*) => { $(
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $name($($argument: $kind),*) -> c_int {
            const NAME: &core::ffi::CStr = match core::ffi::CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                Ok(name) => name,
                Err(_) => c"",
            };
            opened(next!(NAME, fn($($kind),*) -> c_int)($($argument),*))
        }
    )* };
}

opening! {
    open(path: *const c_char, flags: c_int, mode: c_uint);
    open64(path: *const c_char, flags: c_int, mode: c_uint);
    openat(folder: c_int, path: *const c_char, flags: c_int, mode: c_uint);
    openat64(folder: c_int, path: *const c_char, flags: c_int, mode: c_uint);
    creat(path: *const c_char, mode: c_uint);
    socket(domain: c_int, kind: c_int, protocol: c_int);
    accept(fd: c_int, address: *mut c_void, length: *mut c_uint);
    accept4(fd: c_int, address: *mut c_void, length: *mut c_uint, flags: c_int);
    dup(fd: c_int);
    epoll_create(size: c_int);
    epoll_create1(flags: c_int);
    eventfd(value: c_uint, flags: c_int);
    timerfd_create(clock: c_int, flags: c_int);
    inotify_init();
    inotify_init1(flags: c_int);
    memfd_create(name: *const c_char, flags: c_uint);
    dup2(old: c_int, new: c_int);
    dup3(old: c_int, new: c_int, flags: c_int);
    mkstemp(template: *mut c_char);
    mkostemp(template: *mut c_char, flags: c_int);
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fcntl(fd: c_int, command: c_int, argument: usize) -> c_int {
    let result = next!(c"fcntl", fn(c_int, c_int, usize) -> c_int)(fd, command, argument);
    if matches!(command, libc::F_DUPFD | libc::F_DUPFD_CLOEXEC) { opened(result) } else { result }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fcntl64(fd: c_int, command: c_int, argument: usize) -> c_int {
    fcntl(fd, command, argument)
}

/// Both ends of a pair that a successful call has written.
unsafe fn opened_pair(pair: *const c_int, result: c_int) -> c_int {
    if result == 0 {
        opened(*pair);
        opened(*pair.add(1));
    }
    result
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn pipe(pair: *mut c_int) -> c_int {
    opened_pair(pair, next!(c"pipe", fn(*mut c_int) -> c_int)(pair))
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn pipe2(pair: *mut c_int, flags: c_int) -> c_int {
    opened_pair(pair, next!(c"pipe2", fn(*mut c_int, c_int) -> c_int)(pair, flags))
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn socketpair(domain: c_int, kind: c_int, protocol: c_int, pair: *mut c_int) -> c_int {
    let real = next!(c"socketpair", fn(c_int, c_int, c_int, *mut c_int) -> c_int);
    opened_pair(pair, real(domain, kind, protocol, pair))
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn close(fd: c_int) -> c_int {
    note_close(fd);
    next!(c"close", fn(c_int) -> c_int)(fd)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn fclose(file: *mut c_void) -> c_int {
    if state::active() && !file.is_null() {
        note_close(next!(c"fileno", fn(*mut c_void) -> c_int)(file));
    }
    next!(c"fclose", fn(*mut c_void) -> c_int)(file)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn close_range(first: c_uint, last: c_uint, flags: c_int) -> c_int {
    let result = next!(c"close_range", fn(c_uint, c_uint, c_int) -> c_int)(first, last, flags);
    // With CLOSE_RANGE_CLOEXEC (4) they stay open.
    if result == 0 && flags & 4 == 0 && state::active() && is_own_process() {
        // Programs close "everything from 3 on" by ranges of a million: only up to the last one that was opened.
        for fd in first as c_int..=last.min(HIGHEST.load(Ordering::Relaxed)) as c_int {
            note_close(fd);
        }
    }
    result
}
