//! Deep recursion: comparing thousands of frames at every allocation would take longer than the program itself.
//!
//! Beyond [`DEEP`] frames the interpreter is asked to report returns of this thread (a C profile function, the same
//! mechanism as `sys.setprofile`), which keep a watermark: frames below it cannot have moved. To report them CPython
//! makes a frame object and a line array; these are not the program's and are taken out of the count again, unless the
//! program turns out to hold the frame object too (in a traceback, say) when its frame returns. A profiler of the
//! program's own has precedence.

use core::ffi::{c_int, c_void};

use crate::layout311 as layout;
use crate::stack::{StackCache, load};
use crate::state;

/// Watching starts above this depth.
const DEEP: usize = 160;
/// Watching ends below this depth.
const SHALLOW: usize = 80;
const TRACE_RETURN: c_int = 3;

unsafe fn store(address: usize, value: usize) {
    (address as *mut usize).write(value);
}

/// `use_tracing` of the thread's innermost C-level evaluation loop.
unsafe fn use_tracing(thread: usize) -> *mut u8 {
    (load(thread + layout::THREAD_CFRAME) + layout::CFRAME_USE_TRACING) as *mut u8
}

unsafe fn is_tracing(thread: usize) -> bool {
    ((thread + layout::THREAD_TRACING) as *const i32).read() != 0
}

unsafe fn has_our_profiler(thread: usize) -> bool {
    load(thread + layout::THREAD_PROFILE_FUNCTION) == on_event as *const () as usize
}

/// Drops what can no longer be trusted: returned frames, and everything if the program has put a profiler of its own
/// in place, runs a trace function (which reports nothing) or has switched to a stack that does not report yet.
pub(crate) unsafe fn trust(stack: &mut StackCache, thread: usize) {
    if stack.watched != thread || !has_our_profiler(thread) {
        stack.watched = 0;
        stack.unchanged = 0;
    } else if is_tracing(thread) {
        stack.unchanged = 0;
    } else if use_tracing(thread).read() == 0 {
        use_tracing(thread).write(255);
        stack.unchanged = 0;
    } else {
        stack.entries.truncate(stack.unchanged + 1);
    }
}

/// Starts to watch when the stack has become deep; notes how far it has just been seen.
pub(crate) unsafe fn consider(stack: &mut StackCache, thread: usize, has_gil: bool) {
    let depth = stack.entries.len();
    if is_tracing(thread) {
        stack.unchanged = 0;
        return;
    }
    if stack.watched == 0 {
        let is_free = load(thread + layout::THREAD_PROFILE_FUNCTION) == 0 || has_our_profiler(thread);
        if depth <= DEEP || !has_gil || !is_free {
            return;
        }
        store(thread + layout::THREAD_PROFILE_FUNCTION, on_event as *const () as usize);
        use_tracing(thread).write(255);
        stack.watched = thread;
    }
    stack.unchanged = depth.saturating_sub(1);
}

/// `Py_tracefunc`.
unsafe extern "C" fn on_event(_: *mut c_void, frame_object: *mut u8, event: c_int, _: *mut c_void) -> c_int {
    let Some(entered) = state::enter() else { return 0 };
    let shard = &mut *entered.shard;
    let frame = load(frame_object as usize + layout::FRAME_OBJECT_FRAME);
    let made_for_us = [
        (frame_object as usize).wrapping_sub(layout::GC_HEAD),
        load(load(frame + layout::FRAME_CODE) + layout::CODE_LINE_ARRAY),
    ];
    for block in core::mem::take(&mut shard.last_blocks) {
        if made_for_us.contains(&block) {
            shard.disown_block(block);
        }
    }
    if event != TRACE_RETURN || shard.stack.watched == 0 {
        return 0;
    }
    let is_shared = frame_object.cast::<isize>().read() > 1;
    if is_shared && let Some(node) = shard.stack.node_at(shard.stack.unchanged) {
        shard.adopt_block(made_for_us[0], node);
    }
    let stack = &mut shard.stack;
    if stack.entries.as_slice().get(stack.unchanged).is_some_and(|entry| entry.frame == frame) {
        stack.unchanged = stack.unchanged.saturating_sub(1);
        if stack.unchanged < SHALLOW {
            store(stack.watched + layout::THREAD_PROFILE_FUNCTION, 0);
            stack.entries.truncate(stack.unchanged + 1);
            stack.watched = 0;
            stack.unchanged = 0;
        }
    }
    0
}
