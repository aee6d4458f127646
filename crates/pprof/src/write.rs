//! A [`View`] back into profile.proto.

use std::io::{self, Write};

use flate2::{Compression, write::GzEncoder};

use crate::model::{Text, View};
use crate::wire::Message;

/// Bytes collected before they are compressed.
const CHUNK: usize = 1 << 16;

/// Fields on their way into the output.
struct Out<'w> {
    to: &'w mut dyn Write,
    pending: Message,
}

impl Out<'_> {
    fn message(&mut self, field: u32, message: &Message) -> io::Result<()> {
        self.pending.bytes(field, &message.bytes);
        if self.pending.bytes.len() >= CHUNK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.write_all(&self.pending.bytes)?;
        self.pending.clear();
        Ok(())
    }
}

impl View<'_> {
    /// Writes the profile compressed, at the fastest level.
    pub fn write_gzip(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut encoder = GzEncoder::new(out, Compression::fast());
        self.write(&mut encoder)?;
        encoder.finish()?;
        Ok(())
    }

    /// Writes the profile as profile.proto. Tables keep their order and numbers; strings keep their place, with those
    /// of the header added behind.
    pub fn write(&self, to: &mut dyn Write) -> io::Result<()> {
        let mut texts = self.texts.clone();
        let mut out = Out { to, pending: Message::default() };
        let (mut inner, mut nested, mut scratch) = (Message::default(), Message::default(), Message::default());
        let id = |text: Text| u64::from(text.0);
        for kind in &self.sample_types {
            inner.clear();
            inner.number(1, id(texts.intern(&kind.name)));
            inner.number(2, id(texts.intern(&kind.unit)));
            out.message(1, &inner)?;
        }
        let mut result = Ok(());
        self.samples.for_each(|sample| {
            inner.clear();
            let locations = sample.locations.iter().map(|&location| self.locations[location as usize].id);
            inner.repeated(1, locations, &mut scratch);
            inner.repeated(2, sample.values.iter().map(|&value| value as u64), &mut scratch);
            for label in sample.labels {
                nested.clear();
                nested.number(1, id(label.key));
                nested.number(2, id(label.text));
                nested.number(3, label.number as u64);
                nested.number(4, id(label.unit));
                inner.bytes(3, &nested.bytes);
            }
            if result.is_ok() {
                result = out.message(2, &inner);
            }
        });
        result?;
        for mapping in &self.mappings {
            inner.clear();
            for (field, number) in (1..).zip([mapping.id, mapping.start, mapping.limit, mapping.offset]) {
                inner.number(field, number);
            }
            inner.number(5, id(texts.intern(&mapping.file)));
            inner.number(6, id(texts.intern(&mapping.build_id)));
            for (field, has) in (7..).zip(mapping.has) {
                inner.number(field, u64::from(has));
            }
            out.message(3, &inner)?;
        }
        for location in &self.locations {
            inner.clear();
            inner.number(1, location.id);
            inner.number(2, location.mapping.map_or(0, |mapping| self.mappings[mapping as usize].id));
            inner.number(3, location.address);
            for line in &location.lines {
                nested.clear();
                nested.number(1, self.functions[line.function as usize].id);
                nested.number(2, line.line as u64);
                nested.number(3, line.column as u64);
                inner.bytes(4, &nested.bytes);
            }
            inner.number(5, u64::from(location.folded));
            out.message(4, &inner)?;
        }
        for function in &self.functions {
            inner.clear();
            inner.number(1, function.id);
            inner.number(2, id(function.name));
            inner.number(3, id(function.system_name));
            inner.number(4, id(function.file));
            inner.number(5, function.start_line as u64);
            out.message(5, &inner)?;
        }
        let header = [&self.drop_frames, &self.keep_frames].map(|text| id(texts.intern(text)));
        out.pending.number(7, header[0]);
        out.pending.number(8, header[1]);
        out.pending.number(9, self.time_nanos as u64);
        out.pending.number(10, self.duration_nanos as u64);
        inner.clear();
        inner.number(1, id(texts.intern(&self.period_type.name)));
        inner.number(2, id(texts.intern(&self.period_type.unit)));
        if !inner.bytes.is_empty() {
            out.message(11, &inner)?;
        }
        out.pending.number(12, self.period as u64);
        let comments: Vec<u64> = self.comments.iter().map(|comment| id(texts.intern(comment))).collect();
        out.pending.repeated(13, comments.into_iter(), &mut scratch);
        out.pending.number(14, id(texts.intern(&self.default_sample_type)));
        out.pending.number(15, id(texts.intern(&self.doc_url)));
        for index in 0..texts.len() {
            out.pending.bytes(6, texts.get(Text(index as u32)).as_bytes());
            if out.pending.bytes.len() >= CHUNK {
                out.flush()?;
            }
        }
        out.flush()
    }
}
