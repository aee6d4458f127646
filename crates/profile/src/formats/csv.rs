//! Comma-separated values (RFC 4180): one row per stack, thread and kind, with its innermost frame and all columns.

use std::io::{self, Write};

use super::Encoder;
use crate::Profile;

/// The format's row in [`super::ENCODERS`].
#[derive(Debug)]
pub struct Csv;

impl Encoder for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn about(&self) -> &'static str {
        "one row per stack for spreadsheets"
    }

    fn extension(&self) -> &'static str {
        "csv"
    }

    /// All columns are written; `column` is not used.
    fn encode(&self, profile: &Profile, _column: usize, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "stack,file,line,function,thread,kind")?;
        for column in &profile.value_types {
            write!(out, ",{}", field(&column.name))?;
        }
        out.write_all(b"\r\n")?;
        for (sample, values) in profile.samples() {
            let frame = profile.frames_of(sample.stack).next();
            let (file, line, function) = frame.map_or(("", 0, ""), |frame| {
                let function = profile.function_of(frame);
                let line = profile.frames[frame.0 as usize].line;
                (profile.strings.get(function.file), line, profile.strings.get(function.name))
            });
            let line = if line > 0 { line.to_string() } else { String::new() };
            let label = |key| field(profile.label(sample.labels, key).unwrap_or(""));
            write!(out, "{},{},{line},{}", sample.stack.0, field(file), field(function))?;
            write!(out, ",{},{}", label("thread"), label("kind"))?;
            for value in values {
                write!(out, ",{value}")?;
            }
            out.write_all(b"\r\n")?;
        }
        Ok(())
    }
}

/// `text` as a field: quoted where needed; a leading character that spreadsheets run as a formula gets a `'` before it,
/// control characters that a terminal would obey become `\u{fffd}`.
pub fn field(text: &str) -> String {
    let text = text.replace(|c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r'), "\u{fffd}");
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_and_never_formulas() {
        assert_eq!(field("plain"), "plain");
        assert_eq!(field("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(field("=cmd()"), "'=cmd()");
        assert_eq!(field("a\u{1b}[31m\u{9b}b"), "a\u{fffd}[31m\u{fffd}b");
    }
}
