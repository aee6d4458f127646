//! A named pipe through which a program hands over a heap snapshot.
#![allow(unsafe_code, reason = "named pipes and their size have no counterpart in std")]

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Bytes that may wait in the pipe, so that neither side stops for the other at every page.
const CAPACITY: libc::c_int = 1 << 20;

/// The reading end; the pipe's name vanishes with it.
#[derive(Debug)]
pub(super) struct NamedPipe {
    path: PathBuf,
    pub(super) reader: File,
}

impl NamedPipe {
    /// Makes a pipe at `path`, which nobody else can open, and opens it for reading without waiting for a writer.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let name = CString::new(path.as_os_str().as_bytes())?;
        // SAFETY: `name` is a string that ends with a zero and outlives the call.
        if unsafe { libc::mkfifo(name.as_ptr(), 0o600) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(path);
        let reader = opened.inspect_err(|_| {
            let _ = fs::remove_file(path);
        })?;
        // SAFETY: the descriptor is open. A smaller pipe is slower, no more.
        unsafe { libc::fcntl(reader.as_raw_fd(), libc::F_SETPIPE_SZ, CAPACITY) };
        Ok(Self { path: path.to_owned(), reader })
    }
}

impl Drop for NamedPipe {
    fn drop(&mut self) {
        // One that stays is removed at the end of the run.
        let _ = fs::remove_file(&self.path);
    }
}
