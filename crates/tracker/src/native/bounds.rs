//! Where a thread's stack lies: nothing outside is ever read.

use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};

unsafe extern "C" {
    /// Where the main thread's stack starts; the dynamic loader's.
    static __libc_stack_end: usize;
}

/// The main thread's stack is this large at least, or as its limit says: nothing else is mapped there.
const MAIN_STACK: usize = 128 << 20;
/// What an unlimited one is taken for.
const UNLIMITED: usize = 1 << 40;

static MAIN_LOW: AtomicUsize = AtomicUsize::new(0);

/// Notes the main thread's stack; once, at start.
pub(super) fn init() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: writes one rlimit; the loader has set the other word before any constructor ran.
    let top = unsafe {
        libc::getrlimit(libc::RLIMIT_STACK, &raw mut limit);
        __libc_stack_end
    };
    let bytes = if limit.rlim_cur == libc::RLIM_INFINITY { UNLIMITED } else { MAIN_STACK.max(limit.rlim_cur as usize) };
    MAIN_LOW.store(top.saturating_sub(bytes), Ordering::Relaxed);
}

/// The stack of this thread, on which `stack_pointer` lies: the main thread's, or the one that it was started with.
/// Empty for others (a signal's, a coroutine's).
pub(super) fn of_this_thread(stack_pointer: usize) -> Range<usize> {
    // SAFETY: as in `init`.
    let main = MAIN_LOW.load(Ordering::Relaxed)..unsafe { __libc_stack_end };
    if main.contains(&stack_pointer) {
        return main;
    }
    // `pthread_getattr_np` would allocate and take the thread's lock, which the program may hold. The C library keeps a
    // thread's descriptor at the top of its stack, so that is the mapping that holds both.
    // SAFETY: plain libc call.
    let descriptor = unsafe { libc::pthread_self() } as usize;
    let mapping = mapping_of(stack_pointer);
    if mapping.contains(&descriptor) && stack_pointer < descriptor { mapping.start..descriptor } else { 0..0 }
}

/// The readable mapping that holds `address`, by `/proc/self/maps`; empty if there is none.
fn mapping_of(address: usize) -> Range<usize> {
    let mut found = 0..0;
    // SAFETY: system calls on a descriptor and a buffer of this function.
    unsafe {
        let flags = libc::O_RDONLY | libc::O_CLOEXEC;
        let fd = libc::syscall(libc::SYS_openat, libc::AT_FDCWD, c"/proc/self/maps".as_ptr(), flags) as libc::c_int;
        if fd < 0 {
            return found;
        }
        let mut buffer = [0_u8; 2048];
        let mut reader = MapsReader::new();
        'read: loop {
            let read = libc::syscall(libc::SYS_read, fd, buffer.as_mut_ptr(), buffer.len());
            if read <= 0 {
                break;
            }
            for &byte in &buffer[..read as usize] {
                if let Some(mapping) = reader.next(byte)
                    && mapping.contains(&address)
                {
                    found = mapping;
                    break 'read;
                }
            }
        }
        libc::syscall(libc::SYS_close, fd);
    }
    found
}

/// Reads `start-end rw…` at the beginning of each line.
struct MapsReader {
    numbers: [usize; 2],
    field: usize,
}

impl MapsReader {
    const fn new() -> Self {
        Self { numbers: [0; 2], field: 0 }
    }

    /// The mapping whose line has been read so far, when the byte says that it is readable.
    fn next(&mut self, byte: u8) -> Option<Range<usize>> {
        match (self.field, byte) {
            (_, b'\n') => *self = Self::new(),
            (0, b'-') | (1, b' ') => self.field += 1,
            (field @ (0 | 1), _) => {
                let digit = (byte as char).to_digit(16).unwrap_or(0) as usize;
                self.numbers[field] = self.numbers[field] << 4 | digit;
            }
            (2, _) => {
                self.field += 1;
                return (byte == b'r').then(|| self.numbers[0]..self.numbers[1]);
            }
            _ => {}
        }
        None
    }
}

/// The alternative stack for signals, if this thread is on it.
pub(super) fn of_signals(stack_pointer: usize) -> Range<usize> {
    // SAFETY: fills one structure.
    let stack = unsafe {
        let mut stack: libc::stack_t = core::mem::zeroed();
        libc::syscall(libc::SYS_sigaltstack, core::ptr::null::<libc::stack_t>(), &raw mut stack);
        stack
    };
    let range = stack.ss_sp as usize..stack.ss_sp as usize + stack.ss_size;
    if range.contains(&stack_pointer) { range } else { 0..0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threads_stack_is_the_mapping_below_its_descriptor() {
        std::thread::spawn(|| {
            let local = 0_u8;
            let address = &raw const local as usize;
            let stack = of_this_thread(address);
            assert!(stack.contains(&address) && stack.len() > 1 << 20, "{stack:x?}");
            // The descriptor itself and what lies above it are no stack.
            assert!(of_this_thread(stack.end).is_empty());
        })
        .join()
        .expect("the thread's checks hold");
    }

    #[test]
    fn lines_of_maps_are_read() {
        let mut reader = MapsReader::new();
        let text = b"00400000-0040a000 r-xp 0 08:01 5 /bin/x-y z\n7f00-7fff ---p 0\nab-cd rw-p";
        let found: Vec<_> = text.iter().filter_map(|&byte| reader.next(byte)).collect();
        assert_eq!(found, [0x40_0000..0x40_a000, 0xab..0xcd]);
    }
}
