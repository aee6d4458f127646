//! Whether the tracker counts, and the thread-local slot every hook starts with.

use core::sync::atomic::{AtomicU8, Ordering};

use crate::shard::Shard;

static STATE: AtomicU8 = AtomicU8::new(INACTIVE);
const INACTIVE: u8 = 0;
const ACTIVE: u8 = 1;
const POSTPONED: u8 = 2;

/// True between a successful start and the final state.
#[inline]
pub(crate) fn active() -> bool {
    STATE.load(Ordering::Relaxed) == ACTIVE
}

/// Starts counting.
pub(crate) fn activate() {
    STATE.store(ACTIVE, Ordering::Release);
}

/// Stops counting; blocks that live on are neither added nor subtracted any more.
pub(crate) fn deactivate() {
    STATE.store(INACTIVE, Ordering::Release);
}

/// Starts counting at the next allocation: most forked children execute another program before they allocate anything.
pub(crate) fn postpone() {
    STATE.store(POSTPONED, Ordering::Release);
}

/// True when counting has just been started because it was postponed.
#[cold]
fn start_late() -> bool {
    STATE.compare_exchange(POSTPONED, INACTIVE, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        && crate::fork::start_in_child()
}

// `thread_local!` in a shared library calls `__tls_get_addr`, which may allocate; one pointer of initial-exec storage
// is a single load.
core::arch::global_asm!(
    ".section .tbss,\"awT\",@nobits",
    ".balign 8",
    ".type brimline_thread_slot,@object",
    ".size brimline_thread_slot,16",
    "brimline_thread_slot:",
    ".zero 16",
    ".text",
);

/// The thread's slot: null before its first allocation, [`LEAVING`] after its last, else its shard.
#[inline]
pub(crate) fn thread_slot() -> *mut *mut Shard {
    let slot: *mut *mut Shard;
    // SAFETY: computes an address in this thread's block, reads nothing else.
    unsafe {
        core::arch::asm!(
            "mov {slot}, qword ptr [rip + brimline_thread_slot@GOTTPOFF]",
            "add {slot}, qword ptr fs:[0]",
            slot = out(reg) slot,
            options(pure, readonly, nostack),
        );
    }
    slot
}

/// Runs a call of a malloc that is not the C library's. What it maps meanwhile is the room that its blocks lie in, which
/// are counted themselves.
#[inline]
pub(crate) fn within_malloc<R>(call: impl FnOnce() -> R) -> R {
    // SAFETY: the word behind the slot is this thread's own.
    unsafe {
        let flag = thread_slot().add(1).cast::<usize>();
        let before = flag.replace(1);
        let result = call();
        flag.write(before);
        result
    }
}

/// True inside [`within_malloc`].
#[inline]
pub(crate) fn is_within_malloc() -> bool {
    // SAFETY: the word behind the slot is this thread's own.
    unsafe { thread_slot().add(1).cast::<usize>().read() != 0 }
}

/// In the slot of a thread that must not be counted (any more).
pub(crate) const LEAVING: *mut Shard = core::ptr::without_provenance_mut(1);

/// This thread's shard, made on first use; `None` for threads that are not counted and inside the tracker itself.
#[inline]
pub(crate) fn enter() -> Option<Entered> {
    if !active() && !start_late() {
        return None;
    }
    // SAFETY: the slot is this thread's own.
    let mut shard = unsafe { *thread_slot() };
    if (shard as usize) <= LEAVING as usize {
        if shard == LEAVING {
            return None;
        }
        shard = crate::threads::register()?;
    }
    // SAFETY: a shard is used by its thread only and never unmapped while that lives.
    let shard = unsafe { &mut *shard };
    if shard.inside {
        return None;
    }
    shard.inside = true;
    Some(Entered { shard })
}

/// The thread is inside the tracker: what it allocates meanwhile passes by uncounted.
pub(crate) struct Entered {
    pub(crate) shard: &'static mut Shard,
}

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        self.shard.inside = false;
    }
}

/// True on a thread that is counted no more, in a process that is.
#[inline]
pub(crate) fn has_left() -> bool {
    // SAFETY: the slot is this thread's own.
    active() && unsafe { *thread_slot() } == LEAVING
}

/// Undoes an [`enter`] whose guard was forgotten.
pub(crate) fn step_out() {
    // SAFETY: the slot is this thread's own, and a shard in it is alive.
    unsafe {
        let shard = *thread_slot();
        if shard as usize > LEAVING as usize {
            (*shard).inside = false;
        }
    }
}

/// True when this thread is inside the tracker or one of Python's allocators that the tracker wraps.
pub(crate) fn is_inside() -> bool {
    // SAFETY: the slot is this thread's own, and a shard in it is alive.
    unsafe {
        let shard = *thread_slot();
        shard as usize > LEAVING as usize && (*shard).inside
    }
}
