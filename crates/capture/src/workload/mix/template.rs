//! A path or body in which each request may differ.

use std::fmt;

/// Text with places for a running number, `{n}`, and a random one, `{random:1000}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    Number,
    Random(u64),
}

impl Template {
    /// A template; braces that name no place stay as they are, as JSON needs them.
    pub(crate) fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut plain = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            let (before, from) = rest.split_at(at);
            plain.extend_from_slice(before.as_bytes());
            let place = from.find('}').and_then(|end| Some((place(&from[1..end])?, end + 1)));
            let Some((part, length)) = place else {
                plain.push(b'{');
                rest = &from[1..];
                continue;
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(part);
            rest = &from[length..];
        }
        plain.extend_from_slice(rest.as_bytes());
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Self { parts }
    }

    /// Text without places, whatever braces it has.
    pub(crate) fn literal(text: &[u8]) -> Self {
        Self { parts: vec![Part::Text(text.to_vec())] }
    }

    /// The template of a path, which goes into the first line of a request.
    pub(crate) fn path(text: &str) -> Result<Self, String> {
        if !text.starts_with('/') {
            return Err(format!("`{text}`"));
        }
        if let Some(bad) = text.chars().find(|c| c.is_whitespace() || c.is_control()) {
            return Err(format!("`{}` with {bad:?} in it", text.escape_debug()));
        }
        Ok(Self::parse(text))
    }

    /// Appends the text of request `number`; `random` gives further numbers.
    pub(crate) fn fill(&self, number: u64, random: &mut u64, out: &mut Vec<u8>) {
        use std::io::Write;
        for part in &self.parts {
            // Writing to memory cannot fail.
            let _ = match part {
                Part::Text(text) => out.write_all(text),
                Part::Number => write!(out, "{number}"),
                Part::Random(below) => {
                    *random = splitmix(*random);
                    write!(out, "{}", *random % below)
                }
            };
        }
    }
}

fn place(text: &str) -> Option<Part> {
    match text {
        "n" => Some(Part::Number),
        _ => text.strip_prefix("random:")?.parse().ok().filter(|below| *below > 0).map(Part::Random),
    }
}

/// The next number of a sequence that looks random and is the same each time (Steele, Lea and Flood 2014).
pub(crate) fn splitmix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl fmt::Display for Template {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::Text(text) => formatter.write_str(&String::from_utf8_lossy(text))?,
                Part::Number => formatter.write_str("{n}")?,
                Part::Random(below) => write!(formatter, "{{random:{below}}}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_and_json_is_left_alone() {
        let template = Template::parse(r#"{"id": {n}, "tag": "x{random:10}", "o": {"a": {}}}"#);
        let (mut first, mut again) = (Vec::new(), Vec::new());
        template.fill(7, &mut 1, &mut first);
        template.fill(7, &mut 1, &mut again);
        let text = String::from_utf8(first.clone()).unwrap();
        assert!(text.starts_with(r#"{"id": 7, "tag": "x"#) && text.ends_with(r#"", "o": {"a": {}}}"#), "{text}");
        assert_eq!(first, again);
        assert_eq!(template.to_string(), r#"{"id": {n}, "tag": "x{random:10}", "o": {"a": {}}}"#);
    }

    #[test]
    fn a_path_cannot_break_the_request() {
        for text in ["items", "/a b", "/a\r\nX: y", "", "/a\tb"] {
            assert!(Template::path(text).is_err(), "{text}");
        }
        assert_eq!(Template::path("/a?b={n}").unwrap().to_string(), "/a?b={n}");
    }
}
