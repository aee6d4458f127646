//! From process start to a running interpreter, and to its end.
//!
//! 1. The library's constructor runs before `main`: if the process has a Python that is supported, it creates the
//!    recording and wraps the allocators, before the interpreter has allocated anything.
//! 2. As soon as the interpreter is up, a pending call runs on its main thread: allocators that were replaced meanwhile
//!    are wrapped again, the frame layout is tested, `atexit` and the ticker are set up.
//! 3. Our `atexit` handler was registered first and so runs last: it collects garbage and takes the final state.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicU8, Ordering};

use brimline_recording::layout::STATE_FINAL;

use crate::api::Api;
use crate::layout311 as layout;
use crate::stack::load;
use crate::{codes, fork, lines, native, python, recording, shadow, state, system, threads, ticker};

/// Where recordings go; without it the library does nothing.
const FOLDER_VARIABLE: &CStr = c"BRIMLINE_TRACKER_DIR";

static PHASE: AtomicU8 = AtomicU8::new(STARTING);
const STARTING: u8 = 0;
const CALL_PENDING: u8 = 1;
const UP: u8 = 2;

/// The library's constructor.
pub(crate) extern "C" fn start() {
    // SAFETY: the C library is ready when constructors run.
    unsafe {
        let folder = libc::getenv(FOLDER_VARIABLE.as_ptr());
        if folder.is_null() || libc::dlsym(libc::RTLD_DEFAULT, c"PyMem_SetAllocator".as_ptr()).is_null() {
            return;
        }
        let folder = CStr::from_ptr(folder);
        let version = libc::dlsym(libc::RTLD_DEFAULT, c"Py_GetVersion".as_ptr());
        if version.is_null() {
            return;
        }
        let version: unsafe extern "C" fn() -> *const c_char = core::mem::transmute(version);
        let version = CStr::from_ptr(version()).to_bytes();
        let number = version.split(|&byte| byte == b' ').next().unwrap_or(version);
        let Some(hex) = supported(number) else {
            recording::refuse(folder, &[b"Python ", number, b" is not supported: expected 3.11\n"]);
            return;
        };
        if let Err(name) = Api::init() {
            recording::refuse(folder, &[b"this Python does not export ", name.to_bytes(), b"\n"]);
            return;
        }
        if system::address_space_is_limited() {
            recording::refuse(
                folder,
                &[b"its address space is limited (ulimit -v), and the tables would take part of it\n"],
            );
            return;
        }
        if !fork::remember_folder(folder) || !shadow::init() || !threads::init() {
            recording::refuse(folder, &[b"address space for the tracker's tables was refused\n"]);
            return;
        }
        if recording::create(folder, hex).is_err() {
            return;
        }
        lines::init();
        native::init();
        python::init(Api::get().runtime as usize);
        fork::init();
        state::activate();
        codes::watch_deaths(Api::get().code_type);
        python::install();
    }
}

/// `0x030b07f0` for `3.11.7`; `None` for versions whose layout is not known.
fn supported(number: &[u8]) -> Option<u32> {
    let micro = number.strip_prefix(b"3.11.")?;
    let digits = micro.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value = micro[..digits].iter().fold(0_u32, |value, &digit| value * 10 + u32::from(digit - b'0'));
    (digits > 0).then_some(0x030b_0000 | value << 8 | 0xf0)
}

/// Called from rare paths of the hooks, inside: looks whether the interpreter has come up.
#[inline]
pub(crate) fn poll() {
    match PHASE.load(Ordering::Relaxed) {
        STARTING => poll_start(),
        UP => ticker::ensure_running(),
        _ => {}
    }
}

#[cold]
fn poll_start() {
    // SAFETY: the interpreter is still starting, on one thread.
    unsafe {
        python::install_if_replaced();
        if (Api::get().is_initialized)() != 0 && PHASE.swap(CALL_PENDING, Ordering::Relaxed) == STARTING {
            (Api::get().add_pending_call)(on_main_thread, ptr::null_mut());
        }
    }
}

/// Called for each block of malloc while the interpreter starts, inside. True if this very call is the first of
/// allocators that were put in place of ours: the block is theirs and will be counted, or not, as what they make of it.
#[inline]
pub(crate) fn is_of_replaced_allocator() -> bool {
    // SAFETY: as in `poll_start`.
    PHASE.load(Ordering::Relaxed) == STARTING && unsafe { python::install_if_replaced() }
}

/// Runs on the interpreter's main thread, between two of its instructions.
unsafe extern "C" fn on_main_thread(_: *mut c_void) -> c_int {
    PHASE.store(UP, Ordering::Relaxed);
    let Some(_entered) = state::enter() else { return 0 };
    let api = Api::get();
    let (mut kind, mut value, mut trace) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    (api.err_fetch)(&raw mut kind, &raw mut value, &raw mut trace);
    python::install_if_replaced();
    if self_test() {
        (*recording::header()).self_test = 1;
        register_at_exit();
        ticker::ensure_running();
    } else {
        (*recording::header()).self_test = 2;
        state::deactivate();
        fork::refuse(b"the frame layout of this Python 3.11 is not the expected one\n");
    }
    (api.err_restore)(kind, value, trace);
    0
}

/// Compares the frames as this crate reads them with what the public API says.
unsafe fn self_test() -> bool {
    let api = Api::get();
    let thread = (api.thread_get)();
    let mut raw = load(load(thread as usize + layout::THREAD_CFRAME) + layout::CFRAME_CURRENT_FRAME);
    let mut frame = (api.thread_frame)(thread);
    let mut equal = !frame.is_null();
    while !frame.is_null() {
        while raw != 0 && crate::stack::is_incomplete(raw) {
            raw = load(raw + layout::FRAME_PREVIOUS);
        }
        let code = (api.frame_code)(frame);
        if raw == 0 || load(raw + layout::FRAME_CODE) != code as usize {
            equal = false;
        } else {
            let offset = load(raw + layout::FRAME_INSTRUCTION).wrapping_sub(code as usize + layout::CODE_INSTRUCTIONS);
            equal &= offset as c_int == (api.frame_last_instruction)(frame);
            raw = load(raw + layout::FRAME_PREVIOUS);
        }
        (api.decref)(code);
        let back = (api.frame_back)(frame);
        (api.decref)(frame);
        frame = back;
        if !equal {
            if !frame.is_null() {
                (api.decref)(frame);
            }
            return false;
        }
    }
    equal && raw == 0
}

/// `PyMethodDef`.
#[repr(C)]
struct Method {
    name: *const c_char,
    function: unsafe extern "C" fn(*mut c_void, *mut c_void) -> *mut c_void,
    flags: c_int,
    doc: *const c_char,
}
// SAFETY: constant data.
unsafe impl Sync for Method {}
/// `METH_NOARGS`.
const NO_ARGUMENTS: c_int = 4;
static AT_EXIT: Method =
    Method { name: c"brimline_at_exit".as_ptr(), function: at_exit, flags: NO_ARGUMENTS, doc: ptr::null() };

unsafe fn register_at_exit() {
    let api = Api::get();
    let modules = (api.modules)();
    let was_there = !(api.dict_get)(modules, c"atexit".as_ptr()).is_null();
    let module = (api.import)(c"atexit".as_ptr());
    if module.is_null() {
        return (api.err_clear)();
    }
    let register = (api.attribute)(module, c"register".as_ptr());
    let handler = (api.function_new)((&raw const AT_EXIT).cast_mut().cast(), ptr::null_mut(), ptr::null_mut());
    if !register.is_null() && !handler.is_null() {
        let result = (api.call)(register, handler, ptr::null_mut());
        if !result.is_null() {
            (api.decref)(result);
        }
    }
    for object in [register, handler] {
        if !object.is_null() {
            (api.decref)(object);
        }
    }
    if !was_there {
        // The program sees the modules it would see without us.
        (api.dict_delete)(modules, c"atexit".as_ptr());
    }
    (api.decref)(module);
    (api.err_clear)();
}

unsafe extern "C" fn at_exit(_: *mut c_void, _: *mut c_void) -> *mut c_void {
    let api = Api::get();
    if state::active() {
        // Outside the tracker: what the collection frees is the program's.
        (api.collect)();
        if let Some(_entered) = state::enter() {
            ticker::name_threads();
            (api.err_clear)();
        }
        state::deactivate();
        ticker::tick();
        threads::flush_all();
        recording::set_state(STATE_FINAL);
    }
    (api.build_value)(c"".as_ptr())
}
