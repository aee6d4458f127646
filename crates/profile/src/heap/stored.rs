//! Columns of numbers and texts as they are stored: length, bytes in little endian, checksum.
//!
//! A column that was cut or changed is an error, never a wrong number. No length is trusted before the reader's whole
//! size allows it.

use super::IntColumn;
use std::io::{Read, Write};

const BLOCK: usize = 1 << 16;
const PRIME: u64 = 0x9E37_79B9_7F4A_7C15;

/// Why stored columns cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// Lengths or checksums do not fit.
    #[error("expected {expected}, found something else")]
    Damaged {
        /// What should have been there.
        expected: &'static str,
    },
    /// Reading failed, which includes an end too early.
    #[error("failed to read: {0}")]
    Read(#[from] std::io::Error),
}

/// Writes columns one after another.
pub struct ColumnWriter<'a> {
    out: &'a mut dyn Write,
}

/// Reads columns in the order in which they were written.
pub struct ColumnReader<'a> {
    input: &'a mut dyn Read,
    left: u64,
}

/// Tells bytes that changed; no defence against who computes it again.
#[derive(Clone, Copy, Debug)]
pub struct Checksum {
    lanes: [u64; 4],
    length: u64,
}

impl Default for Checksum {
    fn default() -> Self {
        Self { lanes: [1, 2, 3, 4].map(|lane: u64| lane.wrapping_mul(PRIME)), length: 0 }
    }
}

impl Checksum {
    /// Takes the next bytes; only the last call may take a number of them that is no multiple of 32.
    pub fn update(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        let (chunks, rest) = bytes.as_chunks::<32>();
        for chunk in chunks {
            self.mix(chunk);
        }
        if !rest.is_empty() {
            let mut last = [0; 32];
            last[..rest.len()].copy_from_slice(rest);
            self.mix(&last);
        }
    }

    /// The sum over all bytes so far.
    pub fn value(self) -> u64 {
        self.lanes.iter().fold(self.length, |sum, lane| (sum ^ lane).wrapping_mul(PRIME).rotate_left(31))
    }

    fn mix(&mut self, chunk: &[u8; 32]) {
        let (words, _) = chunk.as_chunks::<8>();
        for (lane, word) in self.lanes.iter_mut().zip(words) {
            *lane = (*lane ^ u64::from_le_bytes(*word)).wrapping_mul(PRIME).rotate_left(29);
        }
    }
}

macro_rules! column {
    (write $write:ident, $type:ty) => {
        #[doc = concat!("Writes a column of `", stringify!($type), "`.")]
        pub fn $write(&mut self, values: &[$type]) -> std::io::Result<()> {
            const WIDTH: usize = size_of::<$type>();
            self.out.write_all(&(values.len() as u64).to_le_bytes())?;
            let (mut checksum, mut block) = (Checksum::default(), Vec::with_capacity(BLOCK));
            for part in values.chunks(BLOCK / WIDTH) {
                block.clear();
                block.extend(part.iter().flat_map(|value| value.to_le_bytes()));
                checksum.update(&block);
                self.out.write_all(&block)?;
            }
            self.out.write_all(&checksum.value().to_le_bytes())
        }
    };
    (read $read:ident, $type:ty) => {
        #[doc = concat!("Reads a column of `", stringify!($type), "`.")]
        pub fn $read(&mut self) -> Result<Vec<$type>, StoredError> {
            const WIDTH: usize = size_of::<$type>();
            let length = self.length(WIDTH as u64)?;
            let mut values: Vec<$type> = Vec::with_capacity(length);
            let (mut checksum, mut block) = (Checksum::default(), vec![0; BLOCK]);
            while values.len() < length {
                let part = &mut block[..((length - values.len()) * WIDTH).min(BLOCK)];
                self.input.read_exact(part)?;
                checksum.update(part);
                values.extend(part.as_chunks::<WIDTH>().0.iter().map(|bytes| <$type>::from_le_bytes(*bytes)));
            }
            self.check(checksum)?;
            Ok(values)
        }
    };
}

impl<'a> ColumnWriter<'a> {
    /// Writes to `out`.
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self { out }
    }

    column!(write u8s, u8);
    column!(write u32s, u32);
    column!(write u64s, u64);

    /// Writes a text.
    pub fn text(&mut self, text: &str) -> std::io::Result<()> {
        self.u8s(text.as_bytes())
    }

    /// Writes a list of texts.
    pub fn texts<'t>(&mut self, texts: impl Iterator<Item = &'t str>) -> std::io::Result<()> {
        let (mut all, mut ends) = (String::new(), Vec::new());
        for text in texts {
            all.push_str(text);
            ends.push(all.len() as u64);
        }
        self.text(&all)?;
        self.u64s(&ends)
    }

    /// Writes a column of integers of either width.
    pub fn integers(&mut self, column: &IntColumn) -> std::io::Result<()> {
        match column {
            IntColumn::Narrow(values) => {
                self.u32s(&[32])?;
                self.u32s(values)
            }
            IntColumn::Wide(values) => {
                self.u32s(&[64])?;
                self.u64s(values)
            }
        }
    }
}

impl<'a> ColumnReader<'a> {
    /// Reads from `input`, which holds `size` bytes.
    pub fn new(input: &'a mut dyn Read, size: u64) -> Self {
        Self { input, left: size }
    }

    column!(read u8s, u8);
    column!(read u32s, u32);
    column!(read u64s, u64);

    /// Reads a text.
    pub fn text(&mut self) -> Result<String, StoredError> {
        String::from_utf8(self.u8s()?).map_err(|_| StoredError::Damaged { expected: "a text in UTF-8" })
    }

    /// Reads a list of texts.
    pub fn texts(&mut self) -> Result<Vec<Box<str>>, StoredError> {
        let (all, ends) = (self.text()?, self.u64s()?);
        let mut start = 0;
        ends.into_iter()
            .map(|end| {
                let text = all.get(start..end as usize).ok_or(StoredError::Damaged { expected: "ends of texts" })?;
                start = end as usize;
                Ok(text.into())
            })
            .collect()
    }

    /// Reads a column of integers of either width.
    pub fn integers(&mut self) -> Result<IntColumn, StoredError> {
        match self.u32s()?[..] {
            [32] => Ok(IntColumn::Narrow(self.u32s()?)),
            [64] => Ok(IntColumn::Wide(self.u64s()?)),
            _ => Err(StoredError::Damaged { expected: "the width of a column" }),
        }
    }

    fn length(&mut self, width: u64) -> Result<usize, StoredError> {
        let mut length = [0; 8];
        self.input.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        let needed = length.checked_mul(width).and_then(|bytes| bytes.checked_add(16));
        match needed.and_then(|needed| self.left.checked_sub(needed)) {
            Some(left) => self.left = left,
            None => return Err(StoredError::Damaged { expected: "a column within the file" }),
        }
        Ok(length as usize)
    }

    fn check(&mut self, checksum: Checksum) -> Result<(), StoredError> {
        let mut stored = [0; 8];
        self.input.read_exact(&mut stored)?;
        if u64::from_le_bytes(stored) == checksum.value() {
            Ok(())
        } else {
            Err(StoredError::Damaged { expected: "the checksum of a column" })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = ColumnWriter::new(&mut bytes);
        writer.u32s(&(0..40_000).collect::<Vec<_>>()).unwrap();
        writer.texts(["a", "", "ß"].into_iter()).unwrap();
        writer.integers(&IntColumn::Wide(vec![1 << 40, 7])).unwrap();
        bytes
    }

    type Columns = (Vec<u32>, Vec<Box<str>>, IntColumn);

    fn read(bytes: &[u8]) -> Result<Columns, StoredError> {
        let mut input = bytes;
        let mut reader = ColumnReader::new(&mut input, bytes.len() as u64);
        Ok((reader.u32s()?, reader.texts()?, reader.integers()?))
    }

    #[test]
    fn reads_what_was_written() {
        let (numbers, texts, column) = read(&stored()).unwrap();
        assert_eq!(numbers, (0..40_000).collect::<Vec<_>>());
        assert_eq!(texts.iter().map(|text| &**text).collect::<Vec<_>>(), ["a", "", "ß"]);
        assert_eq!(column, IntColumn::Wide(vec![1 << 40, 7]));
    }

    #[test]
    fn refuses_any_change() {
        let bytes = stored();
        for at in (0..bytes.len()).step_by(997).chain([0, 7, bytes.len() - 1]) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert!(read(&changed).is_err(), "byte {at}");
            assert!(read(&bytes[..at]).is_err(), "cut at {at}");
        }
    }
}
