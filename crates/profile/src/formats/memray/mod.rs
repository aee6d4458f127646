//! Capture files of memray 1.10 to 1.20 (`memray run`), logs and aggregated ones: format versions 10 to 13.
//!
//! A log holds every allocation and every step of the stacks, and is replayed here once: totals as `memray stats` has
//! them, the peak and what was live at it as `memray table`, what was never freed as `memray table --leaks`. Replaying
//! keeps memray's own rules: the last of several equal peaks counts, an address that is handed out twice without a
//! free belongs to its last owner, parts of a mapping can be unmapped.
//!
//! Format: `src/memray/_memray/record_writer.cpp` of each release. Left out: native frames (addresses of the machine it
//! ran on), the RSS series, surviving objects.

mod aggregated;
mod blocks;
mod header;
mod input;
mod log;
mod mappings;
mod names;
mod stacks;

use super::Decoded;
use crate::Profile;
use header::Header;
use input::Input;

/// Why a capture was not read.
#[derive(Debug, thiserror::Error)]
pub enum MemrayError {
    /// Not a capture of memray.
    #[error("expected a capture of memray, found other content")]
    NotMemray,
    /// Of a release that is too old or too new.
    #[error("expected format version 10 to 13 (memray 1.10 to 1.20), found version {found}")]
    Version {
        /// What the header says.
        found: i32,
    },
    /// The header itself is cut short.
    #[error("expected the header of a capture, found the end of the file")]
    CutShort,
    /// Something that does not fit together.
    #[error("expected {expected} after {bytes} bytes of records")]
    Shape {
        /// What was needed.
        expected: &'static str,
        /// How much had been read.
        bytes: u64,
    },
    /// More than this reader takes.
    #[error("expected at most {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many are taken.
        limit: u64,
    },
    /// Damaged compression.
    #[error("failed to decompress")]
    Compression(#[source] std::io::Error),
}

/// A capture that has been read.
#[derive(Debug)]
pub struct Capture {
    /// Stacks with the columns of `ValueType::tracked`.
    pub profile: Profile,
    /// The command line that was recorded.
    pub command_line: String,
    /// Version of the format.
    pub version: i32,
    /// Written by `--aggregate`: total bytes and blocks are not in the file.
    pub is_aggregated: bool,
    /// Whether Python's small objects were recorded (`--trace-python-allocators`); `None` in files of 1.10.
    pub has_python_allocators: Option<bool>,
    /// Whether it has native frames (`--native`), which are left out: addresses of the machine it was recorded on.
    pub has_native_frames: bool,
    /// The highest number of bytes live at once.
    pub peak_bytes: i64,
}

/// Whether the content looks like a capture, compressed or not.
pub fn is_capture(bytes: &[u8]) -> bool {
    bytes.starts_with(header::MAGIC) || bytes.starts_with(&input::LZ4_MAGIC)
}

/// Reads a capture.
pub fn read(bytes: &[u8]) -> Result<Decoded<Capture>, MemrayError> {
    let mut input = Input::new(bytes);
    let header = Header::read(&mut input)?;
    let outcome =
        if header.is_aggregated { aggregated::read(&mut input, &header)? } else { log::read(&mut input, &header)? };
    let mut warnings = Vec::new();
    if !outcome.is_complete {
        warnings.push(if header.is_aggregated {
            "the capture ends early: memray writes it when the program ends".to_owned()
        } else {
            "the capture has no end mark (the program was killed, or still runs): numbers are those of its last record"
                .to_owned()
        });
    }
    let value = Capture {
        profile: outcome.profile,
        command_line: header.command_line,
        version: header.version,
        is_aggregated: header.is_aggregated,
        has_python_allocators: header.has_python_allocators,
        has_native_frames: header.has_native_traces,
        peak_bytes: outcome.peak_bytes,
    };
    Ok(Decoded { value, warnings })
}

/// What the records came to.
struct Outcome {
    profile: Profile,
    peak_bytes: i64,
    /// The end mark was there.
    is_complete: bool,
}
