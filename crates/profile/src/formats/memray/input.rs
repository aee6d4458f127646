//! Bytes of a capture, decompressed piece by piece.

use std::io::Read;

use super::MemrayError;

/// How LZ4 frames begin.
pub(super) const LZ4_MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
const PIECE: usize = 1 << 20;
/// No record but those with text is longer; so much is at hand wherever the file has it.
pub(super) const AT_HAND: usize = 128;
/// Longest text of a record; longer ones are damage.
const LONGEST_TEXT: usize = 1 << 20;

/// A window over the content.
pub(super) struct Input<'a> {
    source: Source<'a>,
    window: Vec<u8>,
    at: usize,
    /// Bytes before the window.
    before: u64,
    is_exhausted: bool,
    error: Option<std::io::Error>,
}

enum Source<'a> {
    Plain(&'a [u8]),
    Lz4(Box<lz4_flex::frame::FrameDecoder<&'a [u8]>>),
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let source = if bytes.starts_with(&LZ4_MAGIC) {
            Source::Lz4(Box::new(lz4_flex::frame::FrameDecoder::new(bytes)))
        } else {
            // memray grows the file in steps of zeros; those behind the last record are none.
            let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            Source::Plain(&bytes[..end])
        };
        Self { source, window: Vec::new(), at: 0, before: 0, is_exhausted: false, error: None }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> u64 {
        self.before + self.at as u64
    }

    /// The error that ended the content early, if one did.
    pub(super) fn error(&mut self) -> Result<(), MemrayError> {
        self.error.take().map_or(Ok(()), |error| Err(MemrayError::Compression(error)))
    }

    pub(super) fn shape(&self, expected: &'static str) -> MemrayError {
        MemrayError::Shape { expected, bytes: self.position() }
    }

    /// Makes the next [`AT_HAND`] bytes readable, as far as there are any. False at the end.
    #[inline]
    pub(super) fn ready(&mut self) -> bool {
        if self.window.len() - self.at < AT_HAND {
            self.refill(AT_HAND);
        }
        self.at < self.window.len()
    }

    #[cold]
    fn refill(&mut self, wanted: usize) {
        self.window.drain(..self.at);
        self.before += self.at as u64;
        self.at = 0;
        while self.window.len() < wanted.max(AT_HAND) && !self.is_exhausted {
            let start = self.window.len();
            self.window.resize(start + PIECE, 0);
            let read = match &mut self.source {
                Source::Plain(bytes) => bytes.read(&mut self.window[start..]),
                Source::Lz4(decoder) => decoder.read(&mut self.window[start..]),
            };
            let length = match read {
                Ok(length) => length,
                Err(error) => {
                    self.error = Some(error);
                    0
                }
            };
            self.window.truncate(start + length);
            self.is_exhausted = length == 0;
        }
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Option<u8> {
        let byte = *self.window.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Option<u64> {
        let first = self.byte()?;
        if first < 0x80 {
            return Some(u64::from(first));
        }
        let mut value = u64::from(first & 0x7f);
        let mut shift = 7;
        while shift < 64 {
            let next = self.byte()?;
            value |= u64::from(next & 0x7f) << shift;
            if next < 0x80 {
                return Some(value);
            }
            shift += 7;
        }
        None
    }

    #[inline]
    pub(super) fn signed_varint(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// A number written as the difference from the last one.
    #[inline]
    pub(super) fn delta(&mut self, last: &mut u64) -> Option<u64> {
        *last = last.wrapping_add(self.signed_varint()? as u64);
        Some(*last)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        if self.window.len() - self.at < N {
            self.refill(N);
        }
        let found = *self.window[self.at..].first_chunk::<N>()?;
        self.at += N;
        Some(found)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A text that ends with a zero byte.
    pub(super) fn text(&mut self) -> Option<String> {
        let mut looked = 0;
        loop {
            if let Some(end) = self.window[self.at + looked..].iter().position(|&byte| byte == 0) {
                let end = self.at + looked + end;
                let text = String::from_utf8_lossy(&self.window[self.at..end]).into_owned();
                self.at = end + 1;
                self.ready();
                return Some(text);
            }
            looked = self.window.len() - self.at;
            if looked > LONGEST_TEXT || self.is_exhausted {
                return None;
            }
            self.refill(looked + PIECE);
        }
    }

    /// As many bytes.
    pub(super) fn bytes(&mut self, length: u64) -> Option<Vec<u8>> {
        let length = usize::try_from(length).ok().filter(|&length| length <= LONGEST_TEXT)?;
        if self.window.len() - self.at < length {
            self.refill(length);
        }
        let found = self.window.get(self.at..self.at + length)?.to_vec();
        self.at += length;
        self.ready();
        Some(found)
    }
}
