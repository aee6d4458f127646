//! The protobuf wire format: as much of it as profile.proto uses, <https://protobuf.dev/programming-guides/encoding/>.

use thiserror::Error;

/// What is wrong with bytes that should be a protobuf message.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum WireError {
    /// A number ran past its ten bytes or past the end.
    #[error("bad varint at byte {at}: expected at most 10 bytes, found no end")]
    Varint {
        /// Offset in the message being read.
        at: usize,
    },
    /// A length or fixed-size number reaches past the end.
    #[error("expected {expected} bytes at byte {at}, found {found}")]
    Short {
        /// Offset in the message being read.
        at: usize,
        /// Bytes promised.
        expected: u64,
        /// Bytes there.
        found: usize,
    },
    /// A wire type that proto3 does not have.
    #[error("expected wire type 0, 1, 2 or 5 at byte {at}, found {found}")]
    Type {
        /// Offset in the message being read.
        at: usize,
        /// The type found.
        found: u8,
    },
    /// A known field with the wire type of another kind of value.
    #[error("field {field}: expected {expected}, found another wire type")]
    Mismatch {
        /// Field number.
        field: u32,
        /// `a number` or `bytes`.
        expected: &'static str,
    },
}

/// Value of one field.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Number(u64),
    Fixed,
    Bytes(&'a [u8]),
}

/// Fields of one message, in file order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Offset of the next field.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// The next field, or `None` at the end of the message.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "called for every field of every sample, its answer is large")]
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, WireError> {
        if self.at >= self.bytes.len() {
            return Ok(None);
        }
        let start = self.at;
        let tag = varint(self.bytes, &mut self.at)?;
        let value = match tag & 7 {
            0 => Value::Number(varint(self.bytes, &mut self.at)?),
            1 => {
                self.take(8)?;
                Value::Fixed
            }
            2 => {
                let length = varint(self.bytes, &mut self.at)?;
                Value::Bytes(self.take(length)?)
            }
            5 => {
                self.take(4)?;
                Value::Fixed
            }
            other => return Err(WireError::Type { at: start, found: other as u8 }),
        };
        Ok(Some(((tag >> 3) as u32, value)))
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], WireError> {
        let rest = &self.bytes[self.at..];
        if length > rest.len() as u64 {
            return Err(WireError::Short { at: self.at, expected: length, found: rest.len() });
        }
        self.at += length as usize;
        Ok(&rest[..length as usize])
    }
}

/// Reads the number at `*at` and moves past it.
#[inline]
pub(crate) fn varint(bytes: &[u8], at: &mut usize) -> Result<u64, WireError> {
    const LAST_BYTES: u64 = 0x8080_8080_8080_8080;
    // Lengths vary from number to number, so a loop over bytes would be mispredicted: eight bytes at once instead.
    if let Some(window) = bytes.get(*at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*window);
        let ends = !word & LAST_BYTES;
        if ends != 0 {
            *at += ends.trailing_zeros() as usize / 8 + 1;
            return Ok(join_groups(word & (ends ^ (ends - 1))));
        }
    }
    varint_by_bytes(bytes, at)
}

/// The seven low bits of each of eight bytes, side by side.
#[inline]
fn join_groups(word: u64) -> u64 {
    let pairs = (word & 0x007f_007f_007f_007f) | (word & 0x7f00_7f00_7f00_7f00) >> 1;
    let fours = (pairs & 0x0000_3fff_0000_3fff) | (pairs & 0x3fff_0000_3fff_0000) >> 2;
    (fours & 0x0fff_ffff) | (fours & 0x0fff_ffff_0000_0000) >> 4
}

/// The same for the last bytes of a message, and for numbers of more than eight bytes.
fn varint_by_bytes(bytes: &[u8], at: &mut usize) -> Result<u64, WireError> {
    let start = *at;
    let mut value = 0_u64;
    for (index, &byte) in bytes[start.min(bytes.len())..].iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f).wrapping_shl(7 * index as u32);
        if byte & 0x80 == 0 {
            *at = start + index + 1;
            return Ok(value);
        }
    }
    Err(WireError::Varint { at: start })
}

/// Calls `each` for every number of a repeated field, packed or not.
#[inline]
pub(crate) fn numbers(field: u32, value: Value<'_>, mut each: impl FnMut(u64)) -> Result<(), WireError> {
    match value {
        Value::Number(number) => each(number),
        Value::Bytes(bytes) => {
            let mut at = 0;
            while at < bytes.len() {
                each(varint(bytes, &mut at)?);
            }
        }
        Value::Fixed => return Err(WireError::Mismatch { field, expected: "a number" }),
    }
    Ok(())
}

impl<'a> Value<'a> {
    /// The number, or an error naming `field`.
    #[inline]
    pub(crate) fn number(self, field: u32) -> Result<u64, WireError> {
        match self {
            Value::Number(number) => Ok(number),
            _ => Err(WireError::Mismatch { field, expected: "a number" }),
        }
    }

    /// The bytes, or an error naming `field`.
    #[inline]
    pub(crate) fn bytes(self, field: u32) -> Result<&'a [u8], WireError> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(WireError::Mismatch { field, expected: "bytes" }),
        }
    }
}

/// A message being written.
#[derive(Debug, Default)]
pub(crate) struct Message {
    pub(crate) bytes: Vec<u8>,
}

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// A number; zero, the default, is not written.
    pub(crate) fn number(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.varint(u64::from(field) << 3);
            self.varint(value);
        }
    }

    /// Bytes, a string or a nested message.
    pub(crate) fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    /// A repeated number: packed from three elements on, as the reference writes it.
    pub(crate) fn repeated(&mut self, field: u32, values: impl ExactSizeIterator<Item = u64>, scratch: &mut Self) {
        if values.len() > 2 {
            scratch.bytes.clear();
            values.for_each(|value| scratch.varint(value));
            self.bytes(field, &scratch.bytes);
        } else {
            for value in values {
                self.varint(u64::from(field) << 3);
                self.varint(value);
            }
        }
    }

    /// Empties the message but keeps its memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_are_read_alike_at_the_end_and_before_it() {
        for bits in 0..64 {
            for value in [1_u64 << bits, (1 << bits) - 1, u64::MAX >> bits] {
                let mut message = Message::default();
                message.varint(value);
                let length = message.bytes.len();
                for padding in [0, 1, 7, 8, 12] {
                    message.bytes.resize(length + padding, 0xff);
                    let mut at = 0;
                    assert_eq!(varint(&message.bytes, &mut at), Ok(value));
                    assert_eq!(at, length);
                    message.bytes.truncate(length);
                }
                let mut at = 0;
                assert_eq!(varint(&message.bytes[..length - 1], &mut at), Err(WireError::Varint { at: 0 }));
            }
        }
    }

    #[test]
    fn reads_what_it_writes_and_names_the_place_of_damage() {
        let mut message = Message::default();
        message.number(1, 300);
        message.bytes(6, b"main");
        message.repeated(2, [1_u64, 2, u64::MAX].into_iter(), &mut Message::default());
        let mut fields = Fields::new(&message.bytes);
        assert!(matches!(fields.next(), Ok(Some((1, Value::Number(300))))));
        assert!(matches!(fields.next(), Ok(Some((6, Value::Bytes(b"main"))))));
        let (field, value) = fields.next().unwrap().unwrap();
        let mut found = Vec::new();
        numbers(field, value, |number| found.push(number)).unwrap();
        assert_eq!(found, [1, 2, u64::MAX]);
        let mut cut = Fields::new(&message.bytes[..message.bytes.len() - 1]);
        cut.next().unwrap();
        cut.next().unwrap();
        assert!(matches!(cut.next(), Err(WireError::Short { .. })));
    }
}
