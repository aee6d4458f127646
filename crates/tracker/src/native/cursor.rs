//! Reads unwind tables where they are mapped, never past the end it was given.

/// A place in mapped memory.
#[derive(Clone, Copy)]
pub(super) struct Cursor {
    pub(super) at: usize,
    pub(super) end: usize,
}

/// How a pointer is written (`DW_EH_PE_…`).
const OMITTED: u8 = 0xFF;

impl Cursor {
    /// `bytes` more bytes of the memory, if they are there.
    fn take<T: Copy>(&mut self) -> Option<T> {
        let next = self.at.checked_add(size_of::<T>()).filter(|&next| next <= self.end)?;
        // SAFETY: whoever made the cursor answers for the range; any bytes are a value of the integers used here.
        let value = unsafe { (self.at as *const T).read_unaligned() };
        self.at = next;
        Some(value)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take()
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.take()
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take()
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.take()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.end
    }

    /// The next `bytes` bytes as a cursor of their own.
    pub(super) fn part(&mut self, bytes: usize) -> Option<Self> {
        let end = self.at.checked_add(bytes).filter(|&end| end <= self.end)?;
        let part = Self { at: self.at, end };
        self.at = end;
        Some(part)
    }

    /// LEB128, unsigned.
    pub(super) fn unsigned(&mut self) -> Option<u64> {
        let (mut value, mut shift) = (0_u64, 0_u32);
        loop {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7F).checked_shl(shift).unwrap_or(0);
            shift += 7;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
    }

    /// LEB128, signed.
    pub(super) fn signed(&mut self) -> Option<i64> {
        let (mut value, mut shift) = (0_i64, 0_u32);
        loop {
            let byte = self.u8()?;
            value |= i64::from(byte & 0x7F).checked_shl(shift).unwrap_or(0);
            shift += 7;
            if byte & 0x80 == 0 {
                let sign = byte & 0x40 != 0 && shift < 64;
                return Some(if sign { value | -1_i64 << shift } else { value });
            }
        }
    }

    /// A pointer in one of the encodings that occur; `data` is what data-relative ones count from.
    pub(super) fn pointer(&mut self, encoding: u8, data: usize) -> Option<usize> {
        if encoding == OMITTED {
            return None;
        }
        let here = self.at;
        let value = match encoding & 0x0F {
            0x00 | 0x04 | 0x0C => self.u64()? as usize,
            0x01 => self.unsigned()? as usize,
            0x02 => usize::from(self.u16()?),
            0x03 => self.u32()? as usize,
            0x09 => self.signed()? as usize,
            0x0A => self.u16()? as i16 as usize,
            0x0B => self.u32()? as i32 as usize,
            _ => return None,
        };
        if value == 0 {
            return Some(0);
        }
        let value = match encoding & 0x70 {
            0x00 => value,
            0x10 => here.wrapping_add(value),
            0x30 => data.wrapping_add(value),
            _ => return None,
        };
        // Indirect pointers name personality routines only.
        (encoding & 0x80 == 0).then_some(value)
    }
}

#[cfg(test)]
impl Cursor {
    /// Over bytes of a test.
    pub(super) fn over(bytes: &[u8]) -> Self {
        let at = bytes.as_ptr() as usize;
        Self { at, end: at + bytes.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::Cursor;

    #[test]
    fn numbers_of_any_length_end_where_the_bytes_end() {
        assert_eq!(Cursor::over(&[0xE5, 0x8E, 0x26]).unsigned(), Some(624_485));
        assert_eq!(Cursor::over(&[0x9B, 0xF1, 0x59]).signed(), Some(-624_485));
        assert_eq!(Cursor::over(&[0x7F]).signed(), Some(-1));
        assert_eq!(Cursor::over(&[0x80, 0x80]).unsigned(), None);
        assert_eq!(Cursor::over(&[1, 0, 0]).u32(), None);
        let eleven = [0xFF; 11];
        assert_eq!(Cursor::over(&eleven).unsigned(), None);
    }

    #[test]
    fn pointers_count_from_where_their_encoding_says() {
        let bytes = 16_u32.to_le_bytes();
        let cursor = Cursor::over(&bytes);
        assert_eq!(cursor.clone().pointer(0x1B, 0), Some(cursor.at + 16));
        assert_eq!(cursor.clone().pointer(0x3B, 1000), Some(1016));
        assert_eq!(cursor.clone().pointer(0x03, 0), Some(16));
        assert_eq!(cursor.clone().pointer(0xFF, 0), None);
    }
}
