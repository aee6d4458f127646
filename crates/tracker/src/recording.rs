//! The recording this process writes: a file mapped shared, so that what was counted survives any kind of death.
//!
//! Each table has a fixed range of reserved address space and grows in it extent by extent. The file is opened by its
//! path for each extent and closed again: the program's descriptor numbers stay as they would be without brimline, and
//! a daemon that closes all descriptors closes none of ours.

use core::ffi::CStr;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use brimline_recording::layout::{
    COMMAND_LINE_BYTES, COMMAND_LINE_OFFSET, Code, DATA_OFFSET, DIRECTORY_OFFSET, Extent, Header, MAGIC, MAX_EXTENTS,
    Module, Node, Record, STATE_RECORDING, STATE_STOPPED, Span, Table, Thread, VERSION,
};
use libc::c_int;

use crate::lock::Lock;
use crate::system;

/// Most rows (bytes for the text) of each table, in the order of `Table::ALL`.
const LIMITS: [usize; Table::ALL.len()] = [1 << 22, 1 << 20, 1 << 18, 1 << 27, 1 << 12, 1 << 14];
/// First extent of each table in bytes.
const FIRST_EXTENT: [usize; Table::ALL.len()] = [96 << 10, 256 << 10, 32 << 10, 192 << 10, 8 << 10, 4 << 10];
const LARGEST_EXTENT: usize = 4 << 20;
pub(crate) const PATH_BYTES: usize = 4096;

struct TableSpace {
    base: AtomicPtr<u8>,
    mapped: AtomicUsize,
}

static SPACES: [TableSpace; Table::ALL.len()] =
    [const { TableSpace { base: AtomicPtr::new(ptr::null_mut()), mapped: AtomicUsize::new(0) } }; Table::ALL.len()];
static HEADER: AtomicPtr<Header> = AtomicPtr::new(ptr::null_mut());

struct FileState {
    path: [u8; PATH_BYTES],
    device: u64,
    inode: u64,
    bytes: u64,
}

static FILE: Lock<FileState> = Lock::new(FileState { path: [0; PATH_BYTES], device: 0, inode: 0, bytes: 0 });

/// The header; only called once `create` has succeeded.
#[inline]
pub(crate) fn header() -> *mut Header {
    HEADER.load(Ordering::Relaxed)
}

#[inline]
fn base(table: Table) -> *mut u8 {
    SPACES[table as usize - 1].base.load(Ordering::Relaxed)
}

/// Row `index` of the nodes; the index must have come from [`take`].
#[inline]
pub(crate) fn node(index: u32) -> *mut Node {
    base(Table::Nodes).cast::<Node>().wrapping_add(index as usize)
}

/// Row `index` of the records.
#[inline]
pub(crate) fn record(index: u32) -> *mut Record {
    base(Table::Records).cast::<Record>().wrapping_add(index as usize)
}

/// Row `index` of the code objects.
pub(crate) fn code(index: u32) -> *mut Code {
    base(Table::Codes).cast::<Code>().wrapping_add(index as usize)
}

/// Row `index` of the threads.
pub(crate) fn thread(index: u32) -> *mut Thread {
    base(Table::Threads).cast::<Thread>().wrapping_add(index as usize)
}

/// Row `index` of the modules.
pub(crate) fn module(index: u32) -> *mut Module {
    base(Table::Modules).cast::<Module>().wrapping_add(index as usize)
}

/// Address of byte `offset` of the text.
pub(crate) fn text(offset: u32) -> *mut u8 {
    base(Table::Text).wrapping_add(offset as usize)
}

/// Bytes of the text.
pub(crate) fn text_of(span: Span) -> &'static [u8] {
    // SAFETY: spans come from `take`, are written once and stay mapped.
    unsafe { core::slice::from_raw_parts(text(span.offset), span.bytes as usize) }
}

/// Number of rows of a table that are handed out.
fn used(table: Table) -> &'static AtomicU64 {
    // SAFETY: the header stays mapped for good; its counters are only accessed atomically.
    unsafe { AtomicU64::from_ptr(header().byte_add(table.used_offset()).cast::<u64>()) }
}

/// Rows of a table that have been handed out, the first included.
pub(crate) fn rows(table: Table) -> u32 {
    used(table).load(Ordering::Relaxed) as u32
}

/// Copies the file's path with its NUL; false where there is no room for it.
///
/// # Safety
/// `to` has `room` bytes.
pub(crate) unsafe fn copy_path(to: *mut u8, room: usize) -> bool {
    FILE.with(|file| {
        let length = file.path.iter().position(|&byte| byte == 0).unwrap_or(0) + 1;
        if length == 1 || length > room {
            return false;
        }
        to.copy_from_nonoverlapping(file.path.as_ptr(), length);
        true
    })
}

/// Hands out `count` rows that lie in one extent; `None` when the table is full or the disk is.
pub(crate) fn take(table: Table, count: usize) -> Option<u32> {
    let slot = table as usize - 1;
    let row_bytes = table.row_bytes();
    loop {
        let first = used(table).load(Ordering::Relaxed) as usize;
        let mapped = SPACES[slot].mapped.load(Ordering::Acquire);
        if (first + count) * row_bytes <= mapped {
            let next = (first + count) as u64;
            if used(table).compare_exchange(first as u64, next, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                return Some(first as u32);
            }
            continue;
        }
        if first + count > LIMITS[slot] || !FILE.with(|file| grow(file, table, mapped, count * row_bytes)) {
            return None;
        }
    }
}

/// Adds an extent to a table unless another thread has just done so. A request that does not fit what is left of the
/// present extent starts in the new one: rows and strings never straddle.
fn grow(file: &mut FileState, table: Table, seen: usize, needed: usize) -> bool {
    let slot = table as usize - 1;
    let mapped = SPACES[slot].mapped.load(Ordering::Relaxed);
    if mapped != seen {
        return true;
    }
    let step = (mapped / 8).clamp(FIRST_EXTENT[slot], LARGEST_EXTENT).max(needed).next_multiple_of(4096);
    // SAFETY: the header is mapped; only the holder of the file's lock writes directory and extent count.
    unsafe {
        let header = header();
        let count = (*header).extent_count as usize;
        if count >= MAX_EXTENTS || mapped + step > LIMITS[slot] * table.row_bytes() {
            return false;
        }
        let Some(fd) = open_again(file) else {
            return stop(*libc::__errno_location());
        };
        let offset = file.bytes;
        let error = extend(fd, offset, step);
        let placed = error == 0 && system::map_file(base(table).add(mapped), step, fd, offset);
        libc::syscall(libc::SYS_close, fd);
        if !placed {
            return stop(if error == 0 { *libc::__errno_location() } else { error });
        }
        file.bytes += step as u64;
        let row = header.cast::<u8>().add(DIRECTORY_OFFSET).cast::<Extent>().add(count);
        row.write(Extent { table: table as u32, reserved: 0, offset, bytes: step as u64 });
        AtomicU32::from_ptr(&raw mut (*header).extent_count).store(count as u32 + 1, Ordering::Release);
        if mapped > 0 && table == Table::Text {
            // What is left of the old extent stays empty.
            used(table).fetch_max(mapped as u64, Ordering::Relaxed);
        }
        SPACES[slot].mapped.store(mapped + step, Ordering::Release);
    }
    true
}

/// Stops counting for good and says so in the recording.
fn stop(errno: c_int) -> bool {
    // SAFETY: the header is mapped.
    unsafe {
        (*header()).stop_errno = errno as u32;
        set_state(STATE_STOPPED);
    }
    crate::state::deactivate();
    false
}

/// Sets `Header::state`.
pub(crate) fn set_state(state: u32) {
    // SAFETY: the header is mapped.
    unsafe { AtomicU32::from_ptr(&raw mut (*header()).state).store(state, Ordering::Release) };
}

/// Allocates disk blocks now, so that a full disk is an error here and not a SIGBUS at a store; 0 or an errno.
unsafe fn extend(fd: c_int, offset: u64, bytes: usize) -> c_int {
    // Growing past `ulimit -f` would not only fail but kill the program with SIGXFSZ.
    let mut limit: libc::rlimit = core::mem::zeroed();
    if libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) == 0 && offset + bytes as u64 > limit.rlim_cur {
        return libc::EFBIG;
    }
    if libc::syscall(libc::SYS_fallocate, fd, 0, offset, bytes) == 0 {
        return 0;
    }
    // Some file systems do not know it, some filters of system calls do not let it pass.
    if !matches!(*libc::__errno_location(), libc::EOPNOTSUPP | libc::ENOSYS | libc::EPERM | libc::EINVAL) {
        return *libc::__errno_location();
    }
    let zeros = [0_u8; 4096];
    for page in (0..bytes).step_by(zeros.len()) {
        let written = libc::syscall(libc::SYS_pwrite64, fd, zeros.as_ptr(), zeros.len(), offset + page as u64);
        if written != zeros.len() as i64 {
            return *libc::__errno_location();
        }
    }
    0
}

unsafe fn open_again(file: &FileState) -> Option<c_int> {
    let flags = libc::O_RDWR | libc::O_CLOEXEC | libc::O_NOFOLLOW;
    let fd = libc::syscall(libc::SYS_open, file.path.as_ptr(), flags, 0) as c_int;
    if fd < 0 {
        return None;
    }
    let identity = identity(fd);
    if identity != Some((file.device, file.inode)) {
        libc::syscall(libc::SYS_close, fd);
        *libc::__errno_location() = libc::ESTALE;
        return None;
    }
    Some(fd)
}

unsafe fn identity(fd: c_int) -> Option<(u64, u64)> {
    let mut status: libc::stat = core::mem::zeroed();
    (libc::fstat(fd, &raw mut status) == 0).then_some((status.st_dev, status.st_ino))
}

/// Creates the recording in `folder` and maps it; where that fails a note is left instead, and the answer is false. In a
/// forked child the ranges of the parent's recording are taken over.
pub(crate) fn create(folder: &CStr, python_version: u32) -> bool {
    let Err(errno) = try_create(folder, python_version) else { return true };
    // What there is of the file holds nothing.
    FILE.with(|file| {
        // SAFETY: the path is NUL-terminated, and empty before there is a file.
        unsafe { libc::syscall(libc::SYS_unlink, file.path.as_ptr()) }
    });
    let mut digits = [0; 20];
    let reason: &[u8] = match errno {
        libc::ENOSPC => b"the disk is full",
        libc::EDQUOT => b"the disk quota is used up",
        libc::EFBIG => b"the limit of file sizes (ulimit -f) is too low",
        libc::EROFS => b"the file system cannot be written",
        libc::EACCES | libc::EPERM => b"permission was refused",
        _ => b"errno ",
    };
    let number = if reason == b"errno " { decimal(errno as u64, &mut digits) } else { b"" };
    refuse(folder, &[b"its recording could not be begun: ", reason, number, b"\n"]);
    false
}

fn try_create(folder: &CStr, python_version: u32) -> Result<(), c_int> {
    // SAFETY: called before any hook counts (at start, or in a child that has one thread).
    unsafe {
        let now = system::now_ns(libc::CLOCK_MONOTONIC);
        let header = reserve_ranges()?;
        FILE.with(|file| {
            file.path = recording_path(folder, now, b".rec").ok_or(libc::ENAMETOOLONG)?;
            let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC | libc::O_NOFOLLOW;
            let fd = libc::syscall(libc::SYS_open, file.path.as_ptr(), flags, 0o600) as c_int;
            if fd < 0 {
                return Err(*libc::__errno_location());
            }
            let placed = match extend(fd, 0, DATA_OFFSET) {
                0 if system::map_file(header.cast(), DATA_OFFSET, fd, 0) => 0,
                0 => *libc::__errno_location(),
                errno => errno,
            };
            let (device, inode) = identity(fd).unwrap_or_default();
            libc::syscall(libc::SYS_close, fd);
            (file.device, file.inode, file.bytes) = (device, inode, DATA_OFFSET as u64);
            if placed == 0 { Ok(()) } else { Err(placed) }
        })?;
        (*header).version = VERSION;
        (*header).pid = system::pid();
        (*header).parent_pid = libc::getppid() as u32;
        (*header).python_version = python_version;
        (*header).start_unix_ns = system::now_ns(libc::CLOCK_REALTIME);
        (*header).start_monotonic_ns = now;
        (*header).tick_monotonic_ns = now;
        (*header).epoch = 1;
        copy_command_line(header.cast::<u8>().add(COMMAND_LINE_OFFSET));
        HEADER.store(header, Ordering::Release);
        // Row 0 of nodes, records and threads means "none".
        for table in Table::ALL {
            if take(table, 1).is_none() {
                return Err((*header).stop_errno as c_int);
            }
        }
        (*header).magic = MAGIC;
        set_state(STATE_RECORDING);
    }
    Ok(())
}

/// `folder/pid-nanoseconds.rec`, NUL-terminated.
pub(crate) fn recording_path(folder: &CStr, now: u64, ending: &[u8]) -> Option<[u8; PATH_BYTES]> {
    let mut path = [0; PATH_BYTES];
    let mut length = 0;
    let mut digits = [0_u8; 20];
    let pid_digits = decimal(u64::from(system::pid()), &mut digits);
    let mut put = |part: &[u8]| {
        let room = path.get_mut(length..length + part.len())?;
        room.copy_from_slice(part);
        length += part.len();
        Some(())
    };
    put(folder.to_bytes())?;
    put(b"/")?;
    put(pid_digits)?;
    put(b"-")?;
    put(decimal(now, &mut digits))?;
    put(ending)?;
    (length < PATH_BYTES).then_some(path)
}

fn decimal(mut value: u64, buffer: &mut [u8; 20]) -> &[u8] {
    let mut at = buffer.len();
    loop {
        at -= 1;
        buffer[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            return &buffer[at..];
        }
    }
}

/// Address space for header and tables: reserved once, emptied when a fork starts anew.
unsafe fn reserve_ranges() -> Result<*mut Header, c_int> {
    for (slot, space) in SPACES.iter().enumerate() {
        let old = space.base.load(Ordering::Relaxed);
        if old.is_null() {
            let range = system::reserve(LIMITS[slot] * Table::ALL[slot].row_bytes());
            if range.is_null() {
                return Err(libc::ENOMEM);
            }
            space.base.store(range, Ordering::Relaxed);
        } else {
            system::unmap_to_reserved(old, space.mapped.load(Ordering::Relaxed));
        }
        space.mapped.store(0, Ordering::Relaxed);
    }
    let old = HEADER.load(Ordering::Relaxed);
    let header = if old.is_null() { system::reserve(DATA_OFFSET).cast() } else { old };
    if header.is_null() { Err(libc::ENOMEM) } else { Ok(header) }
}

unsafe fn copy_command_line(to: *mut u8) {
    let fd = libc::syscall(libc::SYS_open, c"/proc/self/cmdline".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC, 0);
    if fd >= 0 {
        libc::syscall(libc::SYS_read, fd, to, COMMAND_LINE_BYTES);
        libc::syscall(libc::SYS_close, fd);
    }
}

/// Writes a one-line note beside where the recording would be: why this process is not tracked.
pub(crate) fn refuse(folder: &CStr, reason: &[&[u8]]) {
    let Some(path) = recording_path(folder, system::now_ns(libc::CLOCK_MONOTONIC), b".refused") else { return };
    // SAFETY: plain system calls on a file of our own.
    unsafe {
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC | libc::O_NOFOLLOW;
        let fd = libc::syscall(libc::SYS_open, path.as_ptr(), flags, 0o600);
        if fd < 0 {
            return;
        }
        for part in reason {
            libc::syscall(libc::SYS_write, fd, part.as_ptr(), part.len());
        }
        libc::syscall(libc::SYS_close, fd);
    }
}

/// For `fork`: nobody may be in the middle of growing a table.
pub(crate) fn lock_for_fork() {
    FILE.acquire();
}

/// After `fork`, in both processes.
pub(crate) fn unlock_after_fork() {
    FILE.release();
}
