//! Strings stored once and named by a small id.

use std::collections::HashMap;

/// Index of a string in a [`StringTable`]; id 0 is always the empty string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StringId(pub u32);

/// Strings in the order they were first seen, each held once.
#[derive(Clone, Debug)]
pub struct StringTable {
    strings: Vec<Box<str>>,
    ids: HashMap<Box<str>, StringId>,
}

impl Default for StringTable {
    fn default() -> Self {
        let mut table = Self { strings: Vec::new(), ids: HashMap::new() };
        table.intern("");
        table
    }
}

impl StringTable {
    /// The id of `text`, which is added if it is new.
    pub fn intern(&mut self, text: &str) -> StringId {
        if let Some(&id) = self.ids.get(text) {
            return id;
        }
        let id = StringId(self.strings.len() as u32);
        self.strings.push(text.into());
        self.ids.insert(text.into(), id);
        id
    }

    /// The text behind `id`; the empty string for an id of another table that is out of range here.
    pub fn get(&self, id: StringId) -> &str {
        self.strings.get(id.0 as usize).map_or("", |text| text)
    }

    /// The id of `text` if it is in the table.
    pub fn find(&self, text: &str) -> Option<StringId> {
        self.ids.get(text).copied()
    }

    /// Number of strings, the empty one included.
    pub fn len(&self) -> usize {
        self.strings.len()
    }

    /// Never true: the empty string is always there.
    pub fn is_empty(&self) -> bool {
        self.strings.is_empty()
    }
}
