//! Source maps, revision 3 (<https://tc39.es/ecma426/>): from a place in generated code to the place in its source.
//!
//! Read: `mappings`, `sources`, `sourceRoot`, `names`, and `sections` of index maps. Not read: `sourcesContent`, scopes.

use serde_json::Value;

/// Why a text is no source map.
#[derive(Debug, thiserror::Error)]
pub enum SourceMapError {
    /// The text is no JSON, or lacks what every map has.
    #[error("expected a source map, found {found}")]
    NotAMap {
        /// What was found.
        found: String,
    },
    /// `mappings` holds something that is no base64 VLQ.
    #[error("expected base64 VLQ digits in `mappings`, found {found:?} at position {at}")]
    Mappings {
        /// The character.
        found: char,
        /// Where.
        at: usize,
    },
}

/// A decoded map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceMap {
    sources: Vec<String>,
    names: Vec<String>,
    /// Sorted by generated line and column.
    segments: Vec<Segment>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    generated: (u32, u32),
    source: Option<(u32, u32, u32)>,
    name: Option<u32>,
}

/// A place in a source; line and column start at 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Original<'a> {
    /// Path or URL as the map has it, `sourceRoot` included.
    pub source: &'a str,
    /// Line, from 0.
    pub line: u32,
    /// Column, from 0.
    pub column: u32,
}

impl SourceMap {
    /// Reads a map; the guard `)]}'` that some servers put before it is passed over.
    pub fn parse(text: &str) -> Result<Self, SourceMapError> {
        let text = text.strip_prefix(")]}'").map_or(text, |rest| rest.split_once('\n').map_or("", |(_, rest)| rest));
        let value: Value = serde_json::from_str(text)
            .map_err(|error| SourceMapError::NotAMap { found: format!("no JSON: {error}") })?;
        let mut map = Self::default();
        if let Some(sections) = value["sections"].as_array() {
            for section in sections {
                let offset = &section["offset"];
                let number = |key: &str| offset[key].as_u64().unwrap_or(0) as u32;
                map.add(&section["map"], (number("line"), number("column")))?;
            }
        } else {
            map.add(&value, (0, 0))?;
        }
        map.segments.sort_by_key(|segment| segment.generated);
        Ok(map)
    }

    /// The source of the generated place (line and column from 0): that of the last segment of its line that starts at
    /// or before it.
    pub fn original(&self, line: u32, column: u32) -> Option<Original<'_>> {
        let (source, line, column) = self.segment(line, column)?.source?;
        Some(Original { source: self.sources.get(source as usize)?, line, column })
    }

    /// The source's name of the identifier `generated` that ends at or starts at the generated place: engines tell the
    /// place of a function by its parameters or by its name.
    pub fn name(&self, line: u32, column: u32, generated: &str) -> Option<&str> {
        let length = generated.encode_utf16().count() as u32;
        let starts = [column.checked_sub(length), Some(column)];
        let segment = starts.into_iter().flatten().find_map(|start| {
            self.segment(line, start).filter(|segment| segment.generated == (line, start) && segment.name.is_some())
        })?;
        self.names.get(segment.name? as usize).map(String::as_str)
    }

    fn segment(&self, line: u32, column: u32) -> Option<&Segment> {
        let after = self.segments.partition_point(|segment| segment.generated <= (line, column));
        self.segments[..after].last().filter(|segment| segment.generated.0 == line)
    }

    fn add(&mut self, value: &Value, offset: (u32, u32)) -> Result<(), SourceMapError> {
        let Some(mappings) = value["mappings"].as_str() else {
            return Err(SourceMapError::NotAMap { found: "no `mappings`".to_owned() });
        };
        let (first_source, first_name) = (self.sources.len() as i64, self.names.len() as i64);
        let root = value["sourceRoot"].as_str().filter(|root| !root.is_empty());
        for source in value["sources"].as_array().into_iter().flatten() {
            let source = source.as_str().unwrap_or_default();
            self.sources.push(match root {
                Some(root) => format!("{}/{source}", root.trim_end_matches('/')),
                None => source.to_owned(),
            });
        }
        let names = value["names"].as_array().into_iter().flatten();
        self.names.extend(names.map(|name| name.as_str().unwrap_or_default().to_owned()));
        let (mut generated, mut state) = ((offset.0, i64::from(offset.1)), [first_source, 0, 0, first_name]);
        let (mut fields, mut count) = ([0_i64; 5], 0);
        let (mut value, mut shift) = (0_i64, 0_u32);
        let mut finish = |generated: &mut (u32, i64), fields: &[i64; 5], count: usize| {
            if count == 0 {
                return;
            }
            generated.1 += fields[0];
            let source = (count >= 4).then(|| {
                for (slot, delta) in state.iter_mut().zip(&fields[1..4]) {
                    *slot += delta;
                }
                (state[0] as u32, state[1] as u32, state[2] as u32)
            });
            let name = (count >= 5).then(|| {
                state[3] += fields[4];
                state[3] as u32
            });
            self.segments.push(Segment { generated: (generated.0, generated.1 as u32), source, name });
        };
        for (at, character) in mappings.char_indices() {
            match character {
                ';' | ',' => {
                    finish(&mut generated, &fields, count);
                    count = 0;
                    if character == ';' {
                        generated = (generated.0.saturating_add(1), 0);
                    }
                }
                _ => {
                    let digit = digit(character).ok_or(SourceMapError::Mappings { found: character, at })?;
                    // More than 32 bits is no position; further digits change nothing.
                    if shift < 40 {
                        value |= i64::from(digit & 31) << shift;
                    }
                    shift += 5;
                    if digit & 32 == 0 {
                        if count < 5 {
                            fields[count] = if value & 1 == 1 { -(value >> 1) } else { value >> 1 };
                        }
                        count = (count + 1).min(5);
                        (value, shift) = (0, 0);
                    }
                }
            }
        }
        finish(&mut generated, &fields, count);
        Ok(())
    }
}

/// The comment at the end of generated code that names its map: the last `//# sourceMappingURL=…` of the text.
pub fn mapping_url(code: &str) -> Option<&str> {
    let at = ["//# sourceMappingURL=", "//@ sourceMappingURL=", "/*# sourceMappingURL="]
        .into_iter()
        .filter_map(|comment| code.rfind(comment).map(|at| at + comment.len()))
        .max()?;
    code[at..].split([' ', '\n', '\r', '\t', '*']).next().filter(|url| !url.is_empty())
}

/// The content of a `data:` address in base64 or percent encoding.
pub fn data_url(url: &str) -> Option<String> {
    let (head, body) = url.strip_prefix("data:")?.split_once(',')?;
    let bytes = if head.ends_with(";base64") { base64(body)? } else { percent(body)? };
    String::from_utf8(bytes).ok()
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for character in text.chars().filter(|character| *character != '=') {
        bits = (bits << 6) | u32::from(digit(character)?);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

fn percent(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let code = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(code, 16).ok()?);
        rest = &rest[2..];
    }
    Some(bytes)
}

fn digit(character: char) -> Option<u8> {
    let value = match character {
        'A'..='Z' => character as u32 - 'A' as u32,
        'a'..='z' => character as u32 - 'a' as u32 + 26,
        '0'..='9' => character as u32 - '0' as u32 + 52,
        '+' | '-' => 62,
        '/' | '_' => 63,
        _ => return None,
    };
    Some(value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    // `function add(first,second){…}` minified to `function a(b,c){…}`: columns 9, 11 and 13 carry names.
    const MAP: &str = r#"{"version":3,"sourceRoot":"src","sources":["x.ts"],"names":["add","first","second"],
"mappings":"AAAA,SAASA,EAAIC,EAAMC;;AAEA"}"#;

    #[test]
    fn finds_places_and_names() {
        let map = SourceMap::parse(MAP).unwrap();
        assert_eq!(map.original(0, 10), Some(Original { source: "src/x.ts", line: 0, column: 9 }));
        assert_eq!(map.name(0, 10, "a"), Some("add"));
        assert_eq!(map.name(0, 10, "abc"), None);
        assert_eq!(map.name(0, 9, "a"), Some("add"));
        assert_eq!(map.name(0, 11, "bb"), Some("add"));
        assert_eq!(map.original(1, 0), None);
        assert_eq!(map.original(2, 7), Some(Original { source: "src/x.ts", line: 2, column: 19 }));
    }

    #[test]
    fn joins_sections() {
        let text = format!(
            r#"{{"version":3,"sections":[{{"offset":{{"line":0,"column":0}},"map":{MAP}}},{{"offset":{{"line":5,"column":2}},"map":{MAP}}}]}}"#
        );
        let map = SourceMap::parse(&text).unwrap();
        assert_eq!(map.original(5, 11).unwrap().column, 9);
        assert_eq!(map.name(5, 11, "a"), Some("add"));
    }

    #[test]
    fn finds_the_last_comment_and_decodes_data() {
        let code =
            "x\n//# sourceMappingURL=old.map\ny\n//# sourceMappingURL=data:application/json;base64,eyJhIjoxfQ==\n";
        assert_eq!(data_url(mapping_url(code).unwrap()).unwrap(), r#"{"a":1}"#);
        assert_eq!(data_url("data:application/json,%7B%22a%22%3A1%7D").unwrap(), r#"{"a":1}"#);
        assert_eq!(mapping_url("no comment"), None);
    }

    #[test]
    fn refuses_what_is_no_map() {
        for text in ["", "[]", "{}", r#"{"mappings":"A!"}"#, r#"{"sections":[{}]}"#] {
            assert!(SourceMap::parse(text).is_err(), "{text}");
        }
        let far = SourceMap::parse(r#"{"mappings":"ggggggggggggggggE,A;A"}"#).unwrap();
        assert_eq!(far.original(0, 0), None);
    }
}
