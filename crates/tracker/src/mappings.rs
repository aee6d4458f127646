//! `mmap` and its relatives: memory that a program takes from the kernel itself.
//!
//! Python's arenas are mapped while one of its allocators runs; they are reserve, not use, and appear as such.

use core::ffi::{c_int, c_long, c_void};
use core::sync::atomic::{AtomicI64, Ordering};

use crate::array::Array;
use crate::interpose::{Next, next};
use crate::lock::Lock;
use crate::python::own_thread_state;
use crate::recording;
use crate::shard::{Kind, Shard};
use crate::stack::current_node;
use crate::state;
use crate::system::KeepErrno;

#[derive(Clone, Copy)]
struct Region {
    start: usize,
    end: usize,
    record: u32,
    is_heap: bool,
}

/// Sorted by address, without overlaps.
static REGIONS: Lock<Array<Region>> = Lock::new(Array::new());

fn change_arenas(bytes: i64) {
    // SAFETY: the header is mapped while the tracker is active.
    unsafe { AtomicI64::from_ptr(&raw mut (*recording::header()).arena_bytes).fetch_add(bytes, Ordering::Relaxed) };
}

fn page_up(bytes: usize) -> usize {
    bytes.next_multiple_of(4096)
}

unsafe fn mapped(address: *mut c_void, bytes: usize, flags: c_int) {
    if address == libc::MAP_FAILED || !state::active() || state::is_within_malloc() {
        return;
    }
    let errno = KeepErrno::new();
    if state::is_inside() {
        change_arenas(page_up(bytes) as i64);
    } else if let Some(entered) = state::enter() {
        let start = address as usize;
        let kind = if flags & libc::MAP_ANONYMOUS == 0 { Kind::FileMapping } else { Kind::Mapping };
        if flags & libc::MAP_FIXED != 0 {
            cut(entered.shard, start, start + page_up(bytes));
        }
        let node = current_node(entered.shard, own_thread_state());
        let record = entered.shard.add_elsewhere(node, kind, page_up(bytes));
        let region = Region { start, end: start + page_up(bytes), record, is_heap: kind.is_heap() };
        REGIONS.with(|regions| {
            let at = regions.as_slice().partition_point(|other| other.start < start);
            regions.insert(at, region);
        });
    }
    drop(errno);
}

/// Whether a mapping that counts covers `address`.
pub(crate) fn is_counted(address: usize) -> bool {
    // Inside, so that a signal's handler that maps memory does not wait for this thread.
    let Some(_inside) = state::enter() else { return false };
    REGIONS.with(|regions| {
        let at = regions.as_slice().partition_point(|region| region.end <= address);
        regions.as_slice().get(at).is_some_and(|region| region.start <= address)
    })
}

/// Takes `[start, end)` out of all regions.
fn cut(shard: &mut Shard, start: usize, end: usize) {
    loop {
        let overlap = REGIONS.with(|regions| {
            let at = regions.as_slice().partition_point(|region| region.end <= start);
            let region = regions.as_slice().get(at).copied().filter(|region| region.start < end)?;
            let (from, to) = (region.start.max(start), region.end.min(end));
            let whole = from == region.start && to == region.end;
            if whole {
                regions.remove(at);
            } else if from == region.start {
                regions.as_mut_slice()[at].start = to;
            } else {
                regions.as_mut_slice()[at].end = from;
                if to < region.end {
                    regions.insert(at + 1, Region { start: to, ..region });
                }
            }
            Some((region, to - from, whole))
        });
        let Some((region, bytes, whole)) = overlap else { return };
        shard.remove(region.record, bytes, i64::from(whole), region.is_heap);
    }
}

fn unmapping(start: usize, bytes: usize) {
    if !state::active() || state::is_within_malloc() {
        return;
    }
    if state::is_inside() {
        change_arenas(-(page_up(bytes) as i64));
    } else if let Some(entered) = state::enter() {
        cut(entered.shard, start, start + page_up(bytes));
    }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn mmap(
    at: *mut c_void,
    bytes: usize,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: c_long,
) -> *mut c_void {
    let real = next!(c"mmap", fn(*mut c_void, usize, c_int, c_int, c_int, c_long) -> *mut c_void);
    let address = real(at, bytes, protection, flags, fd, offset);
    mapped(address, bytes, flags);
    address
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn mmap64(
    at: *mut c_void,
    bytes: usize,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: c_long,
) -> *mut c_void {
    mmap(at, bytes, protection, flags, fd, offset)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn munmap(address: *mut c_void, bytes: usize) -> c_int {
    unmapping(address as usize, bytes);
    next!(c"munmap", fn(*mut c_void, usize) -> c_int)(address, bytes)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn mremap(
    old: *mut c_void,
    old_bytes: usize,
    new_bytes: usize,
    flags: c_int,
    fixed: *mut c_void,
) -> *mut c_void {
    let real = next!(c"mremap", fn(*mut c_void, usize, usize, c_int, *mut c_void) -> *mut c_void);
    let start = old as usize;
    // Inside, so that a signal handler that maps memory meanwhile does not wait for this thread's own lock.
    let is_file = state::enter().is_some_and(|_entered| {
        REGIONS.with(|regions| {
            let at = regions.as_slice().partition_point(|region| region.end <= start);
            regions.as_slice().get(at).is_some_and(|region| region.start <= start && !region.is_heap)
        })
    });
    // What moves is uncounted before it moves: afterwards another thread may have mapped the old place.
    let moves = flags & libc::MREMAP_MAYMOVE != 0 && old_bytes != 0;
    if moves {
        unmapping(start, old_bytes);
    }
    let address = real(old, old_bytes, new_bytes, flags, fixed);
    let kind = if is_file { libc::MAP_SHARED } else { libc::MAP_ANONYMOUS };
    if address != libc::MAP_FAILED {
        if !moves && old_bytes != 0 {
            unmapping(start, old_bytes);
        }
        mapped(address, new_bytes, kind);
    } else if moves {
        mapped(old, old_bytes, kind);
    }
    address
}

/// For `fork`.
pub(crate) fn lock_for_fork() {
    REGIONS.acquire();
}

/// After `fork`, in both processes.
pub(crate) fn unlock_after_fork() {
    REGIONS.release();
}

/// Forgets all regions (in a forked child, where they count in the parent's recording).
pub(crate) fn clear() {
    REGIONS.with(Array::free);
}
