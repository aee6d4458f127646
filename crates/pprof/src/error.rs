//! Why bytes are no profile.

use thiserror::Error;

use crate::wire::WireError;

/// A file that cannot be read as a profile.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The gzip stream is damaged or cut short.
    #[error("expected a whole gzip stream, found damage after {at} inflated bytes: {source}")]
    Gzip {
        /// Bytes inflated before the damage.
        at: usize,
        /// The decompressor's reason.
        source: std::io::Error,
    },
    /// The file would grow past its limit.
    #[error("expected at most {allowed} bytes inside a gzip file of {compressed} bytes, found more")]
    TooLarge {
        /// Size of the file.
        compressed: u64,
        /// Size it may have inflated.
        allowed: u64,
    },
    /// There is nothing in the file.
    #[error("expected a profile, found an empty file")]
    Empty,
    /// A web page, usually the index page of a server's debug handlers or its error page.
    #[error("expected a profile, found an HTML page")]
    Html,
    /// Two profiles written one after the other.
    #[error("expected one profile, found concatenated profiles: a second time stamp at byte {at}")]
    Concatenated {
        /// Offset of the second time stamp.
        at: usize,
    },
    /// Not protobuf at some place.
    #[error("expected profile.proto, found damage in the field that ends at byte {at}: {source}")]
    Wire {
        /// Offset behind the damaged field of the profile message.
        at: usize,
        /// What is wrong in it.
        source: WireError,
    },
    /// The message is readable but contradicts itself.
    #[error("malformed profile: {0}")]
    Malformed(String),
    /// A legacy text or binary format with a damaged line.
    #[error("expected a {format} profile, found {found}")]
    Legacy {
        /// Name of the format.
        format: &'static str,
        /// The line or value that does not fit.
        found: String,
    },
}
