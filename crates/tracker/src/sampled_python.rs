//! Python's allocators in `--mode sampled`: what is not drawn goes straight on to the allocator.
//!
//! Only blocks of at most [`SMALL_OBJECT`] bytes are drawn here. The allocator hands larger ones on to malloc, where they
//! are drawn as such; the arenas in which it keeps the small ones are reserve, not use.

use core::ffi::c_void;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::python::{self, Allocator, Arenas, original, running_thread_state};
use crate::shard::{Kind, SMALL_OBJECT};
use crate::stack::current_node;
use crate::{mappings, sampling, shadow, state};

/// Set by the first arena: the tables that come with it are made, and Python's own allocator is the one at work.
static HAS_ARENA: AtomicBool = AtomicBool::new(false);

/// The wrapper of one allocator. `is_plain` is false for an allocator that works through another one.
pub(crate) fn wrapper(original: *mut c_void, is_plain: bool) -> Allocator {
    let malloc = if is_plain && HAS_ARENA.load(Ordering::Relaxed) { plain_malloc } else { malloc };
    Allocator { context: original, malloc, calloc, realloc, free }
}

/// Counts a block that was drawn.
#[cold]
unsafe fn count(block: *mut c_void, size: usize) -> *mut c_void {
    if !block.is_null()
        && let Some(entered) = state::enter()
    {
        let node = current_node(entered.shard, running_thread_state());
        entered.shard.add_block(node, Kind::Python, block as usize, size);
    }
    block
}

unsafe extern "C" fn malloc(context: *mut c_void, size: usize) -> *mut c_void {
    let original = original(context);
    if size > SMALL_OBJECT {
        return (original.malloc)(original.context, size);
    }
    let block = sampling::serving(|| (original.malloc)(original.context, size));
    if sampling::draws(size) { count(block, size) } else { block }
}

/// As [`malloc`], where small requests never reach the other malloc: nothing is left to do when the allocator returns.
unsafe extern "C" fn plain_malloc(context: *mut c_void, size: usize) -> *mut c_void {
    if size <= SMALL_OBJECT && sampling::spend(size) {
        return malloc_at_draw(context, size);
    }
    let original = original(context);
    (original.malloc)(original.context, size)
}

/// Kept apart so that the common case saves no registers.
#[cold]
#[inline(never)]
unsafe extern "C" fn malloc_at_draw(context: *mut c_void, size: usize) -> *mut c_void {
    let is_drawn = sampling::settle(size);
    let original = original(context);
    let block = (original.malloc)(original.context, size);
    if is_drawn { count(block, size) } else { block }
}

unsafe extern "C" fn calloc(context: *mut c_void, count_of: usize, size: usize) -> *mut c_void {
    let original = original(context);
    let bytes = count_of.saturating_mul(size);
    if bytes > SMALL_OBJECT {
        return (original.calloc)(original.context, count_of, size);
    }
    let block = sampling::serving(|| (original.calloc)(original.context, count_of, size));
    if sampling::draws(bytes) { count(block, bytes) } else { block }
}

unsafe extern "C" fn realloc(context: *mut c_void, block: *mut c_void, size: usize) -> *mut c_void {
    let original = original(context);
    let old = if block.is_null() || !shadow::has(block as usize) {
        None
    } else {
        state::enter().and_then(|entered| entered.shard.remove_block(block as usize))
    };
    let new = if size > SMALL_OBJECT {
        (original.realloc)(original.context, block, size)
    } else {
        // A block that shrinks below the limit stays with malloc; it is drawn here all the same, and only here.
        let new = sampling::serving(|| (original.realloc)(original.context, block, size));
        if sampling::draws(size) { count(new, size) } else { new }
    };
    if new.is_null()
        && let Some(old) = old
        && let Some(entered) = state::enter()
    {
        entered.shard.restore_block(block as usize, old);
    }
    new
}

unsafe extern "C" fn free(context: *mut c_void, block: *mut c_void) {
    let original = original(context);
    if shadow::has(block as usize) {
        uncount(block);
    }
    (original.free)(original.context, block);
}

#[cold]
fn uncount(block: *mut c_void) {
    if let Some(entered) = state::enter() {
        entered.shard.remove_block(block as usize);
    }
}

/// Wraps the allocator of arenas at `original`, which stays where it is.
pub(crate) fn arena_wrapper(original: *mut Arenas) -> Arenas {
    Arenas { context: original.cast(), alloc: arena_alloc, free: arena_free }
}

/// Smallest arena of any version. What is asked for below it is a chunk for Python's frames: a mapping like any.
const SMALLEST_ARENA: usize = 256 << 10;

unsafe extern "C" fn arena_alloc(context: *mut c_void, size: usize) -> *mut c_void {
    let original = *context.cast::<Arenas>();
    let is_arena = size >= SMALLEST_ARENA;
    let _inside = if is_arena { state::enter() } else { None };
    if is_arena && !HAS_ARENA.swap(true, Ordering::Relaxed) {
        python::rewrap();
    }
    (original.alloc)(original.context, size)
}

unsafe extern "C" fn arena_free(context: *mut c_void, arena: *mut c_void, size: usize) {
    let original = *context.cast::<Arenas>();
    let _inside = if mappings::is_counted(arena as usize) { None } else { state::enter() };
    (original.free)(original.context, arena, size);
}
