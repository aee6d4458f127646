//! The protobuf wire format: as much of it as profile.proto uses, <https://protobuf.dev/programming-guides/encoding/>.

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
