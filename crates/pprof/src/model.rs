//! A profile as the file has it: every table, nothing interpreted away.

use std::borrow::Cow;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::samples::Samples;

/// Index into [`Texts`]; 0 is the empty string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(pub u32);

/// The string table. Bytes that are no UTF-8 are shown as U+FFFD.
#[derive(Clone, Debug, Default)]
pub struct Texts<'a> {
    list: Vec<Cow<'a, str>>,
    /// Of every string its first id; filled when the first string is added after reading.
    ids: HashTable<Text>,
    hasher: DefaultHashBuilder,
}

impl<'a> Texts<'a> {
    pub(crate) fn new(list: Vec<Cow<'a, str>>) -> Self {
        Self { list, ..Self::default() }
    }

    /// The string behind `text`; empty for an id of another table.
    pub fn get(&self, text: Text) -> &str {
        self.list.get(text.0 as usize).map_or("", |text| text)
    }

    /// The id of `text`, if it is there.
    pub(crate) fn find(&self, text: &str) -> Option<Text> {
        self.list.iter().position(|known| known == text).map(|index| Text(index as u32))
    }

    /// Number of strings.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is not even the empty string.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The id of `text`, which is added if it is new.
    pub fn intern(&mut self, text: &str) -> Text {
        if self.ids.is_empty() {
            if self.list.is_empty() {
                self.list.push(Cow::Borrowed(""));
            }
            for index in 0..self.list.len() {
                self.entry(index, |list| &list[index]);
            }
        }
        let next = self.list.len();
        let id = self.entry(next, |_| text);
        if id.0 as usize == next {
            self.list.push(Cow::Owned(text.to_owned()));
        }
        id
    }

    /// The known id of a text, or `next`.
    fn entry<'t>(&'t mut self, next: usize, text: impl FnOnce(&'t [Cow<'a, str>]) -> &'t str) -> Text {
        let Self { list, ids, hasher } = self;
        let text = text(list);
        let of = |id: &Text| -> &str { &list[id.0 as usize] };
        let entry = ids.entry(hasher.hash_one(text), |id| of(id) == text, |id| hasher.hash_one(of(id)));
        *entry.or_insert(Text(next as u32)).get()
    }
}

/// What a column of values measures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValueType {
    /// `inuse_space`, `cpu`, …
    pub name: String,
    /// `bytes`, `nanoseconds`, …
    pub unit: String,
}

impl ValueType {
    pub(crate) fn new(name: &str, unit: &str) -> Self {
        Self { name: name.into(), unit: unit.into() }
    }
}

/// A binary or library mapped into the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// The file's own number for it, never 0.
    pub id: u64,
    /// First address.
    pub start: u64,
    /// One past the last address.
    pub limit: u64,
    /// Offset in the file of the first address.
    pub offset: u64,
    /// Path of the binary.
    pub file: String,
    /// Its build id.
    pub build_id: String,
    /// Whether functions, file names, line numbers and inlined frames are resolved.
    pub has: [bool; 4],
}

/// A place in the program; several lines where calls were inlined, the innermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// The file's own number for it, never 0.
    pub id: u64,
    /// Index into the mappings.
    pub mapping: Option<u32>,
    /// Address of the instruction, 0 when unknown.
    pub address: u64,
    /// Source lines, innermost first.
    pub lines: Vec<Line>,
    /// Whether several symbols share the address.
    pub folded: bool,
}

/// One source line of a location.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Line {
    /// Index into the functions.
    pub function: u32,
    /// Line number, 0 when unknown.
    pub line: i64,
    /// Column, 0 when unknown.
    pub column: i64,
}

/// A function of the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Function {
    /// The file's own number for it, never 0.
    pub id: u64,
    /// Name for people.
    pub name: Text,
    /// Name as the linker knows it.
    pub system_name: Text,
    /// Source file.
    pub file: Text,
    /// Line of its first token, 0 when unknown.
    pub start_line: i64,
}

/// A profile that borrows from the bytes it was read from.
#[derive(Clone, Debug, Default)]
pub struct View<'a> {
    /// Columns of the sample values.
    pub sample_types: Vec<ValueType>,
    /// Column shown unless another is asked for; empty for the last.
    pub default_sample_type: String,
    /// Stacks with their values and labels.
    pub samples: Samples<'a>,
    /// Binaries, the main one first.
    pub mappings: Vec<Mapping>,
    /// Places.
    pub locations: Vec<Location>,
    /// Functions.
    pub functions: Vec<Function>,
    /// Names and paths.
    pub texts: Texts<'a>,
    /// Free text by the maker.
    pub comments: Vec<String>,
    /// Where the maker describes the profile.
    pub doc_url: String,
    /// Frames matching this expression, and what they call, are dropped when shown.
    pub drop_frames: String,
    /// Frames matching this expression are kept nevertheless.
    pub keep_frames: String,
    /// Start of the recording, nanoseconds since 1970.
    pub time_nanos: i64,
    /// Length of the recording.
    pub duration_nanos: i64,
    /// What happens once per period.
    pub period_type: ValueType,
    /// Distance between samples.
    pub period: i64,
}

impl View<'_> {
    /// File of the mapping a location lies in; empty when unknown.
    pub(crate) fn object_of(&self, location: &Location) -> &str {
        location.mapping.map_or("", |mapping| &self.mappings[mapping as usize].file)
    }

    /// Index of the column called `name`, or given as a number; the default column for an empty name.
    pub fn value_index(&self, name: &str) -> Result<usize, UnknownSampleType> {
        let find = |name: &str| self.sample_types.iter().position(|value_type| value_type.name == name);
        let last = self.sample_types.len().wrapping_sub(1);
        if name.is_empty() {
            return Ok(find(&self.default_sample_type).unwrap_or(last));
        }
        // Profiles of older runtimes call the columns `objects` and `space`; people still type `inuse_space`.
        let bare = name.strip_prefix("inuse_").unwrap_or(name);
        let found = if let Ok(index) = name.parse::<i64>() {
            usize::try_from(index).ok().filter(|&index| index < self.sample_types.len())
        } else {
            self.sample_types.iter().position(|kind| kind.name == name || kind.name == bare)
        };
        found.ok_or_else(|| UnknownSampleType {
            asked: name.to_owned(),
            known: self.sample_types.iter().map(|value_type| value_type.name.clone()).collect::<Vec<_>>().join(", "),
        })
    }
}

/// A column that the profile does not have.
#[derive(Clone, Debug, thiserror::Error)]
#[error("expected a sample type of the profile ({known}), found `{asked}`")]
pub struct UnknownSampleType {
    asked: String,
    known: String,
}
