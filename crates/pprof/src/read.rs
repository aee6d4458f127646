//! profile.proto into a [`View`].

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::error::ReadError;
use crate::model::{Function, Line, Location, Mapping, Text, Texts, ValueType, View};
use crate::samples::{Encoded, Ids, Samples, Scratch};
use crate::wire::{Fields, WireError, numbers};

/// Tables as the file has them, strings by number.
#[derive(Default)]
struct Raw<'a> {
    sample_types: Vec<[u64; 2]>,
    samples: Vec<(u32, u32)>,
    mappings: Vec<([u64; 6], [bool; 4])>,
    locations: Vec<(Location, u64)>,
    functions: Vec<[u64; 5]>,
    texts: Vec<&'a [u8]>,
    period_type: [u64; 2],
    comments: Vec<u64>,
    /// Fields 7 to 15 that are plain numbers, by field number.
    plain: [u64; 16],
}

impl<'a> View<'a> {
    /// Reads an uncompressed profile.proto message.
    pub fn from_proto(bytes: &'a [u8]) -> Result<Self, ReadError> {
        if bytes.is_empty() {
            return Err(ReadError::Empty);
        }
        let mut raw = Raw::default();
        let mut fields = Fields::new(bytes);
        loop {
            let at = fields.position();
            let wire = |source| ReadError::Wire { at, source };
            let Some((field, value)) = fields.next().map_err(wire)? else { break };
            if field == 9 && raw.plain[9] != 0 {
                return Err(ReadError::Concatenated { at });
            }
            raw.field(fields.position(), field, value)
                .map_err(|source| ReadError::Wire { at: fields.position(), source })?;
        }
        raw.resolve(bytes)
    }
}

impl<'a> Raw<'a> {
    fn field(&mut self, end: usize, field: u32, value: crate::wire::Value<'a>) -> Result<(), WireError> {
        match field {
            1 => self.sample_types.push(plain_numbers(value.bytes(field)?)?),
            2 => {
                let length = value.bytes(field)?.len();
                self.samples.push(((end - length) as u32, length as u32));
            }
            3 => {
                let found: [u64; 10] = plain_numbers(value.bytes(field)?)?;
                let numbers = [found[0], found[1], found[2], found[3], found[4], found[5]];
                self.mappings.push((numbers, [6, 7, 8, 9].map(|flag| found[flag] != 0)));
            }
            4 => self.locations.push(location(value.bytes(field)?)?),
            5 => self.functions.push(plain_numbers(value.bytes(field)?)?),
            6 => self.texts.push(value.bytes(field)?),
            11 => self.period_type = plain_numbers(value.bytes(field)?)?,
            13 => numbers(field, value, |number| self.comments.push(number))?,
            7..=15 => self.plain[field as usize] = value.number(field)?,
            _ => {}
        }
        Ok(())
    }

    fn resolve(self, bytes: &'a [u8]) -> Result<View<'a>, ReadError> {
        if self.texts.first().is_some_and(|first| !first.is_empty()) {
            return malformed("expected an empty first string, found another");
        }
        let (texts, canonical) = texts(&self.texts);
        let count = texts.len() as u64;
        let text = |id: u64| -> Result<Text, ReadError> {
            if id >= count && id != 0 {
                return malformed(format!("expected a string number below {count}, found {id}"));
            }
            Ok(Text(canonical.get(id as usize).copied().unwrap_or(id as u32)))
        };
        let string = |id: u64| -> Result<String, ReadError> { Ok(texts.get(text(id)?).to_owned()) };
        let value_type = |[name, unit]: [u64; 2]| -> Result<ValueType, ReadError> {
            Ok(ValueType { name: string(name)?, unit: string(unit)? })
        };

        let mut mappings = Vec::with_capacity(self.mappings.len());
        for ([id, start, limit, offset, file, build_id], has) in self.mappings {
            mappings.push(Mapping { id, start, limit, offset, file: string(file)?, build_id: string(build_id)?, has });
        }
        let mapping_ids = unique("mapping", mappings.iter().map(|mapping| mapping.id))?;
        let mut functions = Vec::with_capacity(self.functions.len());
        for [id, name, system_name, file, start_line] in self.functions {
            functions.push(Function {
                id,
                name: text(name)?,
                system_name: text(system_name)?,
                file: text(file)?,
                start_line: start_line as i64,
            });
        }
        let function_ids = unique("function", functions.iter().map(|function| function.id))?;
        let mut locations = Vec::with_capacity(self.locations.len());
        for (mut location, mapping) in self.locations {
            location.mapping = mapping_ids.get(mapping);
            for line in &mut location.lines {
                let id = u64::from(line.function);
                let Some(index) = function_ids.get(id) else {
                    return malformed(format!("expected a function for location {}, found number {id}", location.id));
                };
                line.function = index;
            }
            locations.push(location);
        }
        let ids = unique("location", locations.iter().map(|location| location.id))?;
        let encoded = Encoded { bytes, messages: self.samples, ids, canonical: canonical.clone() };
        check_samples(&encoded, self.sample_types.len(), count)?;

        Ok(View {
            sample_types: self.sample_types.into_iter().map(value_type).collect::<Result<_, _>>()?,
            default_sample_type: string(self.plain[14])?,
            samples: Samples::Encoded(encoded),
            mappings,
            locations,
            functions,
            comments: self.comments.into_iter().map(string).collect::<Result<_, _>>()?,
            doc_url: string(self.plain[15])?,
            drop_frames: string(self.plain[7])?,
            keep_frames: string(self.plain[8])?,
            time_nanos: self.plain[9] as i64,
            duration_nanos: self.plain[10] as i64,
            period_type: value_type(self.period_type)?,
            period: self.plain[12] as i64,
            texts,
        })
    }
}

fn malformed<T>(what: impl Into<String>) -> Result<T, ReadError> {
    Err(ReadError::Malformed(what.into()))
}

/// The first N fields of a message, all plain numbers.
fn plain_numbers<const N: usize>(message: &[u8]) -> Result<[u64; N], WireError> {
    let mut found = [0; N];
    let mut fields = Fields::new(message);
    while let Some((field, value)) = fields.next()? {
        if (1..=N as u32).contains(&field) {
            found[field as usize - 1] = value.number(field)?;
        }
    }
    Ok(found)
}

/// A location with the number of its mapping; its lines still hold the numbers of functions.
fn location(message: &[u8]) -> Result<(Location, u64), WireError> {
    let (mut location, mut mapping) = (Location::default(), 0);
    let mut fields = Fields::new(message);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => location.id = value.number(field)?,
            2 => mapping = value.number(field)?,
            3 => location.address = value.number(field)?,
            4 => {
                let [function, line, column] = plain_numbers(value.bytes(field)?)?;
                // Numbers past 32 bits name no function of a file whose offsets fit in 32 bits.
                let function = u32::try_from(function).unwrap_or(0);
                location.lines.push(Line { function, line: line as i64, column: column as i64 });
            }
            5 => location.folded = value.number(field)? != 0,
            _ => {}
        }
    }
    Ok((location, mapping))
}

/// Numbers to indices, after checking that no number is 0 or taken twice.
fn unique(what: &str, ids: impl ExactSizeIterator<Item = u64> + Clone) -> Result<Ids, ReadError> {
    let index = Ids::new(ids.clone());
    if let Ids::Sparse(map) = &index {
        if map.contains_key(&0) {
            return malformed(format!("expected {what} numbers from 1, found 0"));
        }
        if map.len() != ids.len() {
            let mut seen = HashSet::new();
            let twice = ids.into_iter().find(|&id| !seen.insert(id)).unwrap_or(0);
            return malformed(format!("expected each {what} once, found number {twice} twice"));
        }
    }
    Ok(index)
}

/// The string table and, if it holds a string twice, the first id of every string.
fn texts<'a>(raw: &[&'a [u8]]) -> (Texts<'a>, Vec<u32>) {
    let mut first: HashMap<&[u8], u32> = HashMap::with_capacity(raw.len());
    let canonical: Vec<u32> = raw.iter().zip(0..).map(|(&bytes, id)| *first.entry(bytes).or_insert(id)).collect();
    let twice = first.len() != raw.len();
    let mut list: Vec<Cow<'a, str>> = raw.iter().map(|bytes| String::from_utf8_lossy(bytes)).collect();
    if list.is_empty() {
        list.push(Cow::Borrowed(""));
    }
    (Texts::new(list), if twice { canonical } else { Vec::new() })
}

/// Decodes every sample once, so that later passes need not fail.
fn check_samples(encoded: &Encoded<'_>, width: usize, texts: u64) -> Result<(), ReadError> {
    if width == 0 && !encoded.messages.is_empty() {
        return malformed("expected sample types, found samples without them");
    }
    let mut scratch = Scratch::default();
    for &(start, length) in &encoded.messages {
        let message = &encoded.bytes[start as usize..][..length as usize];
        scratch
            .decode::<true>(message, &encoded.ids, &encoded.canonical)
            .map_err(|source| ReadError::Wire { at: start as usize, source })?;
        if let Some(id) = scratch.unknown {
            return malformed(format!("expected a location for the sample at byte {start}, found number {id}"));
        }
        if scratch.values.len() != width {
            let found = scratch.values.len();
            return malformed(format!("expected {width} values in the sample at byte {start}, found {found}"));
        }
        if scratch.largest != 0 && scratch.largest >= texts {
            let id = scratch.largest;
            return malformed(format!("expected a string number below {texts} in labels, found {id}"));
        }
    }
    Ok(())
}

impl<'a> View<'a> {
    /// Reads an inflated profile of any format.
    pub fn read(bytes: &'a [u8]) -> Result<Self, ReadError> {
        let error = match Self::from_proto(bytes) {
            Ok(view) => return Ok(view),
            Err(error @ (ReadError::Empty | ReadError::Concatenated { .. })) => return Err(error),
            Err(error) => error,
        };
        if let Some(view) = crate::legacy::read(bytes)? {
            return Ok(view);
        }
        let start = bytes.trim_ascii_start();
        let is_html = |mark: &&[u8]| start.get(..mark.len()).is_some_and(|found| found.eq_ignore_ascii_case(mark));
        if [b"<!doctype".as_slice(), b"<html"].iter().any(is_html) {
            return Err(ReadError::Html);
        }
        Err(error)
    }
}
