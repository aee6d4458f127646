//! Samples by address into a [`View`].

use std::collections::HashMap;

use super::{frames, maps};
use crate::model::{Function, Line, Location, Mapping, ValueType, View};
use crate::samples::{Held, Label, Samples};

/// One sample; locations are rows of [`Builder::locations`].
#[derive(Debug)]
pub(super) struct Row {
    pub(super) locations: Vec<u32>,
    pub(super) values: Vec<i64>,
    /// Size of the blocks of a heap sample.
    pub(super) block: Option<i64>,
}

/// A profile being read.
#[derive(Debug, Default)]
pub(super) struct Builder {
    pub(super) view: View<'static>,
    pub(super) rows: Vec<Row>,
    pub(super) locations: Vec<Location>,
    by_address: HashMap<u64, u32>,
    functions: HashMap<String, u32>,
}

impl Builder {
    pub(super) fn new(period: (&str, &str), types: &[(&str, &str)]) -> Self {
        let mut builder = Self::default();
        builder.view.period_type = ValueType::new(period.0, period.1);
        builder.view.sample_types = types.iter().map(|(name, unit)| ValueType::new(name, unit)).collect();
        builder
    }

    /// The location at an address.
    pub(super) fn location(&mut self, address: u64) -> u32 {
        *self.by_address.entry(address).or_insert_with(|| {
            self.locations.push(Location { address, ..Location::default() });
            self.locations.len() as u32 - 1
        })
    }

    /// The location at an address if a sample has it.
    pub(super) fn known(&mut self, address: u64) -> Option<&mut Location> {
        self.by_address.get(&address).map(|&row| &mut self.locations[row as usize])
    }

    /// Adds a sample. Return addresses lie behind the call, so all but the first `exact` addresses move back by one.
    pub(super) fn sample(&mut self, addresses: &[u64], exact: usize, values: Vec<i64>, block: Option<i64>) {
        let at = |(index, &address): (usize, &u64)| if index < exact { address } else { address.wrapping_sub(1) };
        let locations = addresses.iter().enumerate().map(at).map(|address| self.location(address)).collect();
        self.rows.push(Row { locations, values, block });
    }

    /// A function known by its name alone.
    pub(super) fn function(&mut self, name: &str, file: &str) -> u32 {
        if let Some(&row) = self.functions.get(name) {
            return row;
        }
        let row = self.view.functions.len() as u32;
        let (text, file) = (self.view.texts.intern(name), self.view.texts.intern(file));
        self.view.functions.push(Function { name: text, system_name: text, file, ..Function::default() });
        self.functions.insert(name.to_owned(), row);
        row
    }

    /// Drops a caller that lies just before the leaf: the leaf and its own return address.
    pub(super) fn drop_doubled_leaves(&mut self) {
        for row in &mut self.rows {
            if let [leaf, caller, ..] = row.locations[..] {
                let [leaf, caller] = [leaf, caller].map(|row| self.locations[row as usize].address);
                if leaf == caller.wrapping_add(1) {
                    row.locations.remove(1);
                }
            }
        }
    }

    /// The profile with the mappings of a memory map.
    pub(super) fn finish_with_map<'l>(mut self, lines: impl Iterator<Item = &'l str>) -> View<'static> {
        self.view.mappings = maps::parse(lines);
        maps::arrange(&mut self.view.mappings);
        self.finish()
    }

    /// The profile; tables are numbered by first use.
    pub(super) fn finish(mut self) -> View<'static> {
        let mut order = vec![None; self.locations.len()];
        let mut used = Vec::new();
        let bytes = self.view.texts.intern("bytes");
        let mut held = Held::default();
        for row in &self.rows {
            let stack: Vec<u32> = (row.locations.iter())
                .map(|&location| {
                    *order[location as usize].get_or_insert_with(|| {
                        used.push(location);
                        used.len() as u32 - 1
                    })
                })
                .collect();
            // A block size of 0 says nothing, and profile.proto could not tell it from none.
            let labels = row.block.map(|number| Label { key: bytes, number, ..Label::default() });
            held.push(&stack, &row.values, labels.as_slice());
        }
        let mut locations: Vec<Location> = used.iter().map(|&row| self.locations[row as usize].clone()).collect();
        self.number_functions(&mut locations);
        for (location, id) in locations.iter_mut().zip(1..) {
            location.id = id;
        }
        maps::assign(&mut self.view.mappings, &mut locations);
        for (mapping, id) in self.view.mappings.iter_mut().zip(1..) {
            mapping.id = id;
        }
        self.view.locations = locations;
        self.view.samples = Samples::Held(held);
        frames::set_uninteresting(&mut self.view);
        self.view
    }

    fn number_functions(&mut self, locations: &mut [Location]) {
        let all = std::mem::take(&mut self.view.functions);
        let mut rows: HashMap<u32, u32> = HashMap::new();
        for line in locations.iter_mut().flat_map(|location| &mut location.lines) {
            let next = rows.len() as u32;
            let row = *rows.entry(line.function).or_insert(next);
            if row == next {
                self.view.functions.push(Function { id: u64::from(next) + 1, ..all[line.function as usize] });
            }
            *line = Line { function: row, ..*line };
        }
    }
}

/// A mapping for all addresses that lie in none.
pub(super) fn anywhere() -> Mapping {
    Mapping { limit: u64::MAX, ..Mapping::default() }
}
