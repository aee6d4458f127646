//! Threads come and go: the first allocation of a thread gives it a shard, its end frees the shard for the next one.

use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use brimline_recording::layout::Table;

use crate::array::Array;
use crate::lock::Lock;
use crate::recording;
use crate::shard::{Shard, expect_several_threads};
use crate::state::{LEAVING, thread_slot};
use crate::{system, ticker};

/// So many threads have rows of their own, whatever became of them; further ones take the rows of threads that ended.
const OWN_ROWS: usize = 128;

struct Threads {
    all: Array<*mut Shard>,
    /// Of threads that ended.
    idle: Array<*mut Shard>,
    /// Of the tracker's own thread while it is not counted.
    ticker: *mut Shard,
}

impl Threads {
    /// With one thread the process's total is kept exactly; with several each publishes its part now and then.
    fn count_busy(&self) {
        let idle = self.idle.len() + usize::from(!self.ticker.is_null());
        expect_several_threads(self.all.len() - idle > 1);
    }
}

static THREADS: Lock<Threads> = Lock::new(Threads { all: Array::new(), idle: Array::new(), ticker: ptr::null_mut() });
static FORKING: AtomicBool = AtomicBool::new(false);
static KEY: AtomicU32 = AtomicU32::new(u32::MAX);

/// Asks to be told when a thread ends; once, at start.
pub(crate) fn init() -> bool {
    let mut key = 0;
    // SAFETY: plain libc call.
    let made = unsafe { libc::pthread_key_create(&raw mut key, Some(farewell)) } == 0;
    KEY.store(key, Ordering::Release);
    made
}

/// A shard for this thread. `None` when tables or memory are exhausted: the thread is not counted.
#[cold]
pub(crate) fn register() -> Option<*mut Shard> {
    // SAFETY: the slot is this thread's; what `pthread_setspecific` may allocate meets a shard that is `inside`.
    unsafe {
        let slot = thread_slot();
        slot.write(LEAVING);
        let shard = THREADS.with(|threads| {
            let last = threads.idle.len().checked_sub(1).filter(|_| threads.all.len() >= OWN_ROWS);
            let shard = match last {
                Some(last) => {
                    let shard = threads.idle.as_slice()[last];
                    threads.idle.truncate(last);
                    shard
                }
                None => {
                    let index = recording::take(Table::Threads, 1)?;
                    let shard = system::map(size_of::<Shard>()).cast::<Shard>();
                    if shard.is_null() || !threads.all.push(shard) {
                        return None;
                    }
                    shard.write(Shard::new(index)?);
                    shard
                }
            };
            threads.count_busy();
            Some(shard)
        })?;
        let row = recording::thread((*shard).index);
        (*row).tid = system::tid();
        (*row).ident = libc::pthread_self() as u64;
        (*row).uses += 1;
        (*row).name = [0; 64];
        (*row).reserved[0] = 0;
        (*shard).inside = true;
        (*shard).farewells = 0;
        slot.write(shard);
        libc::pthread_setspecific(KEY.load(Ordering::Acquire), shard.cast());
        ticker::wake();
        (*shard).inside = false;
        Some(shard)
    }
}

/// Destructor of the thread's key. Other destructors may still free memory, so the first calls only ask for another.
unsafe extern "C" fn farewell(shard: *mut libc::c_void) {
    let shard = shard.cast::<Shard>();
    (*shard).farewells += 1;
    if (*shard).farewells < 3 {
        libc::pthread_setspecific(KEY.load(Ordering::Acquire), shard.cast());
        return;
    }
    retire();
}

/// This thread is not counted from here on; its shard waits for the next thread.
pub(crate) fn retire() {
    let Some(shard) = part_with_shard() else { return };
    // SAFETY: rows stay mapped, and this one is still this thread's.
    unsafe {
        let row = recording::thread((*shard).index);
        // The next thread may be known by the same number: its name is not this one's.
        (*row).ident = 0;
        (*row).reserved[0] = 1;
    }
    THREADS.with(|threads| {
        threads.idle.push(shard);
        threads.count_busy();
    });
}

/// The tracker's own thread is not counted from here on, until it [`join`]s again.
pub(crate) fn rest() {
    let Some(shard) = part_with_shard() else { return };
    THREADS.with(|threads| {
        threads.ticker = shard;
        threads.count_busy();
    });
}

fn part_with_shard() -> Option<*mut Shard> {
    // SAFETY: the slot is this thread's own.
    let shard = unsafe { thread_slot().replace(LEAVING) };
    if shard as usize <= LEAVING as usize {
        return None;
    }
    // SAFETY: the thread's own shard, alive and used by nobody until it is in the list.
    unsafe {
        libc::pthread_setspecific(KEY.load(Ordering::Acquire), ptr::null());
        (*shard).flush();
        (*shard).stack.release();
    }
    Some(shard)
}

/// Uncounts a block that a thread frees after it has left: the C library gives thread-local storage back last. A shard
/// that waits for its next thread takes it.
#[cold]
pub(crate) fn remove_late(address: usize) {
    if FORKING.load(Ordering::Relaxed) {
        // Another fork handler's free, on the thread that holds the lock.
        return;
    }
    THREADS.with(|threads| {
        if let Some(&shard) = threads.idle.as_slice().last() {
            // SAFETY: nobody uses an idle shard, and it leaves the list under this lock only.
            unsafe {
                (*shard).remove_block(address);
                (*shard).flush();
            }
        }
    });
}

/// The tracker's own thread is counted again.
pub(crate) fn join() {
    let shard = THREADS.with(|threads| {
        let shard = core::mem::replace(&mut threads.ticker, ptr::null_mut());
        threads.count_busy();
        shard
    });
    // SAFETY: the slot is this thread's own; null has the next allocation make a shard.
    unsafe { thread_slot().write(shard) };
}

/// This thread will not be counted.
pub(crate) fn leave() {
    // SAFETY: the slot is this thread's own.
    unsafe { thread_slot().write(LEAVING) };
}

/// Runs `action` for the row of each thread that lives.
pub(crate) fn for_each_row(mut action: impl FnMut(*mut brimline_recording::layout::Thread)) {
    THREADS.with(|threads| {
        for &shard in threads.all.as_slice() {
            // SAFETY: shards are never unmapped outside `fork`.
            action(recording::thread(unsafe { (*shard).index }));
        }
    });
}

/// Waits until no other thread is inside a hook; they are short.
pub(crate) fn wait_until_outside() {
    const PATIENCE: u32 = 1000;
    for _ in 0..PATIENCE {
        let own = crate::system::tid();
        let is_busy = THREADS.with(|threads| {
            threads.all.as_slice().iter().any(|&shard| {
                // SAFETY: shards are never unmapped outside `fork`; the flag changes under our eyes.
                unsafe {
                    (&raw const (*shard).inside).read_volatile() && (*recording::thread((*shard).index)).tid != own
                }
            })
        });
        if !is_busy {
            return;
        }
        // SAFETY: plain system call.
        unsafe { libc::sched_yield() };
    }
}

/// Publishes what all threads have counted; exact only while the others stand still.
pub(crate) fn flush_all() {
    THREADS.with(|threads| {
        for &shard in threads.all.as_slice() {
            // SAFETY: as above; a thread that counts at this moment may lose one publication, not one block.
            unsafe { (*shard).flush() };
        }
    });
}

/// For `fork`.
pub(crate) fn lock_for_fork() {
    THREADS.acquire();
    FORKING.store(true, Ordering::Relaxed);
}

/// After `fork`, in both processes.
pub(crate) fn unlock_after_fork() {
    FORKING.store(false, Ordering::Relaxed);
    THREADS.release();
}

/// In a forked child: no thread has a shard any more, the one that lives gets a new one at its next allocation.
pub(crate) fn clear() {
    THREADS.with(|threads| {
        for &shard in threads.all.as_slice() {
            // SAFETY: the child has one thread, and it is here, outside all shards.
            unsafe {
                (*shard).release();
                system::unmap(shard.cast(), size_of::<Shard>());
            }
        }
        threads.all.free();
        threads.idle.free();
        threads.ticker = ptr::null_mut();
    });
    // SAFETY: the slot is this thread's own.
    unsafe {
        thread_slot().write(ptr::null_mut());
        libc::pthread_setspecific(KEY.load(Ordering::Acquire), ptr::null());
    }
    expect_several_threads(false);
}
