//! The formats from before profile.proto: text with addresses and a memory map, and the binary CPU profile.
//!
//! They have no specification; the reader of google/pprof (`profile/legacy_profile.go`) is what all writers test with.

mod builder;
mod contention;
mod count;
mod cpu;
mod frames;
mod heap;
mod java;
mod maps;
mod thread;

use crate::error::ReadError;
use crate::model::View;

/// A profile, or `None` if the bytes are of another format.
type Outcome = Result<Option<View<'static>>, ReadError>;

/// Tries all formats.
pub(crate) fn read(bytes: &[u8]) -> Outcome {
    if let Some(view) = cpu::read(bytes) {
        return Ok(Some(view));
    }
    let text = String::from_utf8_lossy(bytes);
    for format in [heap::read, count::read, thread::read, contention::read, java::read] {
        if let Some(view) = format(&text)? {
            return Ok(Some(view));
        }
    }
    Ok(None)
}

/// The error for a line that the format does not have.
fn damaged<T>(format: &'static str, found: &str) -> Result<T, ReadError> {
    Err(ReadError::Legacy { format, found: format!("`{}`", found.trim()) })
}

/// Whether a line says nothing.
fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// Whether the memory map follows.
fn starts_map(line: &str) -> bool {
    ["--- Memory map: ---", "MAPPED_LIBRARIES:"].iter().any(|mark| line.contains(mark))
}

/// The lines behind the mark of the memory map, searched from line `from` on.
fn map_lines<'l>(lines: &[&'l str], from: usize) -> Vec<&'l str> {
    let rest = lines.get(from..).unwrap_or_default();
    let start = rest.iter().position(|line| starts_map(line)).map_or(rest.len(), |mark| mark + 1);
    rest[start..].to_vec()
}

/// All `0x…` numbers of a line; `None` if one has more than 64 bits.
fn addresses(text: &str) -> Option<Vec<u64>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("0x") {
        let digits = &rest[at + 2..];
        let length = digits.find(|digit: char| !matches!(digit, '0'..='9' | 'a'..='f')).unwrap_or(digits.len());
        if length > 0 {
            found.push(u64::from_str_radix(&digits[..length], 16).ok()?);
        }
        rest = &digits[length..];
    }
    Some(found)
}
