//! Waits for the program, and learns what it used at most.
#![allow(unsafe_code, reason = "wait4 has no counterpart in std")]

use std::io;
use std::mem;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// The end of a process.
pub(crate) struct Waited {
    pub(crate) status: ExitStatus,
    /// Highest resident set of the process or of one of the children it waited for.
    pub(crate) max_rss: u64,
}

/// Waits until the child `pid` ends.
pub(crate) fn wait(pid: u32) -> io::Result<Waited> {
    loop {
        let mut status = 0;
        // SAFETY: all-zero is a valid rusage.
        let mut usage: libc::rusage = unsafe { mem::zeroed() };
        // SAFETY: both pointers live through the call, which fills them.
        let waited = unsafe { libc::wait4(pid as i32, &raw mut status, 0, &raw mut usage) };
        if waited == pid as i32 {
            return Ok(Waited { status: ExitStatus::from_raw(status), max_rss: usage.ru_maxrss as u64 * 1024 });
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
