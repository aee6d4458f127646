//! Which loaded object an address belongs to, as the dynamic loader knows it.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::sync::atomic::{AtomicPtr, Ordering};

/// A loaded executable or library. Its memory is there as long as one of its functions is on the stack.
#[derive(Clone, Copy)]
pub(super) struct Object {
    /// Address of the first byte mapped, which is that of the ELF header.
    pub(super) start: usize,
    /// Where its last segment ends.
    pub(super) end: usize,
    /// What is added to the addresses in the file.
    pub(super) bias: usize,
    /// Its `.eh_frame_hdr`, 0 if it has none.
    pub(super) unwind_header: usize,
    /// As the loader names it: empty for the executable.
    pub(super) name: *const c_char,
}

/// Finds the object's numbers for an address that may not be one of code at all: a word that only looked like a return
/// address. `None` for memory that the loader has not mapped.
///
/// The loader's lock is held while `action` runs, so that the object stays; for addresses that are certainly being
/// executed by this thread [`with_running`] does without it.
pub(super) fn with_any<R>(address: usize, action: impl FnOnce(&Object) -> R) -> Option<R> {
    struct Search<F, R> {
        address: usize,
        action: Option<F>,
        result: Option<R>,
    }
    unsafe extern "C" fn visit<F: FnOnce(&Object) -> R, R>(
        info: *mut libc::dl_phdr_info,
        _: usize,
        data: *mut c_void,
    ) -> c_int {
        let search = &mut *data.cast::<Search<F, R>>();
        let Some(object) = object_of(&*info).filter(|object| (object.start..object.end).contains(&search.address))
        else {
            return 0;
        };
        search.result = search.action.take().map(|action| action(&object));
        1
    }
    fn visitor<F: FnOnce(&Object) -> R, R>(_: &Search<F, R>) -> VisitFunction {
        visit::<F, R>
    }
    let mut search = Search { address, action: Some(action), result: None };
    let visit = visitor(&search);
    // SAFETY: the callback gets the search back, which outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast()) };
    search.result
}

type VisitFunction = unsafe extern "C" fn(*mut libc::dl_phdr_info, usize, *mut c_void) -> c_int;

unsafe fn object_of(info: &libc::dl_phdr_info) -> Option<Object> {
    let bias = info.dlpi_addr as usize;
    let (mut start, mut end, mut unwind_header) = (usize::MAX, 0, 0);
    for index in 0..usize::from(info.dlpi_phnum) {
        let segment = &*info.dlpi_phdr.add(index);
        let address = bias.wrapping_add(segment.p_vaddr as usize);
        match segment.p_type {
            libc::PT_LOAD => {
                start = start.min(address & !0xFFF);
                end = end.max(address + segment.p_memsz as usize);
            }
            libc::PT_GNU_EH_FRAME => unwind_header = address,
            _ => {}
        }
    }
    (start < end).then_some(Object { start, end, bias, unwind_header, name: info.dlpi_name })
}

/// `struct dl_find_object` of glibc 2.35 and later.
#[repr(C)]
struct FoundObject {
    flags: u64,
    start: usize,
    end: usize,
    link: *const Link,
    unwind_header: usize,
    reserved: [u64; 7],
}

/// The public part of `struct link_map`.
#[repr(C)]
struct Link {
    bias: usize,
    name: *const c_char,
}

type FindObject = unsafe extern "C" fn(usize, *mut FoundObject) -> c_int;
static FIND_OBJECT: AtomicPtr<c_void> = AtomicPtr::new(core::ptr::null_mut());

/// Looks for what this C library offers; once, at start.
pub(super) fn init() {
    // SAFETY: looks up a name.
    let find = unsafe { libc::dlsym(libc::RTLD_DEFAULT, FIND_OBJECT_NAME.as_ptr()) };
    FIND_OBJECT.store(find, Ordering::Release);
}

const FIND_OBJECT_NAME: &CStr = c"_dl_find_object";

/// As [`with_any`], for an address in a function that this thread is executing: takes no lock where the C library can
/// answer without one.
pub(super) fn with_running<R>(address: usize, action: impl FnOnce(&Object) -> R) -> Option<R> {
    let find = FIND_OBJECT.load(Ordering::Acquire);
    if find.is_null() {
        return with_any(address, action);
    }
    // SAFETY: glibc's function of this name has this signature; it reads the loader's tables without a lock and fills
    // the result. A link it hands out lives as long as its object.
    unsafe {
        let find: FindObject = core::mem::transmute(find);
        let mut found = core::mem::MaybeUninit::<FoundObject>::zeroed();
        if find(address, found.as_mut_ptr()) != 0 {
            return None;
        }
        let found = found.assume_init();
        let (bias, name) = match found.link.as_ref() {
            Some(link) => (link.bias, link.name),
            None => return None,
        };
        let object = Object { start: found.start, end: found.end, bias, unwind_header: found.unwind_header, name };
        Some(action(&object))
    }
}
