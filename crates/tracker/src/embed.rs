//! What the Python package `brimline` calls by name, with the GIL held: counting started and stopped from within, totals,
//! and the line tables of decorated functions ([`crate::line_table`]).

use core::ffi::{CStr, c_char, c_int};
use core::sync::atomic::{AtomicBool, Ordering};

use brimline_recording::layout::{Record, STATE_FINAL, STATE_RECORDING, Table, Thread};

use crate::{bring_up, interpose, patch, recording, shadow, shard, state, threads, ticker};

/// Raised when a function here changes its meaning.
const INTERFACE: c_int = 1;

/// Started by [`brimline_start`], not by the loader before `main`.
static FROM_WITHIN: AtomicBool = AtomicBool::new(false);

/// Version of this interface.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn brimline_interface() -> c_int {
    INTERFACE
}

/// 0 when nothing is counted, 1 when `brimline run` has it counted, 2 when [`brimline_start`] has.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn brimline_state() -> c_int {
    match (state::active(), FROM_WITHIN.load(Ordering::Relaxed)) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => 2,
    }
}

/// Starts counting, with a recording in `folder`; anew from zero after [`brimline_stop`]. False where the process cannot
/// be counted: then a note in the folder says why.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn brimline_start(folder: *const c_char) -> c_int {
    if state::active() {
        return 1;
    }
    if FROM_WITHIN.load(Ordering::Relaxed) {
        begin_anew();
    } else {
        interpose::expect_late();
        bring_up::begin(CStr::from_ptr(folder));
        if !state::active() {
            return 0;
        }
        FROM_WITHIN.store(true, Ordering::Relaxed);
    }
    patch::patch_all();
    1
}

/// Stops counting what [`brimline_start`] started; the recording holds the last state.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn brimline_stop() {
    if FROM_WITHIN.load(Ordering::Relaxed) && state::active() {
        state::deactivate();
        ticker::tick();
        threads::flush_all();
        recording::set_state(STATE_FINAL);
    }
}

/// Forgets all counts and blocks, then counts again: what was freed in between could not be followed.
unsafe fn begin_anew() {
    // A hook that began before counting was stopped ends within microseconds.
    threads::wait_until_outside();
    threads::flush_all();
    shadow::clear();
    let header = recording::header();
    for index in 1..recording::rows(Table::Records) {
        let row = &mut *recording::record(index);
        *row = Record { node: row.node, owner: row.owner, kind: row.kind, ..Record::default() };
    }
    threads::for_each_row(|row| {
        let row: &mut Thread = &mut *row;
        row.sizes = core::mem::zeroed();
        (row.small_allocated_bytes, row.small_freed_bytes) = (0, 0);
    });
    (*header).live_bytes = 0;
    (*header).peak_bytes = 0;
    (*header).epoch = 1;
    (*header).arena_used_bytes = 0;
    recording::set_state(STATE_RECORDING);
    state::activate();
}

/// Replaces the allocation functions in libraries that were loaded since; for after an import.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn brimline_patch() {
    if FROM_WITHIN.load(Ordering::Relaxed) {
        patch::patch_all();
    }
}

/// Bytes and blocks of this process so far.
#[repr(C)]
pub(crate) struct Totals {
    live_bytes: i64,
    live_count: i64,
    peak_bytes: i64,
    total_bytes: u64,
    total_count: u64,
}

/// Writes the totals; exact while one thread runs. Zeros when nothing is counted.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn brimline_totals(to: *mut Totals) {
    let mut totals = Totals { live_bytes: 0, live_count: 0, peak_bytes: 0, total_bytes: 0, total_count: 0 };
    if recording::header().is_null() {
        return to.write(totals);
    }
    threads::for_each_row(|row| {
        for class in &(*row).sizes {
            totals.total_bytes += class.total_bytes;
            totals.total_count += class.total_count;
            totals.live_bytes += class.total_bytes as i64 - class.freed_bytes as i64;
            totals.live_count += class.total_count as i64 - class.freed_count as i64;
        }
    });
    totals.live_bytes = shard::live_bytes();
    totals.peak_bytes = (*recording::header()).peak_bytes.max(totals.live_bytes);
    to.write(totals);
}

/// Publishes what this process has counted, so that a copy of its recording is up to date.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn brimline_flush() {
    if !recording::header().is_null() {
        if let Some(_entered) = state::enter() {
            ticker::name_threads(false);
        }
        ticker::tick();
        threads::flush_all();
    }
}

/// Copies the path of the recording, NUL-terminated, into `to`; false where there is none or no room.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn brimline_recording_path(to: *mut c_char, room: usize) -> c_int {
    if recording::header().is_null() {
        return 0;
    }
    c_int::from(recording::copy_path(to.cast(), room))
}

/// The highest number of live bytes since the last call that asked to `reset`; for measuring a part of a program. The
/// recording's own peak stays.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn brimline_local_peak(reset: c_int) -> i64 {
    shard::local_peak(reset != 0)
}
