//! Python's three allocators, wrapped: `PyMem_SetAllocator` for the raw, mem and object domains.
//!
//! What an allocator takes from malloc or mmap while it serves a request is not counted again: the thread is inside.

use core::cell::UnsafeCell;
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::api::Api;
use crate::offsets::{self, NONE};
use crate::shard::Kind;
use crate::stack::{current_node, load};
use crate::{lines, sampled_python, sampling, state};

/// `PyMemAllocatorEx`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Allocator {
    pub(crate) context: *mut c_void,
    pub(crate) malloc: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void,
    pub(crate) calloc: unsafe extern "C" fn(*mut c_void, usize, usize) -> *mut c_void,
    pub(crate) realloc: unsafe extern "C" fn(*mut c_void, *mut c_void, usize) -> *mut c_void,
    pub(crate) free: unsafe extern "C" fn(*mut c_void, *mut c_void),
}

/// `PyObjectArenaAllocator`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Arenas {
    pub(crate) context: *mut c_void,
    pub(crate) alloc: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void,
    pub(crate) free: unsafe extern "C" fn(*mut c_void, *mut c_void, usize),
}

/// `PYMEM_DOMAIN_RAW`, the one that is called without the GIL.
const RAW: usize = 0;
/// `PYMEM_DOMAIN_OBJ`.
const OBJECT: usize = 2;
const DOMAINS: usize = 3;

struct Original<T>(UnsafeCell<core::mem::MaybeUninit<T>>);
// SAFETY: written while the interpreter starts, before it has a second thread.
unsafe impl<T> Sync for Original<T> {}
static ORIGINALS: Original<[Allocator; DOMAINS]> = Original(UnsafeCell::new(core::mem::MaybeUninit::uninit()));

/// Address of the interpreter's word for the thread state that holds the GIL; 0 where a function has to be asked.
static CURRENT_THREAD: AtomicUsize = AtomicUsize::new(0);
/// Address of a word that is zero when there is no interpreter (yet or any more); of any other where the function that
/// needs it looks itself.
static HAS_INTERPRETER: AtomicUsize = AtomicUsize::new(0);
static ALWAYS: usize = 1;
/// `malloc` of each domain before anything was wrapped.
static FIRST_MALLOCS: [AtomicUsize; DOMAINS] = [const { AtomicUsize::new(0) }; DOMAINS];

/// Notes where the interpreter keeps its state; once, by the constructor.
pub(crate) fn init() {
    let (at, runtime) = (offsets::current(), Api::get().runtime as usize);
    if at.runtime_current_thread != NONE {
        CURRENT_THREAD.store(runtime + at.runtime_current_thread, Ordering::Release);
        HAS_INTERPRETER.store(runtime + at.runtime_auto_interpreter, Ordering::Release);
    } else {
        HAS_INTERPRETER.store(&raw const ALWAYS as usize, Ordering::Release);
    }
}

/// Thread state of this thread if it has one: for callers that may not hold the GIL.
#[inline]
pub(crate) fn own_thread_state() -> usize {
    let word = HAS_INTERPRETER.load(Ordering::Relaxed);
    // SAFETY: static data of the interpreter, or ours.
    if word == 0 || unsafe { load(word) } == 0 {
        return 0;
    }
    // SAFETY: the thread-specific key exists as long as the word read above is set.
    unsafe { (Api::get().gil_state_this_thread)() as usize }
}

/// Thread state that holds the GIL: this thread's, for callers that hold it.
#[inline]
pub(crate) fn running_thread_state() -> usize {
    let word = CURRENT_THREAD.load(Ordering::Relaxed);
    if word != 0 {
        // SAFETY: static data of the interpreter.
        return unsafe { load(word) };
    }
    let api = Api::get();
    // SAFETY: only looks.
    api.current_thread_new.or(api.current_thread_old).map_or(0, |ask| unsafe { ask() as usize })
}

#[inline]
unsafe fn thread_state<const DOMAIN: usize>() -> usize {
    if DOMAIN == RAW { own_thread_state() } else { running_thread_state() }
}

#[inline]
pub(crate) unsafe fn original(context: *mut c_void) -> Allocator {
    *context.cast::<Allocator>()
}

unsafe extern "C" fn malloc<const DOMAIN: usize>(context: *mut c_void, size: usize) -> *mut c_void {
    let original = original(context);
    let Some(entered) = state::enter() else { return (original.malloc)(original.context, size) };
    let block = (original.malloc)(original.context, size);
    if !block.is_null() {
        let node = current_node(entered.shard, thread_state::<DOMAIN>());
        entered.shard.add_block(node, Kind::Python, block as usize, size);
    }
    block
}

unsafe extern "C" fn calloc<const DOMAIN: usize>(context: *mut c_void, count: usize, size: usize) -> *mut c_void {
    let original = original(context);
    let Some(entered) = state::enter() else { return (original.calloc)(original.context, count, size) };
    let block = (original.calloc)(original.context, count, size);
    if !block.is_null() {
        let node = current_node(entered.shard, thread_state::<DOMAIN>());
        entered.shard.add_block(node, Kind::Python, block as usize, count.wrapping_mul(size));
    }
    block
}

unsafe extern "C" fn realloc<const DOMAIN: usize>(
    context: *mut c_void,
    block: *mut c_void,
    size: usize,
) -> *mut c_void {
    let original = original(context);
    let Some(entered) = state::enter() else { return (original.realloc)(original.context, block, size) };
    if lines::enabled() {
        current_node(entered.shard, thread_state::<DOMAIN>());
    }
    let old = if block.is_null() { None } else { entered.shard.remove_block(block as usize) };
    let new = (original.realloc)(original.context, block, size);
    if !new.is_null() {
        let node = current_node(entered.shard, thread_state::<DOMAIN>());
        entered.shard.add_block(node, Kind::Python, new as usize, size);
    } else if let Some(old) = old {
        entered.shard.restore_block(block as usize, old);
    }
    new
}

unsafe extern "C" fn free<const DOMAIN: usize>(context: *mut c_void, block: *mut c_void) {
    let original = original(context);
    let Some(entered) = (if block.is_null() { None } else { state::enter() }) else {
        return (original.free)(original.context, block);
    };
    if lines::enabled() {
        current_node(entered.shard, thread_state::<DOMAIN>());
    }
    entered.shard.remove_block(block as usize);
    (original.free)(original.context, block);
}

fn wrapper<const DOMAIN: usize>(original: *mut c_void) -> Allocator {
    Allocator {
        context: original,
        malloc: malloc::<DOMAIN>,
        calloc: calloc::<DOMAIN>,
        realloc: realloc::<DOMAIN>,
        free: free::<DOMAIN>,
    }
}

/// Whether Python's allocators are wrapped at all.
static WANTED: AtomicBool = AtomicBool::new(false);

fn is_wanted() -> bool {
    WANTED.load(Ordering::Relaxed)
}

/// From now on Python's allocators are counted.
pub(crate) fn want() {
    WANTED.store(true, Ordering::Relaxed);
}

/// Wraps the allocators for the first time if they are wanted.
///
/// # Safety
/// As for `install`.
pub(crate) unsafe fn install_first() {
    if is_wanted() {
        install();
    }
}

/// Wraps the allocators in place now, as far as the mode wants.
///
/// # Safety
/// No thread but this one uses them yet, and none of them forwards to ours.
unsafe fn install() {
    let api = Api::get();
    let originals = ORIGINALS.0.get().cast::<Allocator>();
    let is_sampled = sampling::enabled();
    if is_sampled {
        wrap_arenas(api);
    }
    for (domain, first) in FIRST_MALLOCS.iter().enumerate().skip(usize::from(is_sampled)) {
        let original = originals.add(domain);
        let ours = match domain {
            _ if is_sampled => sampled_python::wrapper(original.cast(), in_place(domain).context.is_null()),
            0 => wrapper::<0>(original.cast()),
            1 => wrapper::<1>(original.cast()),
            _ => wrapper::<2>(original.cast()),
        };
        let present = in_place(domain);
        if present.context != ours.context {
            let malloc = present.malloc as usize;
            let _ = first.compare_exchange(0, malloc, Ordering::Relaxed, Ordering::Relaxed);
            original.write(present);
            (api.mem_set_allocator)(domain as c_int, (&raw const ours).cast_mut().cast());
        }
    }
}

/// Puts the sampling wrappers that are right by now in place of those that are there.
///
/// # Safety
/// The thread holds the GIL.
pub(crate) unsafe fn rewrap() {
    let originals = ORIGINALS.0.get().cast::<Allocator>();
    for domain in RAW + 1..DOMAINS {
        let original = originals.add(domain);
        if in_place(domain).context == original.cast() {
            let ours = sampled_python::wrapper(original.cast(), (*original).context.is_null());
            (Api::get().mem_set_allocator)(domain as c_int, (&raw const ours).cast_mut().cast());
        }
    }
}

unsafe fn wrap_arenas(api: &Api) {
    static ORIGINAL: Original<Arenas> = Original(UnsafeCell::new(core::mem::MaybeUninit::uninit()));
    let original = ORIGINAL.0.get().cast::<Arenas>();
    let mut present = core::mem::MaybeUninit::<Arenas>::uninit();
    (api.arenas_get)(present.as_mut_ptr().cast());
    let present = present.assume_init();
    if present.context != original.cast() {
        original.write(present);
        let ours = sampled_python::arena_wrapper(original);
        (api.arenas_set)((&raw const ours).cast_mut().cast());
    }
}

/// Wraps the allocators again if the interpreter has replaced them while starting (`PYTHONMALLOC`, `-X dev`): with its
/// default ones, or with its debug ones over those. Allocators stacked on ours (tracemalloc) stay. Only looks, calls
/// none of them: safe wherever an allocation can happen. True if they had been replaced.
///
/// # Safety
/// As for `install`.
pub(crate) unsafe fn install_if_replaced() -> bool {
    if !is_wanted() {
        return false;
    }
    // The raw domain alone is set to its default again and again while the interpreter starts, and put back.
    let is_replaced = (sampling::enabled() || is_plain(RAW)) && is_plain(OBJECT);
    if is_replaced {
        install();
    }
    is_replaced
}

/// The interpreter's own raw malloc.
static RAW_MALLOC: AtomicUsize = AtomicUsize::new(0);

unsafe fn in_place(domain: usize) -> Allocator {
    let mut present = core::mem::MaybeUninit::<Allocator>::uninit();
    (Api::get().mem_get_allocator)(domain as c_int, present.as_mut_ptr().cast());
    present.assume_init()
}

/// Notes the interpreter's own raw malloc, before anybody can have replaced it.
pub(crate) fn remember_raw_malloc() {
    // SAFETY: only looks.
    RAW_MALLOC.store(unsafe { in_place(RAW) }.malloc as usize, Ordering::Relaxed);
}

/// True unless an allocator of somebody else, such as tracemalloc's, is in place for the raw domain. Up to 3.13.1 a
/// thread that allocates while `tracemalloc.stop()` runs crashes (python/cpython#128679).
pub(crate) fn raw_malloc_is_known() -> bool {
    let known = [RAW_MALLOC.load(Ordering::Relaxed), malloc::<RAW> as *const () as usize];
    // SAFETY: only looks; see `is_plain` for the debug allocator.
    unsafe {
        let present = in_place(RAW);
        known.contains(&(present.malloc as usize))
            || (!present.context.is_null()
                && known.contains(&load(present.context as usize + 8 + core::mem::offset_of!(Allocator, malloc))))
    }
}

/// True if the allocator in place is one of the interpreter's first ones, or its debug allocator over one of them.
unsafe fn is_plain(domain: usize) -> bool {
    let present = in_place(domain);
    let is_first = |malloc: usize| FIRST_MALLOCS.iter().any(|first| first.load(Ordering::Relaxed) == malloc);
    // `debug_alloc_api_t`: an identifying character, then the allocator that is wrapped.
    let wrapped = || load(present.context as usize + 8 + core::mem::offset_of!(Allocator, malloc));
    is_first(present.malloc as usize) || (!present.context.is_null() && is_first(wrapped()))
}
