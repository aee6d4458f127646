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

use brimline_recording::layout::{Header, MODE_MALLOC, MODE_SAMPLED, STATE_FINAL};

use crate::api::Api;
use crate::{
    codes, fork, lines, native, offsets, public_frames, python, recording, sampling, shadow, stack, state, system,
    threads, ticker,
};

/// Where recordings go; without it the library does nothing.
const FOLDER_VARIABLE: &CStr = c"BRIMLINE_TRACKER_DIR";
/// `public`: stacks are asked of the public API even where the layout is known.
const FRAMES_VARIABLE: &CStr = c"BRIMLINE_TRACKER_FRAMES";
/// Oldest version whose frames can be read: 3.8.
const OLDEST_MINOR: u32 = 8;

static PHASE: AtomicU8 = AtomicU8::new(STARTING);
const STARTING: u8 = 0;
const CALL_PENDING: u8 = 1;
const UP: u8 = 2;

/// The library's constructor.
pub(crate) extern "C" fn start() {
    // SAFETY: the C library is ready when constructors run.
    unsafe {
        let folder = libc::getenv(FOLDER_VARIABLE.as_ptr());
        if !folder.is_null() {
            begin(CStr::from_ptr(folder));
        }
    }
}

/// Starts to count, with a recording in `folder`; or leaves a note there that says why not.
pub(crate) fn begin(folder: &CStr) {
    // SAFETY: the C library is ready when constructors run.
    unsafe {
        let version = libc::dlsym(libc::RTLD_DEFAULT, c"Py_GetVersion".as_ptr());
        if version.is_null() {
            return;
        }
        let version: unsafe extern "C" fn() -> *const c_char = core::mem::transmute(version);
        let version = CStr::from_ptr(version()).to_bytes();
        let number = version.split(|&byte| byte == b' ').next().unwrap_or(version);
        let hex = match parse(number) {
            Some(hex) if hex >> 24 == 3 && hex >> 16 & 0xff >= OLDEST_MINOR => hex,
            _ => {
                recording::refuse(folder, &[b"Python ", number, b" is not supported: expected 3.8 or newer\n"]);
                return;
            }
        };
        if version.windows(FREE_THREADED.len()).any(|part| part == FREE_THREADED) {
            recording::refuse(
                folder,
                &[
                    b"Python ",
                    number,
                    b" is a free-threaded build, which is not supported: expected one with the GIL\n",
                ],
            );
            return;
        }
        if let Err(name) = Api::init() {
            recording::refuse(folder, &[b"this Python does not export ", name.to_bytes(), b"\n"]);
            return;
        }
        let runtime = Api::get().runtime;
        let is_asked = libc::getenv(FRAMES_VARIABLE.as_ptr());
        let is_known = (is_asked.is_null() || CStr::from_ptr(is_asked) != c"public")
            && offsets::choose(hex >> 16 & 0xff)
            && (offsets::agree_with_debug_offsets(runtime) || offsets::forget());
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
        if !recording::create(folder, hex) {
            return;
        }
        let header = recording::header();
        if !is_known {
            (*header).self_test = 2;
        }
        choose_mode(header);
        lines::init();
        native::init();
        python::init();
        fork::init();
        python::remember_raw_malloc();
        state::activate();
        codes::watch_deaths(Api::get().code_type);
        python::install_first();
    }
}

/// `malloc` or `sampled`, else exact.
const MODE_VARIABLE: &CStr = c"BRIMLINE_TRACKER_MODE";
/// Mean distance between samples in bytes.
const PERIOD_VARIABLE: &CStr = c"BRIMLINE_TRACKER_PERIOD";
/// A number that makes the draws the same in each run, as far as the program does the same.
const SEED_VARIABLE: &CStr = c"BRIMLINE_TRACKER_SEED";
const DEFAULT_PERIOD: u64 = 512 << 10;

unsafe fn choose_mode(header: *mut Header) {
    let variable = |name: &CStr| {
        let value = libc::getenv(name.as_ptr());
        (!value.is_null()).then(|| CStr::from_ptr(value))
    };
    let number = |name: &CStr| variable(name).map(|text| libc::strtoull(text.as_ptr(), ptr::null_mut(), 10));
    let mode = variable(MODE_VARIABLE).unwrap_or_default();
    if mode == c"sampled" {
        let period = number(PERIOD_VARIABLE).filter(|&period| period > 0).unwrap_or(DEFAULT_PERIOD);
        (*header).mode = MODE_SAMPLED;
        (*header).period = period;
        sampling::enable(period, number(SEED_VARIABLE).unwrap_or(system::now_ns(libc::CLOCK_MONOTONIC)));
        // With Python's allocators switched off, malloc alone sees everything, and once.
        if variable(c"PYTHONMALLOC").is_some_and(|allocator| allocator.to_bytes().starts_with(b"malloc")) {
            return;
        }
    } else if mode == c"malloc" {
        (*header).mode = MODE_MALLOC;
        return;
    }
    python::want();
}

/// In the version text of builds without a GIL, whose objects are laid out differently.
const FREE_THREADED: &[u8] = b"free-threading build";

/// `0x030b07f0` for `3.11.7`, `0x030d0000` for `3.13.0rc1+`; `None` for anything but a 3.
fn parse(number: &[u8]) -> Option<u32> {
    let mut parts = number.split(|&byte| byte == b'.').map(|part| {
        let digits = part.iter().take_while(|byte| byte.is_ascii_digit());
        let value = digits.clone().fold(0_u32, |value, &digit| value.wrapping_mul(10) + u32::from(digit - b'0'));
        (value & 0xff, digits.count() == part.len())
    });
    let ((3, true), (minor, true), (micro, is_final)) = (parts.next()?, parts.next()?, parts.next()?) else {
        return None;
    };
    Some(0x0300_0000 | minor << 16 | micro << 8 | if is_final { 0xf0 } else { 0 })
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
    let Some(_entered) = state::enter() else { return 0 };
    let api = Api::get();
    let (mut kind, mut value, mut trace) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    (api.err_fetch)(&raw mut kind, &raw mut value, &raw mut trace);
    if is_importing(api) {
        (api.err_restore)(kind, value, trace);
        PHASE.store(STARTING, Ordering::Relaxed);
        return 0;
    }
    PHASE.store(UP, Ordering::Relaxed);
    python::install_if_replaced();
    let header = recording::header();
    if (*header).self_test != 2 {
        let passed = self_test();
        (*header).self_test = if passed { 1 } else { 2 };
        if !passed {
            offsets::forget();
        }
    }
    register_at_exit();
    inject();
    // Until it is asked for its name, which a program that ends at once never is.
    ticker::set_name(libc::pthread_self() as u64, b"MainThread");
    ticker::ensure_running();
    (api.err_restore)(kind, value, trace);
    0
}

/// Path of a Python script that runs before the program's own code: it provides `profile` where that is asked for.
const INJECT_VARIABLE: &CStr = c"BRIMLINE_TRACKER_INJECT";

/// Runs the script that was asked for. Nothing it allocates is counted, and it leaves no name in `__main__`.
unsafe fn inject() {
    if libc::getenv(INJECT_VARIABLE.as_ptr()).is_null() {
        return;
    }
    let run = libc::dlsym(libc::RTLD_DEFAULT, c"PyRun_SimpleString".as_ptr());
    if !run.is_null() {
        let run: unsafe extern "C" fn(*const c_char) -> c_int = core::mem::transmute(run);
        // The interpreter may be in the middle of importing `os`.
        run(c"exec(compile(open(__import__('posix').environ[b'BRIMLINE_TRACKER_INJECT'], encoding='utf-8').read(), '<brimline>', 'exec'), {'__name__': 'brimline.inject'})".as_ptr());
    }
}

/// True in the middle of the import system's own code, whose locks do not bear another import by the same thread (up to
/// 3.11): then this call comes again.
unsafe fn is_importing(api: &Api) -> bool {
    let frame = (api.eval_frame)();
    if frame.is_null() {
        return true;
    }
    !holds(api, frame, c"f_code", &|code| {
        holds(api, code, c"co_filename", &|file| !public_frames::utf8(api, file).starts_with(b"<frozen importlib"))
    })
}

/// Compares frames and code objects as this crate reads them with what the public API says.
unsafe fn self_test() -> bool {
    let (api, at) = (Api::get(), offsets::current());
    let thread = python::own_thread_state();
    if thread != python::running_thread_state() {
        return false;
    }
    let mut raw = stack::top_frame(at, thread);
    let mut frame = (api.eval_frame)();
    if frame.is_null() {
        return false;
    }
    (api.incref)(frame);
    let mut equal = true;
    while equal && frame != api.none.cast() {
        while raw != 0 && (stack::is_interpreters_own(at, raw) || stack::is_incomplete(at, raw)) {
            raw = stack::load(raw + at.frame_previous);
        }
        equal = raw != 0 && is_frame(api, frame, raw);
        if equal {
            raw = stack::load(raw + at.frame_previous);
        }
        let back = (api.attribute)(frame, c"f_back".as_ptr());
        (api.decref)(frame);
        if back.is_null() {
            (api.err_clear)();
            return false;
        }
        frame = back;
    }
    (api.decref)(frame);
    while equal && raw != 0 && (stack::is_interpreters_own(at, raw) || stack::is_incomplete(at, raw)) {
        raw = stack::load(raw + at.frame_previous);
    }
    equal && raw == 0
}

/// Whether the object has the attribute and `check` is true of it.
unsafe fn holds(api: &Api, object: *mut c_void, name: &CStr, check: &dyn Fn(*mut c_void) -> bool) -> bool {
    let value = (api.attribute)(object, name.as_ptr());
    if value.is_null() {
        (api.err_clear)();
        return false;
    }
    let answer = check(value);
    (api.decref)(value);
    answer
}

/// Whether a frame object is that of the frame at `raw`.
unsafe fn is_frame(api: &Api, frame: *mut c_void, raw: usize) -> bool {
    let at = offsets::current();
    let code = (api.attribute)(frame, c"f_code".as_ptr());
    let last = (api.attribute)(frame, c"f_lasti".as_ptr());
    if code.is_null() || last.is_null() {
        (api.err_clear)();
        return false;
    }
    let instruction = ((api.long_as_unsigned)(last) as i32 >> 1) as u32;
    let equal =
        stack::code_of(at, raw) == code as usize && stack::instruction_of(at, raw) == instruction && is_code(api, code);
    (api.decref)(last);
    (api.decref)(code);
    equal
}

/// Whether the names and the first line of a code object are where they are thought to be.
unsafe fn is_code(api: &Api, code: *mut c_void) -> bool {
    let Some(row) = codes::intern(code as usize) else { return true };
    let row = &*recording::code(row);
    let has = |name: &CStr, check: &dyn Fn(*mut c_void) -> bool| holds(api, code, name, check);
    let name = if offsets::current().minor > 10 { c"co_qualname" } else { c"co_name" };
    // Longer names are cut.
    has(name, &|value| public_frames::utf8(api, value).starts_with(recording::text_of(row.name)))
        && has(c"co_filename", &|value| public_frames::utf8(api, value).starts_with(recording::text_of(row.file)))
        && has(c"co_firstlineno", &|value| (api.long_as_unsigned)(value) as u32 == row.first_line)
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
    // Up to 3.9 the module itself holds the handlers.
    if !was_there && (*recording::header()).python_version >= 0x030a_0000 {
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
            ticker::name_threads(true);
            (api.err_clear)();
        }
        state::deactivate();
        ticker::tick();
        threads::flush_all();
        recording::set_state(STATE_FINAL);
    }
    (api.build_value)(c"".as_ptr())
}
