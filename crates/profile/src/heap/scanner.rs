//! JSON read in one pass from a stream: integers at the speed of the bytes, everything else plainly.

use std::io::{Read, Write};

const BUFFER: usize = 1 << 18;
/// By the number of zeros.
const POWERS_OF_TEN: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// Why the scanner stopped.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    /// The bytes ended.
    #[error("end of data at byte {0}")]
    End(u64),
    /// The bytes are not what was expected.
    #[error("expected {expected}, found {found} at byte {offset}")]
    Unexpected { expected: &'static str, found: String, offset: u64 },
    /// The reader failed.
    #[error("read failed at byte {offset}: {source}")]
    Read { offset: u64, source: std::io::Error },
    /// The writer of a copy failed.
    #[error("failed to write the copy: {0}")]
    Write(std::io::Error),
    /// A limit of the model was reached.
    #[error("{what} at byte {offset}")]
    Limit { what: &'static str, offset: u64 },
}

/// A window over the stream.
pub(super) struct Scanner<'a> {
    reader: &'a mut dyn Read,
    buffer: Vec<u8>,
    position: usize,
    end: usize,
    base: u64,
    copy: Option<&'a mut dyn Write>,
    /// How much of the window lies in the copy.
    copied: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(reader: &'a mut dyn Read) -> Self {
        Self { reader, buffer: vec![0; BUFFER], position: 0, end: 0, base: 0, copy: None, copied: 0 }
    }

    /// A scanner that writes all it reads past to `copy`, as it is.
    pub(super) fn copying(reader: &'a mut dyn Read, copy: &'a mut dyn Write) -> Self {
        Self { copy: Some(copy), ..Self::new(reader) }
    }

    /// Brings the copy up to the present position and ends it; answers its writer, once.
    pub(super) fn end_copy(&mut self) -> Result<Option<&'a mut dyn Write>, Stop> {
        self.copy_until(self.position)?;
        Ok(self.copy.take())
    }

    fn copy_until(&mut self, end: usize) -> Result<(), Stop> {
        if let Some(copy) = &mut self.copy {
            copy.write_all(&self.buffer[self.copied..end]).map_err(Stop::Write)?;
            self.copied = end;
        }
        Ok(())
    }

    /// Bytes read so far.
    pub(super) fn offset(&self) -> u64 {
        self.base + self.position as u64
    }

    pub(super) fn unexpected(&self, expected: &'static str, found: Option<u8>) -> Stop {
        let found = match found {
            Some(byte) if byte.is_ascii_graphic() => format!("`{}`", byte as char),
            Some(byte) => format!("byte {byte:#04x}"),
            None => "end of data".to_owned(),
        };
        Stop::Unexpected { expected, found, offset: self.offset() }
    }

    fn refill(&mut self) -> Result<bool, Stop> {
        self.copy_until(self.end)?;
        self.base += self.end as u64;
        self.position = 0;
        self.end = 0;
        self.copied = 0;
        loop {
            match self.reader.read(&mut self.buffer) {
                Ok(read) => {
                    self.end = read;
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                // A compressed stream that was cut: what came before it is whole.
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
                Err(source) => return Err(Stop::Read { offset: self.base, source }),
            }
        }
    }

    /// The next byte, not consumed.
    fn peek_raw(&mut self) -> Result<u8, Stop> {
        if self.position == self.end && !self.refill()? {
            return Err(Stop::End(self.offset()));
        }
        Ok(self.buffer[self.position])
    }

    /// The next byte that is no white space, not consumed.
    pub(super) fn peek(&mut self) -> Result<u8, Stop> {
        loop {
            let byte = self.peek_raw()?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Ok(byte);
            }
            self.position += 1;
        }
    }

    pub(super) fn expect(&mut self, wanted: u8, expected: &'static str) -> Result<(), Stop> {
        let found = self.peek()?;
        if found != wanted {
            return Err(self.unexpected(expected, Some(found)));
        }
        self.position += 1;
        Ok(())
    }

    /// Consumes `byte` if it is next.
    pub(super) fn take(&mut self, byte: u8) -> Result<bool, Stop> {
        let found = self.peek()? == byte;
        self.position += usize::from(found);
        Ok(found)
    }

    /// Reads `[1,2,3]` and hands each integer to `sink`, which answers `false` to stop at a limit.
    pub(super) fn integers(&mut self, mut sink: impl FnMut(u64) -> bool) -> Result<(), Stop> {
        self.expect(b'[', "`[`")?;
        if self.take(b']')? {
            return Ok(());
        }
        loop {
            if !self.integers_in_window(&mut sink) {
                return Err(self.too_many());
            }
            let mut value = self.peek()?.wrapping_sub(b'0');
            if value > 9 {
                return Err(self.unexpected("an unsigned integer", Some(value.wrapping_add(b'0'))));
            }
            let mut number = 0_u64;
            // One turn for each window; numbers may lie across two.
            'number: loop {
                let window = &self.buffer[self.position..self.end];
                for (index, &byte) in window.iter().enumerate() {
                    value = byte.wrapping_sub(b'0');
                    if value > 9 {
                        self.position += index;
                        break 'number;
                    }
                    number = number.wrapping_mul(10).wrapping_add(u64::from(value));
                }
                self.position = self.end;
                if !self.refill()? {
                    return Err(Stop::End(self.offset()));
                }
            }
            // A number is given away only once what follows shows that it is whole.
            let next = self.peek()?;
            if next != b',' && next != b']' {
                return Err(self.unexpected("`,` or `]` after an integer", Some(next)));
            }
            self.position += 1;
            if !sink(number) {
                return Err(self.too_many());
            }
            if next == b']' {
                return Ok(());
            }
        }
    }

    fn too_many(&self) -> Stop {
        Stop::Limit { what: "more than 4,294,967,295 edges or strings", offset: self.offset() }
    }

    /// Takes integers of up to fifteen digits that lie in the window with the comma behind them, eight bytes at a time;
    /// stops before anything else, which the caller reads byte by byte. `false` when `sink` said so.
    fn integers_in_window(&mut self, sink: &mut impl FnMut(u64) -> bool) -> bool {
        let window = &self.buffer[self.position..self.end];
        let mut at = 0;
        while let Some(bytes) = window.get(at..).and_then(<[u8]>::first_chunk::<18>) {
            let word = |from: usize| bytes[from..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
            let (mut number, mut digits) = leading_integer(word(0));
            if digits == 8 {
                let (rest, more) = leading_integer(word(8));
                number = number * POWERS_OF_TEN[more] + rest;
                digits += more;
            }
            // V8 puts a row on a line, with its comma on the next one.
            let line_end = usize::from(bytes.get(digits) == Some(&b'\n'));
            if digits == 0 || digits == 16 || bytes.get(digits + line_end) != Some(&b',') {
                break;
            }
            at += digits + line_end + 1;
            if !sink(number) {
                self.position += at;
                return false;
            }
        }
        self.position += at;
        true
    }

    /// Reads an integer.
    pub(super) fn integer(&mut self) -> Result<u64, Stop> {
        let first = self.peek()?;
        if !first.is_ascii_digit() {
            return Err(self.unexpected("an unsigned integer", Some(first)));
        }
        let mut number = 0_u64;
        loop {
            let digit = self.peek_raw()?.wrapping_sub(b'0');
            if digit > 9 {
                return Ok(number);
            }
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
            self.position += 1;
        }
    }

    /// Reads a string into `text`, which is cleared first.
    pub(super) fn string(&mut self, text: &mut String) -> Result<(), Stop> {
        self.expect(b'"', "a string")?;
        text.clear();
        let mut raw: Vec<u8> = std::mem::take(text).into_bytes();
        loop {
            let window = &self.buffer[self.position..self.end];
            let stop = window.iter().position(|&byte| byte == b'"' || byte == b'\\');
            raw.extend_from_slice(&window[..stop.unwrap_or(window.len())]);
            let Some(stop) = stop else {
                self.position = self.end;
                if !self.refill()? {
                    return Err(Stop::End(self.offset()));
                }
                continue;
            };
            self.position += stop + 1;
            if self.buffer[self.position - 1] == b'"' {
                break;
            }
            self.escape(&mut raw)?;
        }
        *text = match String::from_utf8(raw) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        };
        Ok(())
    }

    fn escape(&mut self, raw: &mut Vec<u8>) -> Result<(), Stop> {
        let byte = self.peek_raw()?;
        self.position += 1;
        let plain = match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let mut code = self.hex()?;
                // Pairs of surrogates make one character; a half one becomes U+FFFD.
                while (0xD800..0xDC00).contains(&code) {
                    if self.peek_raw()? != b'\\' {
                        break;
                    }
                    self.position += 1;
                    if self.peek_raw()? != b'u' {
                        push_char(raw, 0xFFFD);
                        return self.escape(raw);
                    }
                    self.position += 1;
                    let low = self.hex()?;
                    if (0xDC00..0xE000).contains(&low) {
                        code = 0x1_0000 + ((code - 0xD800) << 10) + (low - 0xDC00);
                    } else {
                        push_char(raw, 0xFFFD);
                        code = low;
                    }
                }
                push_char(raw, code);
                return Ok(());
            }
            _ => return Err(self.unexpected("an escape sequence", Some(byte))),
        };
        raw.push(plain);
        Ok(())
    }

    fn hex(&mut self) -> Result<u32, Stop> {
        let mut code = 0;
        for _ in 0..4 {
            let byte = self.peek_raw()?;
            let Some(digit) = (byte as char).to_digit(16) else {
                return Err(self.unexpected("a hexadecimal digit", Some(byte)));
            };
            code = code * 16 + digit;
            self.position += 1;
        }
        Ok(code)
    }

    /// Copies the next value, at most `limit` bytes of it, to `raw`.
    pub(super) fn value(&mut self, raw: &mut Vec<u8>, limit: usize) -> Result<(), Stop> {
        self.walk_value(|byte| {
            raw.push(byte);
            raw.len() <= limit
        })
    }

    /// Reads past the next value.
    pub(super) fn skip(&mut self) -> Result<(), Stop> {
        self.walk_value(|_| true)
    }

    /// Reads past the next value, which has no strings in it.
    pub(super) fn skip_numbers(&mut self) -> Result<(), Stop> {
        let mut has_strings = false;
        let walked = self.walk_value(|byte| {
            has_strings = byte == b'"';
            !has_strings
        });
        if has_strings { Err(self.unexpected("numbers alone in a section", Some(b'"'))) } else { walked }
    }

    fn walk_value(&mut self, mut sink: impl FnMut(u8) -> bool) -> Result<(), Stop> {
        let (mut depth, mut in_string, mut escaped) = (0_u32, false, false);
        let mut byte = self.peek()?;
        if matches!(byte, b',' | b']' | b'}' | b':') {
            return Err(self.unexpected("a value", Some(byte)));
        }
        loop {
            if !in_string && depth == 0 && matches!(byte, b',' | b']' | b'}') {
                return Ok(());
            }
            self.position += 1;
            if !sink(byte) {
                return Err(Stop::Limit { what: "a header of more than 16 MiB", offset: self.offset() });
            }
            if in_string {
                in_string = escaped || byte != b'"';
                escaped = !escaped && byte == b'\\';
            } else {
                match byte {
                    b'"' => in_string = true,
                    b'[' | b'{' => depth += 1,
                    b']' | b'}' => depth -= 1,
                    _ => {}
                }
            }
            if depth == 0 && !in_string && matches!(byte, b']' | b'}' | b'"') {
                return Ok(());
            }
            byte = self.peek_raw()?;
        }
    }
}

/// The decimal number that the bytes of `word` (first byte lowest) begin with, and its number of digits, 0 to 8. Digits
/// are told and joined all at once, after Daniel Lemire, "Quickly parsing eight digits" (2018).
fn leading_integer(word: u64) -> (u64, usize) {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let values = word ^ (EACH * u64::from(b'0'));
    let others = (((values & (EACH * 0x7F)) + EACH * 0x76) | values) & (EACH * 0x80);
    let digits = others.trailing_zeros() as usize / 8;
    if digits == 0 {
        return (0, 0);
    }
    let padded = values << (64 - digits * 8);
    let pairs = (padded.wrapping_mul(10 << 8 | 1) >> 8) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs.wrapping_mul(100 << 16 | 1) >> 16) & 0x0000_FFFF_0000_FFFF;
    (fours.wrapping_mul(10_000 << 32 | 1) >> 32, digits)
}

fn push_char(raw: &mut Vec<u8>, code: u32) {
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    raw.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time, so that every token lies across windows.
    struct Dribble<'a>(&'a [u8]);

    impl Read for Dribble<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(&mut buffer[..1])
        }
    }

    #[test]
    fn reads_integers_across_windows() {
        let mut source = Dribble(b" [ 12,0 ,\n345]");
        let mut values = Vec::new();
        Scanner::new(&mut source)
            .integers(|value| {
                values.push(value);
                true
            })
            .unwrap();
        assert_eq!(values, [12, 0, 345]);
    }

    #[test]
    fn reads_integers_of_any_length() {
        let values: Vec<u64> = (0..18).map(|digits| 1_234_567_890_123_456_789 / 10_u64.pow(18 - digits)).collect();
        let text = values.iter().map(u64::to_string).collect::<Vec<_>>();
        for separator in [",", "\n,", ",\n", " , "] {
            let source = format!("[{}]", text.join(separator));
            let mut found = Vec::new();
            Scanner::new(&mut source.as_bytes())
                .integers(|value| {
                    found.push(value);
                    true
                })
                .unwrap();
            assert_eq!(found, values, "{separator:?}");
        }
        for (word, wanted) in
            [(b"12,34567", (12, 2)), (b"99999999", (99_999_999, 8)), (b"/1111111", (0, 0)), (b"7\xB9111111", (7, 1))]
        {
            assert_eq!(leading_integer(u64::from_le_bytes(*word)), wanted);
        }
    }

    #[test]
    fn gives_no_number_that_may_be_cut() {
        let mut values = Vec::new();
        let mut source: &[u8] = b"[12,34";
        let stop = Scanner::new(&mut source)
            .integers(|value| {
                values.push(value);
                true
            })
            .unwrap_err();
        assert_eq!((values, stop.to_string().as_str()), (vec![12], "end of data at byte 6"));
    }

    #[test]
    fn decodes_escapes_and_half_pairs() {
        for (source, wanted) in [
            (r#""a\n\u00e9\"\/""#, "a\né\"/"),
            (r#""\ud83d\ude00""#, "😀"),
            (r#""\ud83dx\ude00""#, "\u{FFFD}x\u{FFFD}"),
            (r#""\ud83d\n""#, "\u{FFFD}\n"),
        ] {
            let mut text = "old".to_owned();
            Scanner::new(&mut Dribble(source.as_bytes())).string(&mut text).unwrap();
            assert_eq!(text, wanted);
        }
    }

    #[test]
    fn skips_any_value() {
        for source in [r#"{"a":["]",{"b":"\"}"}]},"#, r#""x\\","#, "12.5e3,", "null,", "[[],{}],"] {
            let mut bytes = source.as_bytes();
            let mut scanner = Scanner::new(&mut bytes);
            scanner.skip().unwrap();
            assert_eq!(scanner.peek().unwrap(), b',', "{source}");
        }
    }
}
