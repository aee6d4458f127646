//! What a file system still takes, and whether code can be loaded from it.
#![allow(unsafe_code, reason = "statvfs has no counterpart in std")]

use std::ffi::CString;
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Bytes free for this user on the file system of `path`; of the nearest folder above if `path` does not exist.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    let answer = file_system(path.ancestors().find(|path| path.exists())?)?;
    Some(answer.f_bavail.saturating_mul(answer.f_frsize))
}

/// False when the file system of `path` is mounted so that no library is loaded from it.
pub fn can_execute(path: &Path) -> bool {
    file_system(path).is_none_or(|answer| answer.f_flag & libc::ST_NOEXEC == 0)
}

fn file_system(path: &Path) -> Option<libc::statvfs> {
    let name = CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: all-zero is a valid statvfs.
    let mut answer: libc::statvfs = unsafe { mem::zeroed() };
    // SAFETY: the name is NUL-terminated, and both pointers live through the call.
    let result = unsafe { libc::statvfs(name.as_ptr(), &raw mut answer) };
    (result == 0).then_some(answer)
}
