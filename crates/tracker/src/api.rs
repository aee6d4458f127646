//! The interpreter's public functions, found by name in whatever executable or library defines them.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::sync::atomic::{AtomicPtr, Ordering};

type Object = *mut c_void;

macro_rules! api {
    ($($(#[$doc:meta])* $field:ident: $name:literal = $kind:ty,)*) => {
        /// Every name the tracker needs; an `Option` where not every version has it.
        #[derive(Clone, Copy)]
        pub(crate) struct Api {
            $($(#[$doc])* pub(crate) $field: $kind,)*
        }

        impl Api {
            /// Looks all names up; the first one that is missing otherwise.
            fn find() -> Result<Self, &'static CStr> {
                Ok(Self { $($field: {
                    // SAFETY: looks up a name; the signatures are those of the documented C API.
                    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, $name.as_ptr()) };
                    if address.is_null() && !stringify!($kind).starts_with("Option") {
                        return Err($name);
                    }
                    // SAFETY: a data symbol's address or a function of this signature, both pointer-sized; null only
                    // for an `Option`.
                    unsafe { core::mem::transmute::<*mut c_void, $kind>(address) }
                },)* })
            }
        }
    };
}

api! {
    runtime: c"_PyRuntime" = *mut u8,
    code_type: c"PyCode_Type" = *mut u8,
    is_initialized: c"Py_IsInitialized" = unsafe extern "C" fn() -> c_int,
    mem_get_allocator: c"PyMem_GetAllocator" = unsafe extern "C" fn(c_int, *mut c_void),
    mem_set_allocator: c"PyMem_SetAllocator" = unsafe extern "C" fn(c_int, *mut c_void),
    arenas_get: c"PyObject_GetArenaAllocator" = unsafe extern "C" fn(*mut c_void),
    arenas_set: c"PyObject_SetArenaAllocator" = unsafe extern "C" fn(*mut c_void),
    gil_state_this_thread: c"PyGILState_GetThisThreadState" = unsafe extern "C" fn() -> *mut c_void,
    gil_state_ensure: c"PyGILState_Ensure" = unsafe extern "C" fn() -> c_int,
    gil_state_release: c"PyGILState_Release" = unsafe extern "C" fn(c_int),
    add_pending_call:
        c"Py_AddPendingCall" = unsafe extern "C" fn(unsafe extern "C" fn(*mut c_void) -> c_int, *mut c_void) -> c_int,
    collect: c"PyGC_Collect" = unsafe extern "C" fn() -> isize,
    /// The thread state that holds the GIL on this thread; called so up to 3.12, and from 3.13 on.
    current_thread_old: c"_PyThreadState_UncheckedGet" = Option<unsafe extern "C" fn() -> *mut c_void>,
    current_thread_new: c"PyThreadState_GetUnchecked" = Option<unsafe extern "C" fn() -> *mut c_void>,
    eval_frame: c"PyEval_GetFrame" = unsafe extern "C" fn() -> Object,
    frame_line: c"PyFrame_GetLineNumber" = unsafe extern "C" fn(Object) -> c_int,
    gc_disable: c"PyGC_Disable" = Option<unsafe extern "C" fn() -> c_int>,
    gc_enable: c"PyGC_Enable" = Option<unsafe extern "C" fn() -> c_int>,
    none: c"_Py_NoneStruct" = Object,
    incref: c"Py_IncRef" = unsafe extern "C" fn(Object),
    decref: c"Py_DecRef" = unsafe extern "C" fn(Object),
    err_clear: c"PyErr_Clear" = unsafe extern "C" fn(),
    err_fetch: c"PyErr_Fetch" = unsafe extern "C" fn(*mut Object, *mut Object, *mut Object),
    err_restore: c"PyErr_Restore" = unsafe extern "C" fn(Object, Object, Object),
    modules: c"PyImport_GetModuleDict" = unsafe extern "C" fn() -> Object,
    import: c"PyImport_ImportModule" = unsafe extern "C" fn(*const c_char) -> Object,
    dict_get: c"PyDict_GetItemString" = unsafe extern "C" fn(Object, *const c_char) -> Object,
    dict_delete: c"PyDict_DelItemString" = unsafe extern "C" fn(Object, *const c_char) -> c_int,
    dict_next:
        c"PyDict_Next" = unsafe extern "C" fn(Object, *mut isize, *mut Object, *mut Object) -> c_int,
    attribute: c"PyObject_GetAttrString" = unsafe extern "C" fn(Object, *const c_char) -> Object,
    call: c"PyObject_CallFunctionObjArgs" = unsafe extern "C" fn(Object, Object, Object) -> Object,
    function_new: c"PyCFunction_NewEx" = unsafe extern "C" fn(*mut c_void, Object, Object) -> Object,
    build_value: c"Py_BuildValue" = unsafe extern "C" fn(*const c_char) -> Object,
    long_as_unsigned: c"PyLong_AsUnsignedLongMask" = unsafe extern "C" fn(Object) -> u64,
    text_utf8: c"PyUnicode_AsUTF8AndSize" = unsafe extern "C" fn(Object, *mut isize) -> *const c_char,
}

struct Slot(core::cell::UnsafeCell<core::mem::MaybeUninit<Api>>);
// SAFETY: written once, before `READY` is set.
unsafe impl Sync for Slot {}
static SLOT: Slot = Slot(core::cell::UnsafeCell::new(core::mem::MaybeUninit::uninit()));
static READY: AtomicPtr<Api> = AtomicPtr::new(core::ptr::null_mut());

impl Api {
    /// Finds all names, once at start.
    pub(crate) fn init() -> Result<(), &'static CStr> {
        let api = Self::find()?;
        // SAFETY: only the constructor, on the first thread, gets here.
        let place = unsafe { (*SLOT.0.get()).write(api) };
        READY.store(place, Ordering::Release);
        Ok(())
    }

    /// The names; only after `init` has succeeded.
    #[inline]
    pub(crate) fn get() -> &'static Self {
        // SAFETY: callers run in hooks, which are active only after `init`.
        unsafe { &*READY.load(Ordering::Acquire) }
    }
}
