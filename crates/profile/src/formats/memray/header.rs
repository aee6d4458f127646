//! What a capture says about itself.

use super::MemrayError;
use super::input::Input;

/// How an uncompressed capture begins.
pub(super) const MAGIC: &[u8] = b"memray\0";
const OLDEST: i32 = 10;
/// The first with the version of Python in the header, and code objects in place of lines.
const WITH_CODE_OBJECTS: i32 = 12;
/// The first with module search paths.
const WITH_SEARCH_PATHS: i32 = 13;

pub(super) struct Header {
    pub(super) version: i32,
    /// Minor version of Python 3; lines of earlier formats are resolved already.
    pub(super) python_minor: u32,
    pub(super) has_native_traces: bool,
    pub(super) is_aggregated: bool,
    pub(super) command_line: String,
    pub(super) main_thread: u64,
    /// Outermost frames of the main thread that are memray's own.
    pub(super) skipped_frames: u64,
    pub(super) has_python_allocators: Option<bool>,
}

impl Header {
    pub(super) fn read(input: &mut Input<'_>) -> Result<Self, MemrayError> {
        if input.array::<7>().is_none_or(|magic| magic != MAGIC) {
            input.error()?;
            return Err(MemrayError::NotMemray);
        }
        let version = i32::from_le_bytes(input.array().ok_or(MemrayError::CutShort)?);
        if !(OLDEST..=WITH_SEARCH_PATHS).contains(&version) {
            return Err(MemrayError::Version { found: version });
        }
        if let Some(header) = Self::read_fields(input, version) {
            return Ok(header);
        }
        input.error()?;
        Err(MemrayError::CutShort)
    }

    fn read_fields(input: &mut Input<'_>, version: i32) -> Option<Self> {
        let python_minor =
            if version >= WITH_CODE_OBJECTS { u32::from_le_bytes(input.array()?) >> 16 & 0xff } else { 0 };
        let [has_native_traces, format] = input.array()?;
        // Numbers of allocations and frames, times of start and end.
        input.array::<32>()?;
        let command_line = input.text()?;
        let [_pid] = [input.array::<4>()?];
        let main_thread = input.u64()?;
        let skipped_frames = input.u64()?;
        let [_python_allocator] = input.array()?;
        let has_python_allocators = if version > OLDEST { Some(input.array::<1>()? != [0]) } else { None };
        if version >= WITH_CODE_OBJECTS {
            let [_tracks_objects] = input.array()?;
        }
        if version >= WITH_SEARCH_PATHS {
            let _standard_library = input.text()?;
            for _ in 0..2 {
                while !input.text()?.is_empty() {}
            }
        }
        Some(Self {
            version,
            python_minor,
            has_native_traces: has_native_traces != 0,
            is_aggregated: format == 1,
            command_line,
            main_thread,
            skipped_frames,
            has_python_allocators,
        })
    }

    /// Whether frames are code objects with an instruction, not lines.
    pub(super) fn has_code_objects(&self) -> bool {
        self.version >= WITH_CODE_OBJECTS
    }

    /// What an allocator's number stands for.
    pub(super) fn operation(&self, number: u8) -> Option<Operation> {
        use Operation::{Allocate, Free, Map, Unmap};
        const OLD: [Operation; 15] = [
            Allocate(MALLOC),
            Free,
            Allocate(MALLOC),
            Allocate(MALLOC),
            Allocate(MALLOC),
            Allocate(MALLOC),
            Allocate(MALLOC),
            Allocate(MALLOC),
            Allocate(MALLOC),
            Map,
            Unmap,
            Allocate(PYTHON),
            Allocate(PYTHON),
            Allocate(PYTHON),
            Free,
        ];
        const NEW: [Operation; 15] = [
            Free,
            Allocate(PYTHON),
            Allocate(PYTHON),
            Allocate(PYTHON),
            Free,
            Allocate(MALLOC),
            Allocate(MALLOC),
            Allocate(MALLOC),
            Allocate(MALLOC),
            Allocate(MALLOC),
            Allocate(MALLOC),
            Allocate(MALLOC),
            Allocate(MALLOC),
            Map,
            Unmap,
        ];
        let table = if self.has_code_objects() { &NEW } else { &OLD };
        table.get(usize::from(number).checked_sub(1)?).copied()
    }
}

/// Index of a kind of memory in [`KINDS`].
pub(super) const MALLOC: usize = 0;
pub(super) const PYTHON: usize = 1;
pub(super) const MAPPING: usize = 2;
/// Kinds of memory as brimline's own recordings call them.
pub(super) const KINDS: [&str; 3] = ["malloc", "python", "mmap"];

/// What an allocation record did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Handed out a block of a kind.
    Allocate(usize),
    /// Took one back.
    Free,
    /// Mapped a range.
    Map,
    /// Unmapped one, or a part.
    Unmap,
}
