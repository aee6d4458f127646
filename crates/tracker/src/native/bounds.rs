//! Where a thread's stack lies: nothing outside is ever read.

use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};

unsafe extern "C" {
    /// Where the main thread's stack starts; the dynamic loader's.
    static __libc_stack_end: usize;
}

/// The main thread's stack is this large at least, or as its limit says: nothing else is mapped there.
const MAIN_STACK: usize = 128 << 20;
/// What an unlimited one is taken for.
const UNLIMITED: usize = 1 << 40;

static MAIN_LOW: AtomicUsize = AtomicUsize::new(0);

/// Notes the main thread's stack; once, at start.
pub(super) fn init() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: writes one rlimit; the loader has set the other word before any constructor ran.
    let top = unsafe {
        libc::getrlimit(libc::RLIMIT_STACK, &raw mut limit);
        __libc_stack_end
    };
    let bytes = if limit.rlim_cur == libc::RLIM_INFINITY { UNLIMITED } else { MAIN_STACK.max(limit.rlim_cur as usize) };
    MAIN_LOW.store(top.saturating_sub(bytes), Ordering::Relaxed);
}

/// The stack of this thread, on which `stack_pointer` lies: the main thread's, or the one that it was started with.
/// Empty for others (a signal's, a coroutine's).
pub(super) fn of_this_thread(stack_pointer: usize) -> Range<usize> {
    // SAFETY: as in `init`.
    let main = MAIN_LOW.load(Ordering::Relaxed)..unsafe { __libc_stack_end };
    if main.contains(&stack_pointer) {
        return main;
    }
    // SAFETY: fills a structure of its own, and reads it.
    unsafe {
        let mut attributes: libc::pthread_attr_t = core::mem::zeroed();
        if libc::pthread_getattr_np(libc::pthread_self(), &raw mut attributes) != 0 {
            return 0..0;
        }
        let (mut low, mut bytes) = (core::ptr::null_mut(), 0);
        libc::pthread_attr_getstack(&raw const attributes, &raw mut low, &raw mut bytes);
        libc::pthread_attr_destroy(&raw mut attributes);
        let stack = low as usize..low as usize + bytes;
        if stack.contains(&stack_pointer) { stack } else { 0..0 }
    }
}

/// The alternative stack for signals, if this thread is on it.
pub(super) fn of_signals(stack_pointer: usize) -> Range<usize> {
    // SAFETY: fills one structure.
    let stack = unsafe {
        let mut stack: libc::stack_t = core::mem::zeroed();
        libc::syscall(libc::SYS_sigaltstack, core::ptr::null::<libc::stack_t>(), &raw mut stack);
        stack
    };
    let range = stack.ss_sp as usize..stack.ss_sp as usize + stack.ss_size;
    if range.contains(&stack_pointer) { range } else { 0..0 }
}
