//! The few system calls the tracker makes for itself, past the functions it interposes.

use core::ptr;

use libc::{c_int, c_long, c_void};

/// Maps private zeroed memory that costs nothing until it is touched; null when the kernel refuses.
///
/// Huge pages are declined: the tables are sparse, one touched byte would cost 2 MiB.
pub(crate) fn map(bytes: usize) -> *mut u8 {
    // SAFETY: a fresh anonymous mapping touches nothing that exists.
    unsafe {
        let at = libc::syscall(
            libc::SYS_mmap,
            ptr::null_mut::<c_void>(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1 as c_long,
            0 as c_long,
        );
        if at == -1 {
            return ptr::null_mut();
        }
        libc::syscall(libc::SYS_madvise, at, bytes, libc::MADV_NOHUGEPAGE);
        at as *mut u8
    }
}

/// Reserves address space without memory behind it; null when the kernel refuses.
pub(crate) fn reserve(bytes: usize) -> *mut u8 {
    // SAFETY: as in `map`.
    let at = unsafe {
        libc::syscall(
            libc::SYS_mmap,
            ptr::null_mut::<c_void>(),
            bytes,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1 as c_long,
            0 as c_long,
        )
    };
    if at == -1 { ptr::null_mut() } else { at as *mut u8 }
}

/// Puts `bytes` of the file `fd` at `file_offset` over reserved address space.
///
/// # Safety
/// `at` must be page-aligned and lie in a range that `reserve` returned.
pub(crate) unsafe fn map_file(at: *mut u8, bytes: usize, fd: c_int, file_offset: u64) -> bool {
    libc::syscall(
        libc::SYS_mmap,
        at,
        bytes,
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_SHARED | libc::MAP_FIXED,
        fd as c_long,
        file_offset,
    ) != -1
}

/// Turns mapped address space back into reserved.
///
/// # Safety
/// As for `map_file`.
pub(crate) unsafe fn unmap_to_reserved(at: *mut u8, bytes: usize) {
    libc::syscall(
        libc::SYS_mmap,
        at,
        bytes,
        libc::PROT_NONE,
        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED,
        -1 as c_long,
        0 as c_long,
    );
}

/// Gives memory from `map` back.
///
/// # Safety
/// Nothing may use the range afterwards.
pub(crate) unsafe fn unmap(at: *mut u8, bytes: usize) {
    libc::syscall(libc::SYS_munmap, at, bytes);
}

/// Drops the contents of memory from `map`: it reads as zero again and costs nothing.
///
/// # Safety
/// Nobody may rely on what the range holds.
pub(crate) unsafe fn discard(at: *mut u8, bytes: usize) {
    libc::syscall(libc::SYS_madvise, at, bytes, libc::MADV_DONTNEED);
}

/// True under `ulimit -v`: reserved address space would be taken from the program's.
pub(crate) fn address_space_is_limited() -> bool {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: writes one rlimit.
    unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) };
    limit.rlim_cur != libc::RLIM_INFINITY
}

/// Nanoseconds on a clock.
pub(crate) fn now_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// This process, asked anew each time: a `vfork` child shares all memory but not its id.
pub(crate) fn pid() -> u32 {
    // SAFETY: no arguments, no memory.
    unsafe { libc::syscall(libc::SYS_getpid) as u32 }
}

/// This thread.
pub(crate) fn tid() -> u32 {
    // SAFETY: no arguments, no memory.
    unsafe { libc::syscall(libc::SYS_gettid) as u32 }
}

/// Sleeps until `*word != expected`, a wake-up, or the time has passed.
pub(crate) fn futex_wait(word: *const u32, expected: u32, nanoseconds: u64) {
    let second = 1_000_000_000;
    let timeout = libc::timespec { tv_sec: (nanoseconds / second) as i64, tv_nsec: (nanoseconds % second) as i64 };
    // SAFETY: the word lies in the recording, which stays mapped.
    unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAIT, expected, &raw const timeout) };
}

/// Wakes whoever waits for `word`, in any process.
pub(crate) fn futex_wake(word: *const u32) {
    // SAFETY: as in `futex_wait`.
    unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAKE, i32::MAX) };
}

/// `errno` of this thread, kept around everything the tracker does inside another function's call.
pub(crate) struct KeepErrno(c_int);

impl KeepErrno {
    pub(crate) fn new() -> Self {
        // SAFETY: errno is thread-local and always there.
        Self(unsafe { *libc::__errno_location() })
    }
}

impl Drop for KeepErrno {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { *libc::__errno_location() = self.0 };
    }
}
