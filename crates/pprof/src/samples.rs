//! Samples, read in place from the file or held in flat arrays once something has changed them.

use std::collections::HashMap;

use crate::model::Text;
use crate::wire::{Fields, WireError, numbers};

/// A label of a sample; a number if `text` is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Label {
    /// Name of the label.
    pub key: Text,
    /// Value of a text label.
    pub text: Text,
    /// Value of a numeric label.
    pub number: i64,
    /// Unit of a numeric label.
    pub unit: Text,
}

impl Label {
    /// Whether the value is a text.
    pub fn is_text(&self) -> bool {
        self.text != Text(0)
    }
}

/// One stack with its values.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'s> {
    /// Indices into the locations, leaf first.
    pub locations: &'s [u32],
    /// One value per sample type.
    pub values: &'s [i64],
    /// Labels in file order.
    pub labels: &'s [Label],
}

/// All samples of a profile.
#[derive(Clone, Debug)]
pub enum Samples<'a> {
    /// As in the file: decoded anew in each pass, which costs less than keeping them.
    Encoded(Encoded<'a>),
    /// In memory.
    Held(Held),
}

impl Default for Samples<'_> {
    fn default() -> Self {
        Self::Held(Held::default())
    }
}

/// Samples in the bytes of the file. They were checked when the file was read.
#[derive(Clone, Debug)]
pub struct Encoded<'a> {
    pub(crate) bytes: &'a [u8],
    /// Start and length of each sample message.
    pub(crate) messages: Vec<(u32, u32)>,
    pub(crate) ids: Ids,
    /// Canonical ids where the string table holds a string twice; empty otherwise.
    pub(crate) canonical: Vec<u32>,
}

/// Samples in flat arrays.
#[derive(Clone, Debug, Default)]
pub struct Held {
    locations: Vec<u32>,
    values: Vec<i64>,
    labels: Vec<Label>,
    /// Where each sample ends in the first two arrays.
    ends: Vec<(u32, u32)>,
    /// Where each sample's labels start and end; samples with equal ones share them.
    label_ranges: Vec<(u32, u32)>,
    known_labels: HashMap<Box<[Label]>, (u32, u32)>,
}

/// Profiles have few different sets of labels, or nearly one per sample; then looking for equal ones does not pay.
const MOST_KNOWN_LABELS: usize = 1 << 12;

impl Held {
    /// Adds a sample.
    pub fn push(&mut self, locations: &[u32], values: &[i64], labels: &[Label]) {
        self.locations.extend_from_slice(locations);
        self.values.extend_from_slice(values);
        self.ends.push((self.locations.len() as u32, self.values.len() as u32));
        let range = self.label_range(labels);
        self.label_ranges.push(range);
    }

    fn label_range(&mut self, labels: &[Label]) -> (u32, u32) {
        if labels.is_empty() {
            return (0, 0);
        }
        if let Some(&known) = self.known_labels.get(labels) {
            return known;
        }
        let start = self.labels.len() as u32;
        self.labels.extend_from_slice(labels);
        let range = (start, self.labels.len() as u32);
        if self.known_labels.len() < MOST_KNOWN_LABELS {
            self.known_labels.insert(labels.into(), range);
        }
        range
    }

    /// Makes room for samples; arrays that grow by copying would leave holes as large as themselves.
    pub(crate) fn reserve(&mut self, samples: usize, locations: usize, values: usize) {
        self.ends.reserve_exact(samples);
        self.label_ranges.reserve_exact(samples);
        self.locations.reserve_exact(locations);
        self.values.reserve_exact(values);
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Sample number `index`.
    pub fn get(&self, index: usize) -> Sample<'_> {
        let start = if index == 0 { (0, 0) } else { self.ends[index - 1] };
        let (end, labels) = (self.ends[index], self.label_ranges[index]);
        Sample {
            locations: &self.locations[start.0 as usize..end.0 as usize],
            values: &self.values[start.1 as usize..end.1 as usize],
            labels: &self.labels[labels.0 as usize..labels.1 as usize],
        }
    }

    /// Values of sample number `index`.
    pub fn values_mut(&mut self, index: usize) -> &mut [i64] {
        let start = if index == 0 { 0 } else { self.ends[index - 1].1 };
        &mut self.values[start as usize..self.ends[index].1 as usize]
    }
}

/// From the numbers a file gives its rows to their indices.
#[derive(Clone, Debug)]
pub(crate) enum Ids {
    /// Row n has number n + 1, as every common writer has it.
    Direct(u64),
    Sparse(HashMap<u64, u32>),
}

impl Ids {
    pub(crate) fn new(ids: impl ExactSizeIterator<Item = u64> + Clone) -> Self {
        let count = ids.len() as u64;
        if ids.clone().zip(1..).all(|(id, expected)| id == expected) {
            return Self::Direct(count);
        }
        Self::Sparse(ids.zip(0..).collect())
    }

    #[inline]
    pub(crate) fn get(&self, id: u64) -> Option<u32> {
        match self {
            Self::Direct(count) => (id.wrapping_sub(1) < *count).then(|| (id - 1) as u32),
            Self::Sparse(map) => map.get(&id).copied(),
        }
    }
}

/// Memory that one sample after the other is decoded into.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) locations: Vec<u32>,
    pub(crate) values: Vec<i64>,
    pub(crate) labels: Vec<Label>,
    /// First location number that no location has.
    pub(crate) unknown: Option<u64>,
    /// Largest string index seen.
    pub(crate) largest: u64,
}

impl Scratch {
    /// Decodes one sample; `STACK` tells whether its locations are wanted.
    #[inline]
    pub(crate) fn decode<const STACK: bool>(
        &mut self,
        message: &[u8],
        ids: &Ids,
        canonical: &[u32],
    ) -> Result<(), WireError> {
        self.locations.clear();
        self.values.clear();
        self.labels.clear();
        let mut fields = Fields::new(message);
        while let Some((field, value)) = fields.next()? {
            match field {
                1 if STACK => {
                    let (locations, unknown) = (&mut self.locations, &mut self.unknown);
                    numbers(field, value, |id| match ids.get(id) {
                        Some(index) => locations.push(index),
                        None => *unknown = unknown.or(Some(id)),
                    })?;
                }
                2 => numbers(field, value, |number| self.values.push(number as i64))?,
                3 => self.label(value.bytes(field)?, canonical)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn label(&mut self, message: &[u8], canonical: &[u32]) -> Result<(), WireError> {
        let mut found = [0_u64; 5];
        let mut fields = Fields::new(message);
        while let Some((field, value)) = fields.next()? {
            if (1..=4).contains(&field) {
                found[field as usize] = value.number(field)?;
            }
        }
        let [_, key, text, number, unit] = found;
        self.largest = self.largest.max(key).max(text).max(unit);
        let of = |id: u64| Text(canonical.get(id as usize).copied().unwrap_or(id as u32));
        // A label without any value says nothing; the reference drops it as well.
        if text != 0 || number != 0 || unit != 0 {
            let number = if text == 0 { number as i64 } else { 0 };
            let unit = if text == 0 { of(unit) } else { Text(0) };
            self.labels.push(Label { key: of(key), text: of(text), number, unit });
        }
        Ok(())
    }
}

impl Samples<'_> {
    /// Number of samples.
    pub fn len(&self) -> usize {
        match self {
            Self::Encoded(encoded) => encoded.messages.len(),
            Self::Held(held) => held.len(),
        }
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A bound on the number of locations of all samples: each takes a byte at least.
    pub(crate) fn most_locations(&self) -> usize {
        match self {
            Self::Encoded(encoded) => encoded.messages.iter().map(|&(_, length)| length as usize).sum(),
            Self::Held(held) => held.locations.len(),
        }
    }

    /// Calls `each` for every sample in file order.
    pub fn for_each(&self, each: impl FnMut(Sample<'_>)) {
        self.decode_each::<true>(each);
    }

    /// As [`Self::for_each`], with stacks left empty where they would have to be decoded.
    pub(crate) fn for_each_without_stack(&self, each: impl FnMut(Sample<'_>)) {
        self.decode_each::<false>(each);
    }

    fn decode_each<const STACK: bool>(&self, mut each: impl FnMut(Sample<'_>)) {
        match self {
            Self::Encoded(encoded) => {
                let mut scratch = Scratch::default();
                for &(start, length) in &encoded.messages {
                    let message = &encoded.bytes[start as usize..][..length as usize];
                    if scratch.decode::<STACK>(message, &encoded.ids, &encoded.canonical).is_ok() {
                        each(Sample {
                            locations: &scratch.locations,
                            values: &scratch.values,
                            labels: &scratch.labels,
                        });
                    }
                }
            }
            Self::Held(held) => (0..held.len()).for_each(|index| each(held.get(index))),
        }
    }

    /// Replaces all samples by what `each` pushes for them.
    pub fn rewrite(&mut self, mut each: impl FnMut(Sample<'_>, &mut Held)) {
        let mut out = Held::default();
        self.for_each(|sample| each(sample, &mut out));
        *self = Self::Held(out);
    }

    /// The samples in memory, brought there if need be.
    pub fn held(&mut self) -> &mut Held {
        if matches!(self, Self::Encoded(_)) {
            self.rewrite(|sample, out| out.push(sample.locations, sample.values, sample.labels));
        }
        match self {
            Self::Held(held) => held,
            Self::Encoded(_) => unreachable!("the samples were just brought into memory"),
        }
    }
}
