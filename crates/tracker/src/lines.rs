//! `run --lines FUNCTION`: for each line of the functions named, how much the process grew while it ran.
//!
//! No line tracing: an allocation or a free belongs to the line of the innermost named function on the stack. To know
//! that for a free as well, the stack is read there too, which the other modes do not pay for.

use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};

/// Comma-separated names, as typed.
const VARIABLE: &CStr = c"BRIMLINE_TRACKER_LINES";
const MOST_FUNCTIONS: usize = 256;

static ENABLED: AtomicBool = AtomicBool::new(false);
static NAMES: AtomicPtr<u8> = AtomicPtr::new(core::ptr::null_mut());
static NAMES_LENGTH: AtomicUsize = AtomicUsize::new(0);
static ROWS: [AtomicU32; MOST_FUNCTIONS] = [const { AtomicU32::new(0) }; MOST_FUNCTIONS];
static ROW_COUNT: AtomicUsize = AtomicUsize::new(0);

/// Reads which functions are asked for; once, by the constructor.
pub(crate) fn init() {
    // SAFETY: the environment as it is at start; its strings stay where they are.
    unsafe {
        let names = libc::getenv(VARIABLE.as_ptr());
        if !names.is_null() && names.read() != 0 {
            let length = libc::strlen(names);
            let copy = crate::system::map(length);
            if !copy.is_null() {
                copy.copy_from_nonoverlapping(names.cast(), length);
                NAMES_LENGTH.store(length, Ordering::Relaxed);
                NAMES.store(copy, Ordering::Release);
                ENABLED.store(true, Ordering::Release);
            }
        }
    }
}

/// True when lines of any function are wanted.
#[inline]
pub(crate) fn enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

/// Notes a new code object if its function is one of those named.
pub(crate) fn consider(row: u32, name: &[u8], file: &[u8]) {
    if !enabled() {
        return;
    }
    // SAFETY: written once before `ENABLED`.
    let names =
        unsafe { core::slice::from_raw_parts(NAMES.load(Ordering::Acquire), NAMES_LENGTH.load(Ordering::Relaxed)) };
    if names.split(|&byte| byte == b',').any(|wanted| matches(wanted, name, file))
        && let Some(place) = ROWS.get(ROW_COUNT.load(Ordering::Relaxed))
    {
        place.store(row, Ordering::Relaxed);
        ROW_COUNT.fetch_add(1, Ordering::Release);
    }
}

/// True for a code object that was noted.
pub(crate) fn is_wanted(row: u32) -> bool {
    ROWS[..ROW_COUNT.load(Ordering::Acquire)].iter().any(|wanted| wanted.load(Ordering::Relaxed) == row)
}

/// Forgets the rows, for a new recording.
pub(crate) fn clear() {
    ROW_COUNT.store(0, Ordering::Release);
}

/// `load`, `Session.load`, `models.Session.load` and `models:Session.load` all mean `Session.load` of `…/models.py`.
fn matches(wanted: &[u8], name: &[u8], file: &[u8]) -> bool {
    if wanted.is_empty() {
        return false;
    }
    if name == wanted {
        return true;
    }
    if let Some(front) = name.strip_suffix(wanted) {
        return front.ends_with(b".");
    }
    let Some(module) = wanted.strip_suffix(name) else { return false };
    let Some(module) = module.strip_suffix(b".").or_else(|| module.strip_suffix(b":")) else { return false };
    let module = module.strip_suffix(b".py").unwrap_or(module);
    let last = module.rsplit(|&byte| matches!(byte, b'.' | b'/')).next().unwrap_or(module);
    let file = file.strip_suffix(b".py").unwrap_or(file);
    let file = file.strip_suffix(b"/__init__").unwrap_or(file);
    file.rsplit(|&byte| byte == b'/').next() == Some(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn names_a_function_in_many_ways() {
        let is = |wanted: &str| matches(wanted.as_bytes(), b"Session.load", b"/srv/app/models.py");
        for wanted in
            ["load", "Session.load", "models.Session.load", "app.models:Session.load", "models.py:Session.load"]
        {
            assert!(is(wanted), "{wanted}");
        }
        for wanted in ["", "oad", "Other.load", "views.Session.load", "Session"] {
            assert!(!is(wanted), "{wanted}");
        }
        assert!(matches(b"pkg:main", b"main", b"/srv/pkg/__init__.py"));
    }
}
