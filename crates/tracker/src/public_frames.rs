//! Which Python stack a thread is in, asked of the interpreter's public API: for interpreters whose layout is not known,
//! or is not what it should be. Exact, but each allocation asks for every frame.

use core::ffi::{CStr, c_void};
use core::ptr;

use crate::api::Api;
use crate::shard::Shard;
use crate::stack::Seen;
use crate::{codes, python};

/// Node of the present stack; that of the empty stack where the thread does not hold the GIL, and so must not ask.
///
/// # Safety
/// `thread` is the calling thread's state.
#[cold]
pub(crate) unsafe fn current_node(shard: &mut Shard, thread: usize) -> Option<u32> {
    if python::running_thread_state() != thread {
        return Some(shard.root);
    }
    let api = Api::get();
    // Frame objects may be made for the answer; a collection at this place would run the program's finalizers.
    let collects = api.gc_disable.is_some_and(|disable| disable() != 0);
    let (mut kind, mut value, mut trace) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    (api.err_fetch)(&raw mut kind, &raw mut value, &raw mut trace);
    let complete = gather(api, shard);
    (api.err_restore)(kind, value, trace);
    if let (true, Some(enable)) = (collects, api.gc_enable) {
        enable();
    }
    if !complete {
        return None;
    }
    let mut node = shard.root;
    for index in (0..shard.stack.room().as_slice().len()).rev() {
        let Seen { frame: row, position: line } = shard.stack.room().as_slice()[index];
        node = shard.child(node, row as u32, line as u32)?;
    }
    Some(node)
}

unsafe fn gather(api: &Api, shard: &mut Shard) -> bool {
    let seen = shard.stack.room();
    seen.truncate(0);
    let mut frame = (api.eval_frame)();
    if frame.is_null() {
        return true;
    }
    (api.incref)(frame);
    let mut complete = true;
    while !frame.is_null() {
        let row = attribute(api, frame, c"f_code").and_then(|code| {
            let row = code_row(api, code);
            (api.decref)(code);
            row
        });
        let line = (api.frame_line)(frame).max(0) as usize;
        complete &= row.is_some_and(|row| seen.push(Seen { frame: row as usize, position: line }));
        let back = attribute(api, frame, c"f_back");
        (api.decref)(frame);
        frame = back.unwrap_or(ptr::null_mut());
        if frame == api.none {
            (api.decref)(frame);
            break;
        }
    }
    complete
}

unsafe fn attribute(api: &Api, object: *mut c_void, name: &CStr) -> Option<*mut c_void> {
    let value = (api.attribute)(object, name.as_ptr());
    if value.is_null() {
        (api.err_clear)();
        return None;
    }
    Some(value)
}

unsafe fn code_row(api: &Api, code: *mut c_void) -> Option<u32> {
    if let Some(row) = codes::known(code as usize) {
        return Some(row);
    }
    let name = attribute(api, code, c"co_qualname").or_else(|| attribute(api, code, c"co_name"))?;
    let file = attribute(api, code, c"co_filename")?;
    let first = attribute(api, code, c"co_firstlineno")?;
    let row =
        codes::intern_named(code as usize, utf8(api, name), utf8(api, file), (api.long_as_unsigned)(first) as u32);
    for object in [name, file, first] {
        (api.decref)(object);
    }
    row
}

/// The text of a Python string, as long as that lives.
pub(crate) unsafe fn utf8<'a>(api: &Api, text: *mut c_void) -> &'a [u8] {
    let mut length = 0;
    let utf8 = (api.text_utf8)(text, &raw mut length);
    if utf8.is_null() {
        (api.err_clear)();
        return &[];
    }
    core::slice::from_raw_parts(utf8.cast(), length as usize)
}
