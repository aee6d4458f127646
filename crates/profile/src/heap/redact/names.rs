//! Which strings of a snapshot are names that may stay, gathered while nodes and edges pass.
//!
//! Whether an object is a dictionary depends on what its keys say, and those come last. So an object's keys are kept as
//! the numbers of their strings, once for all objects with the same keys, and texts of keys wait until all are known.

use super::super::{EdgeKind, NodeKind};
use super::text;
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::io::Write;

/// An object with more own keys than this is a dictionary, unless a class says otherwise.
const DICTIONARY_KEYS: usize = 32;
/// Numbers remembered, of keys and for each shape a few more; keys of further shapes count as data.
const MOST_KEYS: usize = 20 << 20;
const SHAPE_COST: usize = 8;
/// Bytes of names that wait for what keys behind them say; beyond it, those that still wait count as data.
const MOST_HELD: usize = 48 << 20;
/// Strings told apart; what lies beyond them is emptied.
const MOST_STRINGS: u64 = 1 << 29;

/// A set of numbers of strings.
#[derive(Debug, Default)]
struct Set(Vec<u64>);

impl Set {
    fn insert(&mut self, index: u64) {
        let word = (index / 64) as usize;
        if word >= self.0.len() {
            if index >= MOST_STRINGS {
                return;
            }
            self.0.resize((word + 1).max(self.0.len() * 3 / 2), 0);
        }
        self.0[word] |= 1 << (index % 64);
    }

    fn contains(&self, index: u64) -> bool {
        self.0.get((index / 64) as usize).is_some_and(|word| word & 1 << (index % 64) != 0)
    }
}

/// Hashes that were mixed already.
#[derive(Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// The keys that some objects have.
#[derive(Debug)]
struct Shape {
    /// Where its keys end in `Names::keys`.
    end: u32,
    /// The class's name, for more keys than an object usually has.
    wide: Option<u32>,
}

/// What the sections before `strings` tell.
#[derive(Default)]
pub(super) struct Names {
    kept: Set,
    /// For each node the number of its edges and whether it is an object, in as many bytes as that takes.
    nodes: Vec<u8>,
    /// Class names of the objects with many edges, in order.
    wide: Vec<u32>,
    next_node: usize,
    next_wide: usize,
    /// The node whose edges pass.
    edges_left: u64,
    is_object: bool,
    class: Option<u32>,
    /// The keys of the present object, and of all shapes.
    own: Vec<u32>,
    keys: Vec<u32>,
    shapes: Vec<Shape>,
    seen: HashSet<u64, BuildHasherDefault<Mixed>>,
}

impl Names {
    pub(super) fn keep(&mut self, name: u64) {
        self.kept.insert(name);
    }

    pub(super) fn node(&mut self, kind: NodeKind, name: u64, edges: u64) {
        if !is_value(kind) {
            self.keep(name);
        }
        let is_object = kind == NodeKind::Object;
        if is_object && edges > DICTIONARY_KEYS as u64 {
            self.wide.push(u32::try_from(name).unwrap_or(u32::MAX));
        }
        let mut rest = edges.min(u64::from(u32::MAX)) << 1 | u64::from(is_object);
        while rest >= 0x80 {
            self.nodes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.nodes.push(rest as u8);
    }

    /// The next edge, of the next node that has edges left.
    pub(super) fn edge(&mut self, kind: EdgeKind, name: u64) {
        while self.edges_left == 0 && self.next_node < self.nodes.len() {
            self.begin_node();
        }
        if !kind.is_numbered() {
            match u32::try_from(name) {
                Ok(key) if self.is_object && kind == EdgeKind::Property => self.own.push(key),
                _ => self.keep(name),
            }
        }
        self.edges_left = self.edges_left.saturating_sub(1);
        if self.edges_left == 0 && self.is_object {
            self.end_object();
        }
    }

    fn begin_node(&mut self) {
        let (mut value, mut shift) = (0_u64, 0);
        while let Some(&byte) = self.nodes.get(self.next_node) {
            self.next_node += 1;
            value |= u64::from(byte & 0x7F) << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        self.edges_left = value >> 1;
        self.is_object = value & 1 == 1;
        self.class = None;
        if self.is_object && self.edges_left > DICTIONARY_KEYS as u64 {
            self.class = self.wide.get(self.next_wide).copied();
            self.next_wide += 1;
        }
    }

    fn end_object(&mut self) {
        if self.own.is_empty() {
            return;
        }
        let wide = self.class.filter(|_| self.own.len() > DICTIONARY_KEYS);
        let mut hash = u64::from(wide.unwrap_or(u32::MAX));
        for &key in &self.own {
            hash = (hash.rotate_left(26) ^ u64::from(key)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
        hash ^= hash >> 32;
        let fits = self.keys.len() + self.own.len() + self.shapes.len() * SHAPE_COST <= MOST_KEYS;
        if fits && self.seen.insert(hash) {
            self.keys.extend_from_slice(&self.own);
            self.shapes.push(Shape { end: self.keys.len() as u32, wide });
        }
        self.own.clear();
    }

    /// Ends the gathering; strings that are pushed to what it answers go to `out` as far as they are names.
    pub(super) fn into_strings(self, out: &mut dyn Write) -> Strings<'_> {
        let mut strings = Strings {
            kept: self.kept,
            keys: Set::default(),
            odd: Set::default(),
            plain_classes: Set::default(),
            names_object: false,
            shape_keys: self.keys,
            shapes: self.shapes,
            index: 0,
            written: 0,
            changed: 0,
            held: String::new(),
            entries: Vec::new(),
            out,
        };
        strings.find_keys();
        strings
    }
}

fn is_value(kind: NodeKind) -> bool {
    matches!(
        kind,
        NodeKind::String
            | NodeKind::ConsString
            | NodeKind::SlicedString
            | NodeKind::Number
            | NodeKind::Symbol
            | NodeKind::BigInt
            | NodeKind::RegExp
    )
}

/// A string that waits.
struct Entry {
    index: u64,
    /// Where its text ends in `Strings::held`.
    end: usize,
    /// Whether it stays only as the key of something that is no dictionary.
    is_key: bool,
}

/// The strings on their way to the copy, in order.
pub(super) struct Strings<'a> {
    kept: Set,
    /// Keys of what may be no dictionary.
    keys: Set,
    /// Keys that are no identifiers.
    odd: Set,
    /// Strings that say `Object`.
    plain_classes: Set,
    names_object: bool,
    shape_keys: Vec<u32>,
    shapes: Vec<Shape>,
    index: u64,
    written: u64,
    changed: u64,
    held: String,
    entries: Vec<Entry>,
    out: &'a mut dyn Write,
}

impl Strings<'_> {
    /// Takes the next string.
    pub(super) fn push(&mut self, text: &str) -> std::io::Result<()> {
        let index = self.index;
        self.index += 1;
        let is_key = self.keys.contains(index);
        let is_kept = self.kept.contains(index) || text::is_public(text);
        if text == "Object" {
            self.plain_classes.insert(index);
            // V8 names it once and early: from here on the keys of dictionaries need not wait.
            if !std::mem::replace(&mut self.names_object, true) {
                self.find_keys();
            }
        }
        let is_odd = is_key && !text::is_identifier(text);
        // A symbol is no word of a dictionary: it says nothing about the keys beside it.
        if is_odd && !text.starts_with("<symbol ") {
            self.odd.insert(index);
        }
        let waits = is_key && !is_kept && !is_odd;
        let name = if is_kept || waits { text::name(text) } else { "".into() };
        self.changed += u64::from(name != text);
        if name.is_empty() {
            return Ok(());
        }
        if self.entries.is_empty() && !waits {
            return self.write(index, &name);
        }
        self.held.push_str(&name);
        self.entries.push(Entry { index, end: self.held.len(), is_key: waits });
        if self.held.len() + self.entries.len() * size_of::<Entry>() > MOST_HELD {
            self.settle();
            self.release()?;
        }
        Ok(())
    }

    /// Writes the names that wait, and answers how many strings were changed.
    pub(super) fn end(mut self) -> std::io::Result<u64> {
        self.settle();
        self.release()?;
        self.fill(self.index)?;
        if self.written == 0 {
            self.out.write_all(b"[")?;
        }
        self.out.flush()?;
        Ok(self.changed)
    }

    /// How many names wait.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.entries.len()
    }

    fn is_plain(&self, shape: &Shape) -> bool {
        shape.wide.is_some_and(|class| self.plain_classes.contains(u64::from(class)))
    }

    fn find_keys(&mut self) {
        let (mut keys, mut start) = (Set::default(), 0);
        for shape in &self.shapes {
            let end = shape.end as usize;
            if !self.is_plain(shape) {
                for &key in &self.shape_keys[start..end] {
                    keys.insert(u64::from(key));
                }
            }
            start = end;
        }
        self.keys = keys;
    }

    /// Keeps the keys of all shapes that were read completely and are no dictionaries.
    fn settle(&mut self) {
        let mut start = 0;
        for shape in &self.shapes {
            let keys = &self.shape_keys[start..shape.end as usize];
            start = shape.end as usize;
            let is_odd = |&key: &u32| u64::from(key) >= self.index || self.odd.contains(u64::from(key));
            if !self.is_plain(shape) && !keys.iter().any(is_odd) {
                for &key in keys {
                    self.kept.insert(u64::from(key));
                }
            }
        }
    }

    fn release(&mut self) -> std::io::Result<()> {
        let (held, entries) = (std::mem::take(&mut self.held), std::mem::take(&mut self.entries));
        let mut start = 0;
        for Entry { index, end, is_key } in entries {
            if !is_key || self.kept.contains(index) {
                self.write(index, &held[start..end])?;
            } else {
                self.changed += 1;
            }
            start = end;
        }
        Ok(())
    }

    fn write(&mut self, index: u64, text: &str) -> std::io::Result<()> {
        self.fill(index)?;
        self.separate()?;
        serde_json::to_writer(&mut *self.out, text)?;
        Ok(())
    }

    /// Empty strings up to `index`.
    fn fill(&mut self, index: u64) -> std::io::Result<()> {
        while self.written < index {
            self.separate()?;
            self.out.write_all(b"\"\"")?;
        }
        Ok(())
    }

    fn separate(&mut self) -> std::io::Result<()> {
        self.written += 1;
        self.out.write_all(if self.written == 1 { b"[" } else { b",\n" })
    }
}
