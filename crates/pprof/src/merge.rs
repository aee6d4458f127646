//! Several profiles into one, and one minus another.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use thiserror::Error;

use crate::measure::{convertible, scale};
use crate::model::{Function, Line, Location, Mapping, Text, ValueType, View};
use crate::samples::{Held, Label, Sample, Samples};

/// Profiles that cannot be put together.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum MergeError {
    /// No column is in all of them.
    #[error("expected a common sample type, found none: {0}")]
    NothingInCommon(String),
    /// Units or types differ beyond conversion.
    #[error("expected {what} that can be compared, found {one} and {other}")]
    Incompatible {
        /// `sample types` or `period types`.
        what: &'static str,
        /// In one profile.
        one: String,
        /// In another.
        other: String,
    },
}

fn shown(kind: &ValueType) -> String {
    format!("`{}` in `{}`", kind.name, kind.unit)
}

/// Brings profiles to the columns they have in common and merges them. A single one is left as it is.
pub fn combine(mut views: Vec<View<'_>>) -> Result<View<'_>, MergeError> {
    keep_common_types(&mut views)?;
    convert_units(&mut views)?;
    if views.len() == 1 {
        return Ok(views.remove(0));
    }
    Ok(merge(&views, &vec![Change::default(); views.len()]))
}

/// Keeps the sample types that all profiles have, in the order of the first.
fn keep_common_types(views: &mut [View<'_>]) -> Result<(), MergeError> {
    let has = |view: &View<'_>, name: &str| view.sample_types.iter().any(|kind| kind.name == name);
    let first = views.first().map(|view| view.sample_types.clone()).unwrap_or_default();
    let common: Vec<String> =
        first.into_iter().map(|kind| kind.name).filter(|name| views.iter().all(|view| has(view, name))).collect();
    if common.is_empty() {
        let names = |view: &View<'_>| view.sample_types.iter().map(shown).collect::<Vec<_>>().join(", ");
        return Err(MergeError::NothingInCommon(views.iter().map(names).collect::<Vec<_>>().join(" against ")));
    }
    for view in views {
        let find = |name: &String| view.sample_types.iter().position(|kind| kind.name == *name).unwrap_or(0);
        let columns: Vec<usize> = common.iter().map(find).collect();
        if columns.iter().copied().eq(0..view.sample_types.len()) {
            continue;
        }
        if !common.contains(&view.default_sample_type) {
            view.default_sample_type.clone_from(&common[0]);
        }
        view.sample_types = columns.iter().map(|&column| view.sample_types[column].clone()).collect();
        view.samples.rewrite(|sample, out| {
            let values: Vec<i64> = columns.iter().map(|&column| sample.values[column]).collect();
            out.push(sample.locations, &values, sample.labels);
        });
    }
    Ok(())
}

/// Converts values and periods to the finest unit among the profiles.
fn convert_units(views: &mut [View<'_>]) -> Result<(), MergeError> {
    if views.len() < 2 {
        return Ok(());
    }
    let period = finest("period types", views.iter().map(|view| &view.period_type))?;
    let mut kinds = Vec::new();
    for column in 0..views[0].sample_types.len() {
        kinds.push(finest("sample types", views.iter().map(|view| &view.sample_types[column]))?);
    }
    for view in views {
        view.period = scale(view.period, &view.period_type.unit, &period.unit).0 as i64;
        view.period_type.unit.clone_from(&period.unit);
        let mut ratios = Vec::new();
        for (kind, common) in view.sample_types.iter_mut().zip(&kinds) {
            ratios.push(scale(1, &kind.unit, &common.unit).0);
            kind.unit.clone_from(&common.unit);
        }
        view.scale(&ratios);
    }
    Ok(())
}

fn finest<'v>(what: &'static str, mut kinds: impl Iterator<Item = &'v ValueType>) -> Result<ValueType, MergeError> {
    let mut finest = kinds.next().cloned().unwrap_or_default();
    for kind in kinds {
        let bare = |name: &'v str| name.strip_suffix('s').unwrap_or(name).to_owned();
        let same_name = bare(&kind.name) == finest.name.strip_suffix('s').unwrap_or(&finest.name);
        if !same_name || (kind.unit != finest.unit && !convertible(&kind.unit, &finest.unit)) {
            return Err(MergeError::Incompatible { what, one: shown(&finest), other: shown(kind) });
        }
        if scale(1, &kind.unit, &finest.unit).0 < 1.0 {
            finest = kind.clone();
        }
    }
    Ok(finest)
}

impl View<'_> {
    /// Multiplies the columns, and drops samples that become zero.
    pub fn scale(&mut self, ratios: &[f64]) {
        if ratios.iter().all(|&ratio| ratio == 1.0) {
            return;
        }
        let mut values = Vec::new();
        self.samples.rewrite(|sample, out| {
            if scaled(sample.values, ratios, &mut values) {
                out.push(sample.locations, &values, sample.labels);
            }
        });
    }
}

/// Multiplies the values; false if every value that was to change became zero.
fn scaled(values: &[i64], ratios: &[f64], out: &mut Vec<i64>) -> bool {
    let mut keep = ratios.iter().all(|&ratio| ratio == 1.0);
    out.clear();
    for (&value, &ratio) in values.iter().zip(ratios) {
        let value = if ratio == 1.0 { value } else { (value as f64 * ratio).round() as i64 };
        keep |= ratio != 1.0 && value != 0;
        out.push(value);
    }
    keep
}

/// How a base profile is taken off another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subtraction {
    /// Mark the base's samples with the label `pprof::base`, so that percentages refer to the base.
    pub mark_base: bool,
    /// First scale the profile so that its sums equal the base's.
    pub normalize: bool,
}

/// `view` minus `base`; nothing of it is borrowed from the two.
pub fn subtract(view: View<'_>, base: View<'_>, how: Subtraction) -> Result<View<'static>, MergeError> {
    if how.normalize {
        require_same_types(&view, &base)?;
    }
    let ratio = |(base, own): (i64, i64)| if own == 0 { 0.0 } else { base as f64 / own as f64 };
    let own = how.normalize.then(|| base.sums().into_iter().zip(view.sums()).map(ratio).collect());
    let mut views = [view, base];
    keep_common_types(&mut views)?;
    convert_units(&mut views)?;
    let negative = vec![-1.0; views[1].sample_types.len()];
    let changes = [
        Change { ratios: own, label: None },
        Change { ratios: Some(negative), label: how.mark_base.then_some(("pprof::base", "true")) },
    ];
    Ok(merge(&views, &changes))
}

/// What happens to a profile's samples on their way into the merged one.
#[derive(Clone, Debug, Default)]
struct Change {
    /// Factors of the columns.
    ratios: Option<Vec<f64>>,
    /// Label set on every sample.
    label: Option<(&'static str, &'static str)>,
}

impl View<'_> {
    /// Sum of every column.
    fn sums(&self) -> Vec<i64> {
        let mut sums = vec![0_i64; self.sample_types.len()];
        self.samples.for_each_without_stack(|sample| {
            for (sum, &value) in sums.iter_mut().zip(sample.values) {
                *sum = sum.wrapping_add(value);
            }
        });
        sums
    }
}

fn is_zero(values: &[i64]) -> bool {
    values.iter().all(|&value| value == 0)
}

/// Sums up profiles with the same columns. Samples keep the order of their first appearance; what no sample uses is
/// left out.
fn merge<'o>(views: &[View<'_>], changes: &[Change]) -> View<'o> {
    let mut merger = Merger { out: header(views), ..Merger::default() };
    let count = views.iter().map(|view| view.samples.len()).sum::<usize>();
    let locations = views.iter().map(|view| view.samples.most_locations()).sum();
    merger.held.reserve(count, locations, count * merger.out.sample_types.len());
    merger.slots = vec![NONE; (count * 4 / 3 + 2).next_power_of_two()];
    for (view, change) in views.iter().zip(changes) {
        merger.add(view, change);
    }
    let Merger { mut out, held, .. } = merger;
    let zeros = (0..held.len()).any(|index| is_zero(held.get(index).values));
    out.samples = Samples::Held(held);
    // Samples that cancelled out may leave unused places behind: a second merge drops both.
    if zeros { merge(&[out], &[Change::default()]) } else { out }
}

fn header<'o>(views: &[View<'_>]) -> View<'o> {
    let first = &views[0];
    let mut out = View {
        sample_types: first.sample_types.clone(),
        drop_frames: first.drop_frames.clone(),
        keep_frames: first.keep_frames.clone(),
        period_type: first.period_type.clone(),
        ..View::default()
    };
    for view in views {
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
    out
}

/// What makes two locations of different profiles the same.
#[derive(PartialEq, Eq, Hash)]
struct LocationKey {
    address: u64,
    mapping: Option<u32>,
    lines: Vec<(u32, i64)>,
    /// Only the last line's column counts: the reference overwrites the others in its key.
    column: i64,
    folded: bool,
}

/// What makes two mappings the same: size, offset, and build id or file.
type MappingKey = (u64, u64, String);

#[derive(Default)]
struct Merger<'a> {
    out: View<'a>,
    held: Held,
    mappings: HashMap<MappingKey, u32>,
    functions: HashMap<(i64, Text, Text, Text), u32>,
    locations: HashMap<LocationKey, u32>,
    /// Samples by hash, open addressing with room for all; a map that keeps keys would be several times as large.
    slots: Vec<u32>,
}

/// Rows of the merged profile for the rows of one profile, as far as they are known.
struct Rows {
    mappings: Vec<Option<(u32, u64)>>,
    functions: Vec<Option<u32>>,
    locations: Vec<Option<u32>>,
    texts: Vec<Option<Text>>,
}

const NONE: u32 = u32::MAX;

impl Merger<'_> {
    fn add(&mut self, view: &View<'_>, change: &Change) {
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
        let mut slot = self.slot(sample);
        while self.slots[slot] != NONE {
            let at = self.slots[slot] as usize;
            let known = self.held.get(at);
            if known.locations == sample.locations && known.labels == sample.labels {
                for (sum, value) in self.held.values_mut(at).iter_mut().zip(sample.values) {
                    *sum = sum.wrapping_add(*value);
                }
                return;
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        self.slots[slot] = self.held.len() as u32;
        self.held.push(sample.locations, sample.values, sample.labels);
    }

    /// Where the search for a sample starts.
    fn slot(&self, sample: Sample<'_>) -> usize {
        let mut hasher = DefaultHasher::new();
        (sample.locations, sample.labels).hash(&mut hasher);
        hasher.finish() as usize & (self.slots.len() - 1)
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
        let start = mapping.map_or(0, |row| self.out.mappings[row as usize].start);
        let key = LocationKey {
            address: address.wrapping_sub(start),
            mapping,
            lines: lines.iter().map(|line| (line.function, line.line)).collect(),
            column: lines.last().map_or(0, |line| line.column),
            folded: location.folded,
        };
        let next = self.out.locations.len() as u32;
        let row = *self.locations.entry(key).or_insert(next);
        if row == next {
            let id = u64::from(next) + 1;
            self.out.locations.push(Location { id, mapping, address, lines, folded: location.folded });
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
        let next = self.out.functions.len() as u32;
        let row = *self.functions.entry((function.start_line, name, system_name, file)).or_insert(next);
        if row == next {
            let id = u64::from(next) + 1;
            self.out.functions.push(Function { id, name, system_name, file, start_line: function.start_line });
        }
        rows.functions[index as usize] = Some(row);
        row
    }
}

/// Fails unless both profiles have the same columns.
fn require_same_types(one: &View<'_>, other: &View<'_>) -> Result<(), MergeError> {
    if one.sample_types == other.sample_types && one.period_type == other.period_type {
        return Ok(());
    }
    let names = |view: &View<'_>| view.sample_types.iter().map(shown).collect::<Vec<_>>().join(", ");
    Err(MergeError::Incompatible { what: "sample types", one: names(one), other: names(other) })
}
