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
    #[inline]
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
