//! How much a file system still takes.
#![allow(unsafe_code, reason = "statvfs has no counterpart in std")]

use std::ffi::CString;
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Bytes free for this user on the file system of `path`; of the nearest folder above if `path` does not exist.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    let existing = path.ancestors().find(|path| path.exists())?;
    let name = CString::new(existing.as_os_str().as_bytes()).ok()?;
    // SAFETY: all-zero is a valid statvfs.
    let mut answer: libc::statvfs = unsafe { mem::zeroed() };
    // SAFETY: the name is NUL-terminated, and both pointers live through the call.
    let result = unsafe { libc::statvfs(name.as_ptr(), &raw mut answer) };
    (result == 0).then(|| answer.f_bavail.saturating_mul(answer.f_frsize))
}
