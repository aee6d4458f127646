//! The line-by-line table of a decorated function: what the process holds after each line.
//!
//! Python's own line events reach a function of this library (`PyEval_SetTrace`), not a Python callable, and only in
//! threads and for as long as a decorated function runs. A row's bytes are tracked bytes, or resident ones when asked for.
//! The increment of a line is what the level rose or fell by since the line before, in the order of execution, so that
//! the increments of a table sum up to its last level.
//!
//! All functions here need the GIL; that makes the statics safe.

use core::cell::UnsafeCell;
use core::ffi::{c_char, c_int, c_void};
use core::ptr;

use crate::{offsets, shard, stack, system};

const CALL: c_int = 0;
const LINE: c_int = 2;
const RETURN: c_int = 3;
/// Code objects that can be followed at once: nested functions and comprehensions count.
const MOST_CODES: usize = 1 << 12;
/// Functions with a table of their own.
const MOST_GROUPS: usize = 1 << 10;
/// Threads that run decorated functions at the same time.
const MOST_THREADS: usize = 256;
/// Decorated calls below each other; deeper ones are not counted.
const MOST_FRAMES: usize = 1 << 16;

/// One line.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Row {
    increment: i64,
    highest: i64,
    occurrences: u64,
}

#[derive(Clone, Copy)]
struct Group {
    rows: *mut Row,
    first_line: u32,
    lines: u32,
    /// What the process held after the line executed last.
    level: i64,
}

#[derive(Clone, Copy)]
struct Code {
    code: usize,
    group: u32,
}

/// The lines that frames of followed functions are at, innermost last.
#[derive(Clone, Copy)]
struct Thread {
    id: usize,
    frames: *mut (u32, u32),
    depth: usize,
}

struct Tables {
    /// Open addressing by address; 0 is free.
    codes: [Code; MOST_CODES],
    code_count: usize,
    groups: [Group; MOST_GROUPS],
    group_count: usize,
    threads: [Thread; MOST_THREADS],
    /// Of `/proc/self/statm`, where resident bytes are asked for.
    resident: c_int,
    page_bytes: i64,
}

struct Shared(UnsafeCell<*mut Tables>);
// SAFETY: only used with the GIL held.
unsafe impl Sync for Shared {}
static TABLES: Shared = Shared(UnsafeCell::new(ptr::null_mut()));

unsafe fn tables() -> Option<&'static mut Tables> {
    let place = TABLES.0.get();
    if (*place).is_null() {
        let tables = system::map(size_of::<Tables>()).cast::<Tables>();
        if tables.is_null() {
            return None;
        }
        (*tables).resident = -1;
        (*tables).page_bytes = libc::sysconf(libc::_SC_PAGESIZE);
        *place = tables;
    }
    Some(&mut **place)
}

impl Tables {
    fn slot(&self, code: usize) -> usize {
        let mut at = (code >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as usize) >> (64 - MOST_CODES.trailing_zeros());
        while self.codes[at].code != 0 && self.codes[at].code != code {
            at = (at + 1) & (MOST_CODES - 1);
        }
        at
    }

    unsafe fn thread(&mut self, id: usize) -> Option<&mut Thread> {
        let known = self.threads.iter().position(|thread| thread.id == id);
        let at = known.or_else(|| self.threads.iter().position(|thread| thread.id == 0))?;
        let thread = &mut self.threads[at];
        if thread.frames.is_null() {
            thread.frames = system::map(MOST_FRAMES * size_of::<(u32, u32)>()).cast();
            if thread.frames.is_null() {
                return None;
            }
        }
        thread.id = id;
        Some(thread)
    }

    unsafe fn held(&self) -> i64 {
        if self.resident < 0 {
            return shard::live_bytes();
        }
        let mut text = [0_u8; 64];
        let read = libc::syscall(libc::SYS_pread64, self.resident, text.as_mut_ptr(), text.len(), 0);
        let text = &text[..usize::try_from(read).unwrap_or(0)];
        let pages = text.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
        pages.iter().fold(0_i64, |pages, &digit| pages * 10 + i64::from(digit - b'0')) * self.page_bytes
    }

    /// The line that ran until now has ended.
    unsafe fn count(&mut self, group: u32, line: u32, held: i64) {
        let group = &mut self.groups[group as usize];
        let increment = held - group.level;
        group.level = held;
        if let Some(index) = line.checked_sub(group.first_line).filter(|&index| index < group.lines) {
            let row = &mut *group.rows.add(index as usize);
            row.highest = if row.occurrences == 0 { held } else { row.highest.max(held) };
            row.increment += increment;
            row.occurrences += 1;
        }
    }
}

/// A new table for lines from `first_line` on; its number, or -1.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn brimline_lines_new(first_line: u32, lines: u32) -> c_int {
    let Some(tables) = tables() else { return -1 };
    if tables.group_count == MOST_GROUPS {
        return -1;
    }
    let rows = system::map(lines.max(1) as usize * size_of::<Row>()).cast::<Row>();
    if rows.is_null() {
        return -1;
    }
    tables.groups[tables.group_count] = Group { rows, first_line, lines, level: 0 };
    tables.group_count += 1;
    tables.group_count as c_int - 1
}

/// Has the lines of a code object counted in a table. The caller keeps the object alive.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn brimline_lines_follow(group: c_int, code: *mut c_void) -> c_int {
    let Some(tables) = tables().filter(|tables| (0..tables.group_count as c_int).contains(&group)) else { return 0 };
    let slot = tables.slot(code as usize);
    if tables.codes[slot].code == 0 {
        if tables.code_count * 2 >= MOST_CODES {
            return 0;
        }
        tables.code_count += 1;
    }
    tables.codes[slot] = Code { code: code as usize, group: group as u32 };
    1
}

/// Empties a table.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn brimline_lines_clear(group: c_int) {
    if let Some(group) = tables().and_then(|tables| tables.groups.get_mut(usize::try_from(group).ok()?))
        && !group.rows.is_null()
    {
        ptr::write_bytes(group.rows, 0, group.lines as usize);
        group.level = 0;
    }
}

/// Copies the rows of a table: increment and highest level in bytes, occurrences.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn brimline_lines_read(group: c_int, to: *mut c_void) {
    if let Some(group) = tables().and_then(|tables| tables.groups.get(usize::try_from(group).ok()?))
        && !group.rows.is_null()
    {
        to.cast::<Row>().copy_from_nonoverlapping(group.rows, group.lines as usize);
    }
}

/// From now on resident bytes count, by an open descriptor of `/proc/self/statm`; -1 for tracked ones.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn brimline_lines_resident(descriptor: c_int) {
    if let Some(tables) = tables() {
        tables.resident = descriptor;
    }
}

type SetTrace = unsafe extern "C" fn(
    Option<unsafe extern "C" fn(*mut c_void, *mut c_void, c_int, *mut c_void) -> c_int>,
    *mut c_void,
);

unsafe fn symbol(name: &core::ffi::CStr) -> *mut c_void {
    libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr().cast::<c_char>())
}

struct Functions {
    set_trace: SetTrace,
    line: unsafe extern "C" fn(*mut c_void) -> c_int,
    /// From 3.9 on; before, the code object lies where the frame layout says.
    code: Option<unsafe extern "C" fn(*mut c_void) -> *mut c_void>,
    decref: unsafe extern "C" fn(*mut c_void),
}

struct Found(UnsafeCell<Option<Functions>>);
// SAFETY: only used with the GIL held.
unsafe impl Sync for Found {}
static FOUND: Found = Found(UnsafeCell::new(None));

unsafe fn functions() -> Option<&'static Functions> {
    let place = &mut *FOUND.0.get();
    if place.is_none() {
        let [set_trace, line, decref] =
            [c"PyEval_SetTrace", c"PyFrame_GetLineNumber", c"Py_DecRef"].map(|name| symbol(name));
        if set_trace.is_null() || line.is_null() || decref.is_null() {
            return None;
        }
        *place = Some(Functions {
            set_trace: core::mem::transmute::<*mut c_void, SetTrace>(set_trace),
            line: core::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void) -> c_int>(line),
            code: core::mem::transmute::<*mut c_void, Option<unsafe extern "C" fn(*mut c_void) -> *mut c_void>>(
                symbol(c"PyFrame_GetCode"),
            ),
            decref: core::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void)>(decref),
        });
    }
    place.as_ref()
}

/// Follows this thread's lines from now on. `object` is any Python object: the interpreter wants one.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn brimline_lines_start(object: *mut c_void) -> c_int {
    let (Some(functions), Some(tables)) = (functions(), tables()) else { return 0 };
    let Some(thread) = tables.thread(libc::pthread_self() as usize) else { return 0 };
    thread.depth = 0;
    (functions.set_trace)(Some(event), object);
    1
}

/// Stops following this thread.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn brimline_lines_stop() {
    let (Some(functions), Some(tables)) = (functions(), tables()) else { return };
    (functions.set_trace)(None, ptr::null_mut());
    if let Some(thread) = tables.thread(libc::pthread_self() as usize) {
        // Its room waits for the next thread.
        thread.id = 0;
    }
}

unsafe extern "C" fn event(_: *mut c_void, frame: *mut c_void, what: c_int, _: *mut c_void) -> c_int {
    if !matches!(what, CALL | LINE | RETURN) {
        return 0;
    }
    let (Some(functions), Some(tables)) = (functions(), tables()) else { return 0 };
    let code = match functions.code {
        Some(code_of) => {
            let code = code_of(frame);
            (functions.decref)(code);
            code as usize
        }
        None => stack::code_of(offsets::current(), frame as usize),
    };
    let found = tables.codes[tables.slot(code)];
    if found.code == 0 {
        return 0;
    }
    // Before anything below takes memory.
    let held = if what == CALL { 0 } else { tables.held() };
    let line = if what == RETURN { 0 } else { u32::try_from((functions.line)(frame)).unwrap_or(0) };
    let Some(thread) = tables.thread(libc::pthread_self() as usize) else { return 0 };
    let top = thread.frames.add(thread.depth.saturating_sub(1).min(MOST_FRAMES - 1));
    match what {
        CALL => {
            if thread.depth < MOST_FRAMES {
                thread.frames.add(thread.depth).write((found.group, line));
            }
            thread.depth += 1;
        }
        _ if thread.depth == 0 || thread.depth > MOST_FRAMES => {
            if what == RETURN {
                thread.depth = thread.depth.saturating_sub(1);
            }
        }
        LINE => {
            let (group, before) = *top;
            *top = (group, line);
            tables.count(group, before, held);
        }
        _ => {
            let (group, before) = *top;
            thread.depth -= 1;
            tables.count(group, before, held);
        }
    }
    0
}
