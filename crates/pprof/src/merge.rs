//! Sums of samples over several profiles.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};

use hashbrown::DefaultHashBuilder;
use hashbrown::hash_table::{Entry, HashTable};

use crate::model::{Function, Line, Location, Mapping, Text, View};
use crate::samples::{Held, Label, Sample, Samples};

/// Multiplies the values; false if every value that was to change became zero.
pub(crate) fn scaled(values: &[i64], ratios: &[f64], out: &mut Vec<i64>) -> bool {
    let mut keep = ratios.iter().all(|&ratio| ratio == 1.0);
    out.clear();
    for (&value, &ratio) in values.iter().zip(ratios) {
        let value = if ratio == 1.0 { value } else { (value as f64 * ratio).round() as i64 };
        keep |= ratio != 1.0 && value != 0;
        out.push(value);
    }
    keep
}

/// What happens to a profile's samples on their way into the merged one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Change {
    /// Factors of the columns.
    pub(crate) ratios: Option<Vec<f64>>,
    /// Label set on every sample.
    pub(crate) label: Option<(&'static str, &'static str)>,
}

fn is_zero(values: &[i64]) -> bool {
    values.iter().all(|&value| value == 0)
}

/// Sums up profiles with the same columns. Samples keep the order of their first appearance; what no sample uses is
/// left out. What is equal is found by tables of row numbers: maps that keep keys would be several times as large.
#[derive(Debug, Default)]
pub(crate) struct Merger {
    out: View<'static>,
    held: Held,
    has_header: bool,
    mappings: HashMap<MappingKey, u32>,
    functions: HashTable<u32>,
    locations: HashTable<u32>,
    samples: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

/// What makes two mappings the same: size, offset, and build id or file.
type MappingKey = (u64, u64, String);

/// Rows of the merged profile for the rows of one profile, as far as they are known.
struct Rows {
    mappings: Vec<Option<(u32, u64)>>,
    functions: Vec<Option<u32>>,
    locations: Vec<Option<u32>>,
    texts: Vec<Option<Text>>,
}

/// What makes two samples the same.
fn sample_hash(hasher: &DefaultHashBuilder, sample: Sample<'_>) -> u64 {
    hasher.hash_one((sample.locations, sample.labels))
}

fn same_sample(one: Sample<'_>, other: Sample<'_>) -> bool {
    one.locations == other.locations && one.labels == other.labels
}

/// What makes two functions the same: all but their number.
fn function_hash(hasher: &DefaultHashBuilder, function: &Function) -> u64 {
    hasher.hash_one((function.start_line, function.name, function.system_name, function.file))
}

/// What makes two locations the same.
fn location_hash(hasher: &DefaultHashBuilder, location: &Location) -> u64 {
    let mut state = hasher.build_hasher();
    (location.address, location.mapping, location.folded).hash(&mut state);
    for line in &location.lines {
        (line.function, line.line).hash(&mut state);
    }
    state.finish()
}

fn same_location(one: &Location, other: &Location) -> bool {
    let same_line = |(one, other): (&Line, &Line)| (one.function, one.line) == (other.function, other.line);
    // Only the last line's column counts: the reference overwrites the others in its key.
    let column = |location: &Location| location.lines.last().map_or(0, |line| line.column);
    (one.address, one.mapping, one.folded) == (other.address, other.mapping, other.folded)
        && column(one) == column(other)
        && one.lines.len() == other.lines.len()
        && one.lines.iter().zip(&other.lines).all(same_line)
}

/// Row of what `is_same` finds, or `next` if it is new.
fn row_of(
    table: &mut HashTable<u32>,
    hash: u64,
    next: usize,
    is_same: impl Fn(usize) -> bool,
    hash_of: impl Fn(usize) -> u64,
) -> u32 {
    match table.entry(hash, |&row| is_same(row as usize), |&row| hash_of(row as usize)) {
        Entry::Occupied(known) => *known.get(),
        Entry::Vacant(place) => *place.insert(next as u32).get(),
    }
}

impl Merger {
    /// With room for so many samples, locations of them, and columns; arrays that grow by copying leave holes.
    pub(crate) fn new(samples: usize, locations: usize, columns: usize) -> Self {
        let mut merger = Self::default();
        merger.held.reserve(samples, locations, samples * columns);
        merger.samples = HashTable::with_capacity(samples);
        merger
    }

    fn header(&mut self, view: &View<'_>) {
        let out = &mut self.out;
        if !std::mem::replace(&mut self.has_header, true) {
            out.sample_types.clone_from(&view.sample_types);
            out.period_type.clone_from(&view.period_type);
            out.drop_frames.clone_from(&view.drop_frames);
            out.keep_frames.clone_from(&view.keep_frames);
        }
        if out.time_nanos == 0 || view.time_nanos < out.time_nanos {
            out.time_nanos = view.time_nanos;
        }
        out.duration_nanos = out.duration_nanos.wrapping_add(view.duration_nanos);
        if out.period == 0 || out.period < view.period {
            out.period = view.period;
        }
        for comment in &view.comments {
            if !out.comments.contains(comment) {
                out.comments.push(comment.clone());
            }
        }
        for (to, from) in [(&mut out.default_sample_type, &view.default_sample_type), (&mut out.doc_url, &view.doc_url)]
        {
            if to.is_empty() {
                to.clone_from(from);
            }
        }
    }

    pub(crate) fn finish(self) -> View<'static> {
        let Self { mut out, held, .. } = self;
        let zeros = (0..held.len()).any(|index| is_zero(held.get(index).values));
        out.samples = Samples::Held(held);
        if !zeros {
            return out;
        }
        // Samples that cancelled out may leave unused places behind: a second merge drops both.
        let mut merger = Self::new(out.samples.len(), out.samples.most_locations(), out.sample_types.len());
        merger.add(&out, &Change::default());
        merger.finish()
    }

    pub(crate) fn add(&mut self, view: &View<'_>, change: &Change) {
        self.header(view);
        let mut rows = Rows {
            mappings: vec![None; view.mappings.len()],
            functions: vec![None; view.functions.len()],
            locations: vec![None; view.locations.len()],
            texts: vec![None; view.texts.len()],
        };
        // The first mapping is the main binary, whatever the first sample hits.
        if self.out.mappings.is_empty() && !view.mappings.is_empty() {
            self.mapping(view, &mut rows, 0);
        }
        let (mut stack, mut labels, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let mark = change.label.map(|(key, text)| Label {
            key: self.out.texts.intern(key),
            text: self.out.texts.intern(text),
            ..Label::default()
        });
        let ones = vec![1.0; view.sample_types.len()];
        let ratios = change.ratios.as_ref().unwrap_or(&ones);
        view.samples.for_each(|sample| {
            if !scaled(sample.values, ratios, &mut values) || is_zero(&values) {
                return;
            }
            stack.clear();
            for &location in sample.locations {
                let row = self.location(view, &mut rows, location);
                stack.push(row);
            }
            labels.clear();
            for label in sample.labels {
                let mut text = |id: Text| self.text(view, &mut rows, id);
                labels.push(Label {
                    key: text(label.key),
                    text: text(label.text),
                    number: label.number,
                    unit: text(label.unit),
                });
            }
            if let Some(mark) = mark {
                labels.retain(|label| !(label.is_text() && label.key == mark.key));
                labels.push(mark);
            }
            let texts = &self.out.texts;
            labels.sort_by(|one, other| {
                let key = |label: &Label| (!label.is_text(), texts.get(label.key));
                key(one).cmp(&key(other))
            });
            self.sample(Sample { locations: &stack, values: &values, labels: &labels });
        });
    }

    fn sample(&mut self, sample: Sample<'_>) {
        let Self { held, samples, hasher, .. } = self;
        let row = row_of(
            samples,
            sample_hash(hasher, sample),
            held.len(),
            |row| same_sample(held.get(row), sample),
            |row| sample_hash(hasher, held.get(row)),
        );
        if row as usize == held.len() {
            held.push(sample.locations, sample.values, sample.labels);
        } else {
            for (sum, value) in held.values_mut(row as usize).iter_mut().zip(sample.values) {
                *sum = sum.wrapping_add(*value);
            }
        }
    }

    fn text(&mut self, view: &View<'_>, rows: &mut Rows, text: Text) -> Text {
        *rows.texts[text.0 as usize].get_or_insert_with(|| self.out.texts.intern(view.texts.get(text)))
    }

    fn location(&mut self, view: &View<'_>, rows: &mut Rows, index: u32) -> u32 {
        if let Some(row) = rows.locations[index as usize] {
            return row;
        }
        let location = &view.locations[index as usize];
        let mapping = location.mapping.map(|mapping| self.mapping(view, rows, mapping));
        let address = location.address.wrapping_add(mapping.map_or(0, |(_, moved)| moved));
        let mut lines = Vec::with_capacity(location.lines.len());
        for line in &location.lines {
            lines.push(Line { function: self.function(view, rows, line.function), ..*line });
        }
        let mapping = mapping.map(|(row, _)| row);
        let Self { out: View { locations: known, .. }, locations, hasher, .. } = self;
        let id = known.len() as u64 + 1;
        let new = Location { id, mapping, address, lines, folded: location.folded };
        let row = row_of(
            locations,
            location_hash(hasher, &new),
            known.len(),
            |row| same_location(&known[row], &new),
            |row| location_hash(hasher, &known[row]),
        );
        if row as usize == known.len() {
            known.push(new);
        }
        rows.locations[index as usize] = Some(row);
        row
    }

    /// Row of a mapping and how far its addresses move.
    fn mapping(&mut self, view: &View<'_>, rows: &mut Rows, index: u32) -> (u32, u64) {
        if let Some(known) = rows.mappings[index as usize] {
            return known;
        }
        let mapping = &view.mappings[index as usize];
        // Sizes differ by less than a page between runs.
        let size = mapping.limit.wrapping_sub(mapping.start).wrapping_add(0xfff) & !0xfff;
        let name = if mapping.build_id.is_empty() { &mapping.file } else { &mapping.build_id };
        let next = self.out.mappings.len() as u32;
        let row = *self.mappings.entry((size, mapping.offset, name.clone())).or_insert(next);
        if row == next {
            self.out.mappings.push(Mapping { id: u64::from(next) + 1, ..mapping.clone() });
        }
        let known = (row, self.out.mappings[row as usize].start.wrapping_sub(mapping.start));
        rows.mappings[index as usize] = Some(known);
        known
    }

    fn function(&mut self, view: &View<'_>, rows: &mut Rows, index: u32) -> u32 {
        if let Some(row) = rows.functions[index as usize] {
            return row;
        }
        let function = view.functions[index as usize];
        let [name, system_name, file] =
            [function.name, function.system_name, function.file].map(|text| self.text(view, rows, text));
        let Self { out: View { functions: known, .. }, functions, hasher, .. } = self;
        let id = known.len() as u64 + 1;
        let new = Function { id, name, system_name, file, start_line: function.start_line };
        let row = row_of(
            functions,
            function_hash(hasher, &new),
            known.len(),
            |row| Function { id, ..known[row] } == new,
            |row| function_hash(hasher, &known[row]),
        );
        if row as usize == known.len() {
            known.push(new);
        }
        rows.functions[index as usize] = Some(row);
        row
    }
}
