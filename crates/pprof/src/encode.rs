//! A pprof file from brimline's own [`Profile`].

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;

use brimline_profile::{CodeAddress, FrameId, LabelSetId, Precision, Profile};
use flate2::{Compression, write::GzEncoder};

use crate::wire::Message;

/// A gzipped profile.proto with the stacks, values and labels of `profile`.
///
/// Every frame becomes a location and every function keeps its file and first line, so `go tool pprof` can list sources.
/// Frames of machine code have an address and a mapping with its build id; the others share mapping 1 and have none. A sampled profile carries its period as `space`/`bytes`.
pub fn encode(profile: &Profile) -> Vec<u8> {
    let mut texts = Texts::default();
    let mut out = Message::default();
    let (mut inner, mut nested, mut scratch) = (Message::default(), Message::default(), Message::default());

    for value_type in &profile.value_types {
        inner.clear();
        inner.number(1, texts.id(&value_type.name));
        inner.number(2, texts.id(&value_type.unit));
        out.bytes(1, &inner.bytes);
    }
    for (sample, values) in profile.samples() {
        inner.clear();
        let locations: Vec<u64> = profile.frames_of(sample.stack).map(|frame| u64::from(frame.0) + 1).collect();
        inner.repeated(1, locations.into_iter(), &mut scratch);
        inner.repeated(2, values.iter().map(|&value| value as u64), &mut scratch);
        if sample.labels != LabelSetId(0) {
            for (key, value) in profile.labels(sample.labels) {
                nested.clear();
                nested.number(1, texts.id(key));
                nested.number(2, texts.id(value));
                inner.bytes(3, &nested.bytes);
            }
        }
        out.bytes(2, &inner.bytes);
    }
    // Tools take the names of functions as final only if a mapping says that symbols are present.
    inner.clear();
    for (field, value) in [(1, 1), (7, 1), (8, 1), (9, 1)] {
        inner.number(field, value);
    }
    out.bytes(3, &inner.bytes);
    let build_ids: Vec<String> = profile.modules.iter().map(|module| hex(&module.build_id)).collect();
    for (index, (module, build_id)) in profile.modules.iter().zip(&build_ids).enumerate() {
        inner.clear();
        for (field, value) in [(1, index as u64 + 2), (2, module.start), (3, module.end)] {
            inner.number(field, value);
        }
        inner.number(5, texts.id(&module.path));
        inner.number(6, texts.id(build_id));
        for field in 7..=10 {
            inner.number(field, 1);
        }
        out.bytes(3, &inner.bytes);
    }
    for (index, frame) in profile.frames.iter().enumerate() {
        nested.clear();
        nested.number(1, u64::from(frame.function.0) + 1);
        nested.number(2, u64::from(frame.line));
        inner.clear();
        inner.number(1, index as u64 + 1);
        match profile.code_address(FrameId(index as u32)) {
            Some(CodeAddress { module, address }) => {
                inner.number(2, u64::from(module) + 2);
                inner.number(3, address);
            }
            None => inner.number(2, 1),
        }
        inner.bytes(4, &nested.bytes);
        out.bytes(4, &inner.bytes);
    }
    for (index, function) in profile.functions.iter().enumerate() {
        let name = texts.id(profile.strings.get(function.name));
        inner.clear();
        inner.number(1, index as u64 + 1);
        inner.number(2, name);
        // No system name: where it equals the name, pprof takes `<module>` for a C++ template and drops it.
        inner.number(4, texts.id(profile.strings.get(function.file)));
        inner.number(5, u64::from(function.start_line));
        out.bytes(5, &inner.bytes);
    }
    if let Precision::Sampled { period } = profile.precision {
        inner.clear();
        inner.number(1, texts.id("space"));
        inner.number(2, texts.id("bytes"));
        out.bytes(11, &inner.bytes);
        out.number(12, period);
    }
    for text in &texts.list {
        out.bytes(6, text.as_bytes());
    }
    gzip(&out.bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Compresses at the fastest level: pprof files are read more often than stored, and most of their size is varints.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::fast());
    // Writing to a Vec cannot fail.
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.unwrap_or_default()
}

/// The string table; entry 0 is the empty string.
#[derive(Debug)]
struct Texts<'a> {
    list: Vec<&'a str>,
    ids: HashMap<&'a str, u64>,
}

impl Default for Texts<'_> {
    fn default() -> Self {
        Self { list: vec![""], ids: HashMap::from([("", 0)]) }
    }
}

impl<'a> Texts<'a> {
    fn id(&mut self, text: &'a str) -> u64 {
        *self.ids.entry(text).or_insert_with(|| {
            self.list.push(text);
            self.list.len() as u64 - 1
        })
    }
}
