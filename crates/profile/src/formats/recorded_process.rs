//! What a recording says of its process.

use std::mem::offset_of;

use brimline_recording::Recording;
use brimline_recording::layout::{
    Header, MODE_MALLOC, MODE_SAMPLED, STATE_FINAL, STATE_RECORDING, STATE_STOPPED, Table,
};

/// What a recording counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Every Python object and every malloc.
    #[default]
    Exact,
    /// Every malloc and mapping; Python's small objects as the arenas they lie in.
    Malloc,
    /// A sample of every object and every malloc.
    Sampled {
        /// Mean distance between samples in bytes.
        period: u64,
    },
}

impl Mode {
    /// The word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Malloc => "malloc",
            Self::Sampled { .. } => "sampled",
        }
    }
}

/// State of a process as its recording tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The last state seen; the process runs still or was killed.
    Running,
    /// After `atexit` handlers and one collection.
    Final,
    /// Tracking stopped before the end, with the `errno` that stopped it.
    Stopped {
        /// An `errno`, 0 when a limit was met.
        errno: u32,
    },
    /// Tracking had not begun.
    Unready,
}

/// Facts about one recorded process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Process id of the parent at start.
    pub parent_pid: u32,
    /// Version such as `3.11.7`.
    pub python: String,
    /// How far the recording got.
    pub state: State,
    /// Arguments of the process.
    pub command: Vec<String>,
    /// Tracked bytes live at the end.
    pub live_bytes: i64,
    /// Highest value of tracked bytes.
    pub peak_bytes: i64,
    /// Arenas that Python's small-object allocator held from the system.
    pub arena_bytes: i64,
    /// Bytes of live objects in those arenas.
    pub arena_used_bytes: i64,
    /// What malloc held from the system.
    pub malloc_reserved_bytes: u64,
    /// What malloc had handed out.
    pub malloc_used_bytes: u64,
    /// Descriptors open that were opened while tracked.
    pub open_fds: i64,
    /// What was counted.
    pub mode: Mode,
    /// Sum over its memory, in the profile's columns.
    pub values: Vec<i64>,
    /// The frames of this interpreter could not be read; stacks were asked of its public API, which is slower.
    pub asked_for_stacks: bool,
    /// Native frames were recorded too.
    pub native_frames: bool,
}

pub(super) fn process(recording: &Recording<'_>) -> Process {
    let version = recording.header_u32(offset_of!(Header, python_version));
    Process {
        values: Vec::new(),
        pid: recording.header_u32(offset_of!(Header, pid)),
        parent_pid: recording.header_u32(offset_of!(Header, parent_pid)),
        python: format!("{}.{}.{}", version >> 24, version >> 16 & 0xff, version >> 8 & 0xff),
        state: match recording.header_u32(offset_of!(Header, state)) {
            STATE_RECORDING => State::Running,
            STATE_FINAL => State::Final,
            STATE_STOPPED => State::Stopped { errno: recording.header_u32(offset_of!(Header, stop_errno)) },
            _ => State::Unready,
        },
        command: recording.command_line().map(|word| String::from_utf8_lossy(word).into_owned()).collect(),
        live_bytes: recording.header_i64(offset_of!(Header, live_bytes)),
        peak_bytes: recording.header_i64(offset_of!(Header, peak_bytes)),
        arena_bytes: recording.header_i64(offset_of!(Header, arena_bytes)),
        arena_used_bytes: recording.header_i64(offset_of!(Header, arena_used_bytes)),
        malloc_reserved_bytes: recording.header_u64(offset_of!(Header, malloc_reserved_bytes)),
        malloc_used_bytes: recording.header_u64(offset_of!(Header, malloc_used_bytes)),
        open_fds: recording.header_i64(offset_of!(Header, open_fds)),
        mode: match recording.header_u32(offset_of!(Header, mode)) {
            MODE_MALLOC => Mode::Malloc,
            MODE_SAMPLED => Mode::Sampled { period: recording.header_u64(offset_of!(Header, period)) },
            _ => Mode::Exact,
        },
        asked_for_stacks: recording.header_u32(offset_of!(Header, self_test)) == 2,
        // Row 0 means none.
        native_frames: recording.rows(Table::Modules) > 1,
    }
}
