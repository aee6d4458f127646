//! The C library's allocation functions, replaced for the whole process because this library is loaded first.
//!
//! Each calls the next definition of its name (the C library's, or that of an allocator preloaded after us).

use core::ffi::{CStr, c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use crate::python::own_thread_state;
use crate::shard::Kind;
use crate::stack::current_node;
use crate::system::KeepErrno;
use crate::{bring_up, lines, patch, sampling, shadow, state, threads};

/// The next definition of a function.
pub(crate) struct Next(AtomicPtr<c_void>, &'static CStr);

impl Next {
    pub(crate) const fn new(name: &'static CStr) -> Self {
        Self(AtomicPtr::new(ptr::null_mut()), name)
    }

    #[inline]
    pub(crate) fn address(&self) -> *mut c_void {
        let address = self.0.load(Ordering::Relaxed);
        if address.is_null() { self.find() } else { address }
    }

    #[cold]
    fn find(&self) -> *mut c_void {
        // Preloaded, this library is the first of all, and others come after it. Loaded late, it is none of those that
        // the program's calls were bound to.
        let scope = if IS_LATE.load(Ordering::Relaxed) { libc::RTLD_DEFAULT } else { libc::RTLD_NEXT };
        // SAFETY: looks up a name in the libraries loaded.
        let mut address = unsafe { libc::dlsym(scope, self.1.as_ptr()) };
        if scope == libc::RTLD_DEFAULT && patch::is_stub(self.1, address) {
            // SAFETY: as above.
            address = unsafe { libc::dlsym(libc::RTLD_NEXT, self.1.as_ptr()) };
        }
        self.0.store(address, Ordering::Relaxed);
        address
    }
}

/// Set when the library was loaded into a running program.
static IS_LATE: AtomicBool = AtomicBool::new(false);

/// From now on the functions replaced are those that the program has used so far; before anything is counted.
pub(crate) fn expect_late() {
    IS_LATE.store(true, Ordering::Relaxed);
}

macro_rules! next {
    ($name:expr, fn($($argument:ty),*) $(-> $result:ty)?) => {{
        static NEXT: Next = Next::new($name);
        // SAFETY: the symbol has this signature in every C library.
        core::mem::transmute::<*mut c_void, unsafe extern "C" fn($($argument),*) $(-> $result)?>(NEXT.address())
    }};
}
pub(crate) use next;

/// `dlsym` itself may allocate: while the real functions are looked up for the first time, from here.
const EARLY_BYTES: usize = 64 << 10;
#[repr(align(16))]
struct Early(core::cell::UnsafeCell<[u8; EARLY_BYTES]>);
// SAFETY: handed out piece by piece through an atomic counter.
unsafe impl Sync for Early {}
static EARLY: Early = Early(core::cell::UnsafeCell::new([0; EARLY_BYTES]));
static EARLY_USED: AtomicUsize = AtomicUsize::new(0);

/// Room for the size in front of an early block.
const EARLY_HEAD: usize = 16;

fn early_malloc(size: usize) -> *mut c_void {
    let bytes = (size + EARLY_HEAD).next_multiple_of(16);
    let at = EARLY_USED.fetch_add(bytes, Ordering::Relaxed);
    if at + bytes > EARLY_BYTES {
        return ptr::null_mut();
    }
    // SAFETY: the piece belongs to this call alone.
    unsafe {
        let head = EARLY.0.get().cast::<u8>().add(at);
        head.cast::<usize>().write(size);
        head.add(EARLY_HEAD).cast()
    }
}

fn is_early(block: *mut c_void) -> bool {
    (block as usize).wrapping_sub(EARLY.0.get() as usize) < EARLY_BYTES
}

static MALLOC: Next = Next::new(c"malloc");
static FREE: Next = Next::new(c"free");
static CALLOC: Next = Next::new(c"calloc");
static REALLOC: Next = Next::new(c"realloc");
static LOOKING_UP: AtomicBool = AtomicBool::new(false);

/// Looks the four basic functions up at once; false while that is going on further up this stack.
#[cold]
fn look_up() -> bool {
    if LOOKING_UP.swap(true, Ordering::Acquire) {
        return false;
    }
    for next in [&CALLOC, &REALLOC, &FREE, &MALLOC] {
        next.find();
    }
    // SAFETY: fills in what lies at the address of a function; names stay with their libraries.
    unsafe {
        let mut place: libc::Dl_info = core::mem::zeroed();
        let known = libc::dladdr(MALLOC.0.load(Ordering::Relaxed), &raw mut place) != 0 && !place.dli_fname.is_null();
        let is_own = |name: &CStr| name.to_bytes().windows(C_LIBRARY.len()).any(|part| part == C_LIBRARY);
        IS_REPLACED.store(known && !is_own(CStr::from_ptr(place.dli_fname)), Ordering::Relaxed);
    }
    LOOKING_UP.store(false, Ordering::Release);
    true
}

/// In the path of the library whose malloc maps memory without calls that are replaced here.
const C_LIBRARY: &[u8] = b"/libc.so.";
/// Whether malloc is jemalloc's, mimalloc's or another one's.
static IS_REPLACED: AtomicBool = AtomicBool::new(false);

/// Runs a function of the malloc behind this one.
#[inline]
fn allocate<R>(call: impl FnOnce() -> R) -> R {
    if IS_REPLACED.load(Ordering::Relaxed) { state::within_malloc(call) } else { call() }
}

#[inline]
fn ready() -> bool {
    !MALLOC.0.load(Ordering::Relaxed).is_null() || look_up()
}

#[inline]
unsafe fn real_malloc(size: usize) -> *mut c_void {
    let real: unsafe extern "C" fn(usize) -> *mut c_void = core::mem::transmute(MALLOC.address());
    real(size)
}

#[inline]
unsafe fn real_free(block: *mut c_void) {
    let real: unsafe extern "C" fn(*mut c_void) = core::mem::transmute(FREE.address());
    real(block);
}

/// Counts a block that malloc has just handed out.
#[inline]
unsafe fn count(block: *mut c_void, size: usize) -> *mut c_void {
    if !block.is_null()
        && (!sampling::enabled() || sampling::draws_of_malloc(size))
        && let Some(entered) = state::enter()
    {
        if bring_up::is_of_replaced_allocator() {
            return block;
        }
        let errno = KeepErrno::new();
        let node = current_node(entered.shard, own_thread_state());
        entered.shard.add_block(node, Kind::Malloc, block as usize, size);
        drop(errno);
    }
    block
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
    if !ready() {
        return early_malloc(size);
    }
    count(allocate(|| real_malloc(size)), size)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn calloc(count_of: usize, size: usize) -> *mut c_void {
    if !ready() {
        // Early memory is zero and never used twice.
        return early_malloc(count_of.saturating_mul(size));
    }
    let real: unsafe extern "C" fn(usize, usize) -> *mut c_void = core::mem::transmute(CALLOC.address());
    count(allocate(|| real(count_of, size)), count_of.wrapping_mul(size))
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn free(block: *mut c_void) {
    if block.is_null() || is_early(block) || !ready() {
        return;
    }
    // Uncounted before it is freed: afterwards another thread may own the address.
    if (!sampling::enabled() || shadow::has(block as usize))
        && let Some(entered) = state::enter()
    {
        if lines::enabled() {
            current_node(entered.shard, own_thread_state());
        }
        entered.shard.remove_block(block as usize);
    } else if state::has_left() {
        threads::remove_late(block as usize);
    }
    real_free(block);
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn realloc(block: *mut c_void, size: usize) -> *mut c_void {
    if block.is_null() {
        return malloc(size);
    }
    if is_early(block) {
        let old = (block as *const u8).sub(EARLY_HEAD).cast::<usize>().read();
        let new = malloc(size);
        if !new.is_null() {
            ptr::copy_nonoverlapping(block.cast::<u8>(), new.cast::<u8>(), old.min(size));
        }
        return new;
    }
    let real: unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void = core::mem::transmute(REALLOC.address());
    let Some(entered) = state::enter() else { return allocate(|| real(block, size)) };
    let old = entered.shard.remove_block(block as usize);
    let new = allocate(|| real(block, size));
    let errno = KeepErrno::new();
    if !new.is_null() {
        if !sampling::enabled() || sampling::draws_of_malloc(size) {
            let node = current_node(entered.shard, own_thread_state());
            entered.shard.add_block(node, Kind::Malloc, new as usize, size);
        }
    } else if size != 0
        && let Some(old) = old
    {
        entered.shard.restore_block(block as usize, old);
    }
    drop(errno);
    new
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn reallocarray(block: *mut c_void, count_of: usize, size: usize) -> *mut c_void {
    match count_of.checked_mul(size) {
        Some(bytes) => realloc(block, bytes),
        None => {
            *libc::__errno_location() = libc::ENOMEM;
            ptr::null_mut()
        }
    }
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn memalign(alignment: usize, size: usize) -> *mut c_void {
    let real = next!(c"memalign", fn(usize, usize) -> *mut c_void);
    count(allocate(|| real(alignment, size)), size)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
    let real = next!(c"aligned_alloc", fn(usize, usize) -> *mut c_void);
    count(allocate(|| real(alignment, size)), size)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn posix_memalign(block: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
    let real = next!(c"posix_memalign", fn(*mut *mut c_void, usize, usize) -> c_int);
    let error = allocate(|| real(block, alignment, size));
    if error == 0 {
        count(*block, size);
    }
    error
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn valloc(size: usize) -> *mut c_void {
    let real = next!(c"valloc", fn(usize) -> *mut c_void);
    count(allocate(|| real(size)), size)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn pvalloc(size: usize) -> *mut c_void {
    let real = next!(c"pvalloc", fn(usize) -> *mut c_void);
    count(allocate(|| real(size)), size)
}
