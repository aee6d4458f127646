//! The counters at the start of a recording, read while its process runs.

use std::mem::{offset_of, size_of};
use std::os::unix::fs::FileExt;
use std::path::Path;

use brimline_recording::layout::{Header, MAGIC, VERSION};
use brimline_store::{StoreError, private_file};

/// What a live recording's header says; see [`Header`] for the fields' meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordingHeader {
    /// Process id as the process itself sees it.
    pub pid: u32,
    /// Parent's process id at start.
    pub parent_pid: u32,
    /// 0 while the tracker sets up, then one of the `STATE_…` values.
    pub state: u32,
    /// For example `0x030b07f0`.
    pub python_version: u32,
    /// Wall clock at start.
    pub start_unix_ns: u64,
    /// Tracked bytes live now.
    pub live_bytes: i64,
    /// Highest value of `live_bytes`.
    pub peak_bytes: i64,
    /// Arenas held by Python's small-object allocator.
    pub arena_bytes: i64,
    /// Of these, in use.
    pub arena_used_bytes: i64,
    /// Held by malloc.
    pub malloc_reserved_bytes: u64,
    /// Handed out by malloc.
    pub malloc_used_bytes: u64,
    /// An `errno` if tracking stopped.
    pub stop_errno: u32,
    /// 0 running, 1 finalized, 2 exec, 3 `_exit`.
    pub end: u32,
}

impl RecordingHeader {
    /// Reads the header of a recording; `Ok(None)` if the file holds no valid one (yet).
    pub fn read(path: &Path) -> Result<Option<Self>, StoreError> {
        let file = private_file::open_read(path)?;
        let mut bytes = [0_u8; size_of::<Header>()];
        Ok(match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => Self::parse(&bytes),
            Err(_) => None,
        })
    }

    fn parse(bytes: &[u8; size_of::<Header>()]) -> Option<Self> {
        let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        let i64_at = |at: usize| u64_at(at) as i64;
        if bytes[..MAGIC.len()] != MAGIC || u32_at(offset_of!(Header, version)) > VERSION {
            return None;
        }
        Some(Self {
            pid: u32_at(offset_of!(Header, pid)),
            parent_pid: u32_at(offset_of!(Header, parent_pid)),
            state: u32_at(offset_of!(Header, state)),
            python_version: u32_at(offset_of!(Header, python_version)),
            start_unix_ns: u64_at(offset_of!(Header, start_unix_ns)),
            live_bytes: i64_at(offset_of!(Header, live_bytes)),
            peak_bytes: i64_at(offset_of!(Header, peak_bytes)),
            arena_bytes: i64_at(offset_of!(Header, arena_bytes)),
            arena_used_bytes: i64_at(offset_of!(Header, arena_used_bytes)),
            malloc_reserved_bytes: u64_at(offset_of!(Header, malloc_reserved_bytes)),
            malloc_used_bytes: u64_at(offset_of!(Header, malloc_used_bytes)),
            stop_errno: u32_at(offset_of!(Header, stop_errno)),
            end: u32_at(offset_of!(Header, end)),
        })
    }

    /// The interpreter's version, for example `3.11.7`, `3.13.0rc1`; `None` if it is not known.
    pub fn python_version_text(&self) -> Option<String> {
        let [major, minor, micro, level] = self.python_version.to_be_bytes();
        if major == 0 {
            return None;
        }
        let suffix = match level >> 4 {
            0xA => format!("a{}", level & 0xF),
            0xB => format!("b{}", level & 0xF),
            0xC => format!("rc{}", level & 0xF),
            _ => String::new(),
        };
        Some(format!("{major}.{minor}.{micro}{suffix}"))
    }
}
