//! Asks the tracker inside a process for a collection, through two words of its recording.
#![allow(unsafe_code, reason = "a shared mapping and futex(2) have no counterpart in std")]

use std::fs::{File, OpenOptions};
use std::io;
use std::mem::offset_of;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use brimline_recording::layout::{COMMAND_LINE_OFFSET, Header};

/// Longest sleep before looking again whether the process still lives.
const PATIENCE: Duration = Duration::from_millis(100);

/// The first page of a recording, mapped as the tracker has it.
pub(crate) struct Mailbox {
    address: *mut u8,
    _file: File,
}

impl Mailbox {
    /// Maps the header of the recording at `path`.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file =
            OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC).open(path)?;
        // Touching a mapping behind the end of its file would kill this process with SIGBUS.
        if file.metadata()?.len() < COMMAND_LINE_OFFSET as u64 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the recording has no whole header"));
        }
        // SAFETY: a fresh mapping at an address of the kernel's choice overlaps nothing of ours; the result is checked.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                COMMAND_LINE_OFFSET,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { address: address.cast(), _file: file })
    }

    fn word(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: the offset is that of a u32 inside the mapped header, so it is aligned and in bounds; the mapping
        // lives as long as `self`, and every process accesses the word atomically.
        unsafe { AtomicU32::from_ptr(self.address.add(offset).cast()) }
    }

    /// Asks for a collection and waits until it was made: `true`; or until `timeout` has passed or `is_alive` says no.
    pub(crate) fn collect(&self, timeout: Duration, is_alive: impl Fn() -> bool) -> bool {
        let deadline = Instant::now() + timeout;
        let request = self.word(offset_of!(Header, request));
        let done = self.word(offset_of!(Header, done));
        let wanted = request.fetch_add(1, Ordering::SeqCst).wrapping_add(1);
        // SAFETY: the word is mapped; waking only reads its address.
        unsafe {
            libc::syscall(libc::SYS_futex, request.as_ptr(), libc::FUTEX_WAKE, i32::MAX);
        }
        loop {
            let found = done.load(Ordering::SeqCst);
            // Wrapping comparison: both words count up and may overflow in a very long run.
            if found.wrapping_sub(wanted) as i32 >= 0 {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now()).min(PATIENCE);
            if left.is_zero() || !is_alive() {
                return false;
            }
            let timespec = libc::timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
            // SAFETY: word and time-out live through the call; the kernel writes to neither.
            unsafe {
                libc::syscall(libc::SYS_futex, done.as_ptr(), libc::FUTEX_WAIT, found, &raw const timespec);
            }
        }
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        // SAFETY: the range is the one mapped in `open`, and no reference to it outlives `self`.
        unsafe {
            libc::munmap(self.address.cast(), COMMAND_LINE_OFFSET);
        }
    }
}
