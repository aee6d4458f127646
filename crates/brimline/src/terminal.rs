//! What may go to a terminal: names without control characters, colour only where it is wanted.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

/// `text` on one line without anything a terminal could take for a command: control characters, bidirectional marks
/// and zero-width characters become `�`, tabs become spaces.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| c == '\t' || is_hostile(c)) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => clean.push_str("    "),
            c if is_hostile(c) => clean.push('\u{fffd}'),
            c => clean.push(c),
        }
    }
    Cow::Owned(clean)
}

fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Whether standard output takes colour: a terminal, and `NO_COLOR` unset or empty.
pub(crate) fn wants_colour() -> bool {
    let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !forbidden && std::io::stdout().is_terminal()
}

/// Columns of the terminal on standard output; `None` when it is none.
pub(crate) fn width() -> Option<usize> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
}

/// At most `columns` characters of `text`, the cut shown by `…`.
pub(crate) fn clip(text: &str, columns: usize) -> Cow<'_, str> {
    if text.chars().count() <= columns {
        return Cow::Borrowed(text);
    }
    let mut clipped: String = text.chars().take(columns.saturating_sub(1)).collect();
    clipped.push('…');
    Cow::Owned(clipped)
}

/// Passes JSON on with DEL and the C1 control characters, which JSON allows in strings, written as `\u00XX`: a terminal
/// obeys them. Each piece written must be whole characters, as `write!` does.
pub(crate) struct JsonGuard<'a>(pub(crate) &'a mut dyn Write);

impl Write for JsonGuard<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let mut rest = piece;
        while let Some(at) = find_control(rest) {
            let (length, code) = if rest[at] == 0x7f { (1, 0x7f) } else { (2, rest[at + 1]) };
            self.0.write_all(&rest[..at])?;
            write!(self.0, "\\u{code:04x}")?;
            rest = &rest[at + length..];
        }
        self.0.write_all(rest)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn find_control(text: &[u8]) -> Option<usize> {
    let is_control = |at: &usize| {
        let next = text.get(at + 1).copied().unwrap_or(0);
        text[*at] == 0x7f || (text[*at] == 0xc2 && (0x80..0xa0).contains(&next))
    };
    (0..text.len()).find(is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_escape_reaches_the_terminal() {
        assert_eq!(plain("a\u{1b}]52;c;x\u{7}b"), "a\u{fffd}]52;c;x\u{fffd}b");
        assert_eq!(plain("x\u{202e}y\u{9b}z\n"), "x\u{fffd}y\u{fffd}z\u{fffd}");
        assert_eq!(plain("naïve.py"), "naïve.py");
    }

    #[test]
    fn json_holds_no_control_character() {
        let mut out = Vec::new();
        let value = serde_json::json!("\u{1b}a\u{7f}é\u{9b}");
        write!(JsonGuard(&mut out), "{value}").expect("a Vec takes all");
        assert_eq!(String::from_utf8_lossy(&out), "\"\\u001ba\\u007fé\\u009b\"");
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&out).expect("JSON"), value);
    }

    #[test]
    fn clips_by_characters() {
        assert_eq!(clip("äöü", 3), "äöü");
        assert_eq!(clip("äöüß", 3), "äö…");
    }
}
