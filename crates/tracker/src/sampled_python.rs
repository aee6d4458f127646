//! Python's allocators in `--mode sampled`: what is not drawn goes straight on to the allocator.
//!
//! Only blocks of at most [`SMALL_OBJECT`] bytes are drawn here. The allocator hands larger ones on to malloc, where they
//! are drawn as such; the arenas in which it keeps the small ones are reserve, not use.

use core::ffi::c_void;

use crate::python::{Allocator, Arenas, original, running_thread_state};
use crate::shard::{Kind, SMALL_OBJECT};
use crate::stack::current_node;
use crate::{mappings, sampling, shadow, state};

/// The wrapper of one allocator.
pub(crate) fn wrapper(original: *mut c_void) -> Allocator {
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

/// An arena is taken while a small request is served. Anything else is a chunk for Python's frames: a mapping like any.
unsafe extern "C" fn arena_alloc(context: *mut c_void, size: usize) -> *mut c_void {
    let original = *context.cast::<Arenas>();
    let _inside = if sampling::is_serving() { state::enter() } else { None };
    (original.alloc)(original.context, size)
}

unsafe extern "C" fn arena_free(context: *mut c_void, arena: *mut c_void, size: usize) {
    let original = *context.cast::<Arenas>();
    let _inside = if mappings::is_counted(arena as usize) { None } else { state::enter() };
    (original.free)(original.context, arena, size);
}
