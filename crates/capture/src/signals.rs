//! Signals that brimline receives while it waits for a program.
//!
//! The kernel sends a terminal's Ctrl-C, Ctrl-\ and hang-up to the whole foreground group, so the program has them
//! already; what another process sent to brimline alone is passed on. Handlers, unlike ignored signals, are reset by
//! exec, so the program starts with the settings brimline itself was started with.
#![allow(unsafe_code, reason = "signal handlers have no counterpart in std")]

use std::fs::File;
use std::io::{self, Read, Write};
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

/// Signals taken while a program runs. Stopping and continuing (Ctrl-Z, fg) stay the shell's affair.
const TAKEN: [(i32, &str); 8] = [
    (libc::SIGHUP, "HUP"),
    (libc::SIGINT, "INT"),
    (libc::SIGQUIT, "QUIT"),
    (libc::SIGTERM, "TERM"),
    (libc::SIGUSR1, "USR1"),
    (libc::SIGUSR2, "USR2"),
    (libc::SIGALRM, "ALRM"),
    (libc::SIGPWR, "PWR"),
];

/// Byte on the pipe that means: the program has ended.
const ENDED: u8 = 0;
/// Set in the byte on the pipe when the kernel sent the signal.
const FROM_KERNEL: u8 = 0x80;

/// Where the handler writes; -1 while no program runs.
static PIPE: AtomicI32 = AtomicI32::new(-1);

/// The number of `USR2`, `SIGUSR2` or `12`, for signals that can be taken.
pub fn signal_number(text: &str) -> Option<i32> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let known = |row: &&(i32, &str)| row.1 == name || row.0.to_string() == name;
    TAKEN.iter().find(known).map(|row| row.0)
}

/// The name of a signal that can be taken.
pub(crate) fn signal_name(signal: i32) -> &'static str {
    TAKEN.iter().find(|row| row.0 == signal).map_or("?", |row| row.1)
}

/// What comes out of the pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// The program has ended.
    Ended,
    /// A signal for brimline.
    Signal { signal: i32, from_kernel: bool },
}

/// Handlers in place; dropped, the earlier ones are put back.
pub(crate) struct Signals {
    read: File,
    write: File,
    earlier: Vec<(i32, libc::sigaction)>,
}

extern "C" fn handler(signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: with SA_SIGINFO the kernel passes a valid siginfo.
    let from_kernel = unsafe { (*info).si_code } > 0;
    let byte = signal as u8 | if from_kernel { FROM_KERNEL } else { 0 };
    // SAFETY: write(2) is safe in a handler; errno is put back for the code that was interrupted.
    unsafe {
        let errno = *libc::__errno_location();
        libc::write(PIPE.load(Ordering::Relaxed), (&raw const byte).cast(), 1);
        *libc::__errno_location() = errno;
    }
}

/// Has a write beyond the limit of file sizes (`ulimit -f`) fail, as for CPython, instead of ending this process. Programs
/// started later have the default again.
pub fn survive_limit_of_file_sizes() {
    extern "C" fn nothing(_: i32) {}
    // SAFETY: all-zero is a valid sigaction, and the handler does nothing.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        libc::sigaction(libc::SIGXFSZ, ptr::null(), &raw mut action);
        if action.sa_sigaction == libc::SIG_DFL {
            action.sa_sigaction = nothing as *const () as usize;
            libc::sigaction(libc::SIGXFSZ, &raw const action, ptr::null_mut());
        }
    }
}

impl Signals {
    /// Installs the handlers. Signals that brimline was started with as ignored (nohup) stay ignored, unless `wanted`.
    pub(crate) fn install(wanted: Option<i32>) -> io::Result<Self> {
        let mut ends = [0; 2];
        // SAFETY: the array has room for both ends; the result is checked before they are used, and owned once.
        let (read, write) = unsafe {
            if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) != 0 {
                return Err(io::Error::last_os_error());
            }
            (File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1]))
        };
        PIPE.store(write.as_raw_fd(), Ordering::SeqCst);
        let mut signals = Self { read, write, earlier: Vec::new() };
        for (signal, _) in TAKEN {
            // SAFETY: all-zero is a valid sigaction; both pointers live through the calls.
            unsafe {
                let mut earlier: libc::sigaction = mem::zeroed();
                libc::sigaction(signal, ptr::null(), &raw mut earlier);
                if earlier.sa_sigaction == libc::SIG_IGN && wanted != Some(signal) {
                    continue;
                }
                let mut action: libc::sigaction = mem::zeroed();
                action.sa_sigaction = handler as *const () as usize;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
                libc::sigaction(signal, &raw const action, ptr::null_mut());
                signals.earlier.push((signal, earlier));
            }
        }
        Ok(signals)
    }

    /// Wakes whoever waits in [`Self::wait`], for good.
    pub(crate) fn end(&self) {
        // A full pipe wakes the reader just as well, and it looks again.
        let _ = (&self.write).write(&[ENDED]);
    }

    /// Waits for news at most `milliseconds`; empty when none came.
    pub(crate) fn wait(&self, milliseconds: i32) -> Vec<News> {
        let mut poll = libc::pollfd { fd: self.read.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid pollfd, which lives through the call.
        unsafe {
            libc::poll(&raw mut poll, 1, milliseconds);
        }
        let mut bytes = [0; 64];
        let count = (&self.read).read(&mut bytes).unwrap_or(0);
        let news = |byte: &u8| match *byte {
            ENDED => News::Ended,
            byte => News::Signal { signal: i32::from(byte & !FROM_KERNEL), from_kernel: byte & FROM_KERNEL != 0 },
        };
        bytes[..count].iter().map(news).collect()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for (signal, earlier) in &self.earlier {
            // SAFETY: puts back what sigaction itself gave.
            unsafe {
                libc::sigaction(*signal, earlier, ptr::null_mut());
            }
        }
        PIPE.store(-1, Ordering::SeqCst);
    }
}

/// Sends a signal to a process.
pub(crate) fn send(pid: u32, signal: i32) {
    // SAFETY: no memory is involved; a process that is gone is an error without effect.
    unsafe {
        libc::kill(pid as i32, signal);
    }
}

/// Sends a signal to all processes of a group.
pub(crate) fn send_group(group: u32, signal: i32) {
    // SAFETY: no memory is involved; a group that is gone is an error without effect.
    unsafe {
        libc::kill(-(group as i32), signal);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn knows_signals_by_name_and_number() {
        assert_eq!(super::signal_number("USR2"), Some(libc::SIGUSR2));
        assert_eq!(super::signal_number("sigterm"), Some(libc::SIGTERM));
        assert_eq!(super::signal_number("10"), Some(libc::SIGUSR1));
        assert_eq!(super::signal_number("KILL"), None);
    }
}
