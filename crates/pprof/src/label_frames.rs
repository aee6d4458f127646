//! Labels as frames at the root or leaf of stacks.

use std::collections::HashMap;

use crate::labels::LabelGroups;
use crate::measure::scaled_label;
use crate::model::{Function, Line, Location, View};
use crate::samples::{Label, Samples};

impl View<'_> {
    /// Adds a frame per key of `roots` and `leaves` to every sample; numbers are shown in `unit`.
    /// Tells whether any sample has a label of each kind.
    pub fn add_label_frames(&mut self, roots: &[&str], leaves: &[&str], unit: &str) -> (bool, bool) {
        let mut matched = (false, false);
        if roots.is_empty() && leaves.is_empty() {
            return matched;
        }
        let mut frames = Frames {
            locations: HashMap::new(),
            next_location: self.locations.iter().map(|location| location.id).max().unwrap_or(0) + 1,
            next_function: self.functions.iter().map(|function| function.id).max().unwrap_or(0) + 1,
        };
        let samples = std::mem::take(&mut self.samples);
        let mut out = crate::samples::Held::default();
        samples.for_each(|sample| {
            let mut stack = Vec::new();
            let mut add = |view: &mut View<'_>, stack: &mut Vec<u32>, keys: &[&str], matched: &mut bool| {
                for key in keys.iter().rev() {
                    let values = values(view, sample.labels, key, unit);
                    *matched |= !values.is_empty();
                    stack.push(frames.location(view, &values.join(","), key));
                }
            };
            add(self, &mut stack, leaves, &mut matched.1);
            stack.extend_from_slice(sample.locations);
            add(self, &mut stack, roots, &mut matched.0);
            out.push(&stack, sample.values, sample.labels);
        });
        self.samples = Samples::Held(out);
        matched
    }
}

/// Locations made for labels, each once.
struct Frames {
    locations: HashMap<(String, String), u32>,
    next_location: u64,
    next_function: u64,
}

impl Frames {
    fn location(&mut self, view: &mut View<'_>, name: &str, key: &str) -> u32 {
        if let Some(&index) = self.locations.get(&(name.to_owned(), key.to_owned())) {
            return index;
        }
        let function = view.functions.len() as u32;
        let (text, file) = (view.texts.intern(name), view.texts.intern(key));
        view.functions.push(Function { id: self.next_function, name: text, file, ..Function::default() });
        let index = view.locations.len() as u32;
        let lines = vec![Line { function, ..Line::default() }];
        view.locations.push(Location { id: self.next_location, lines, ..Location::default() });
        self.next_function += 1;
        self.next_location += 1;
        self.locations.insert((name.to_owned(), key.to_owned()), index);
        index
    }
}

/// All values of the label `key`, texts first.
fn values(view: &View<'_>, labels: &[Label], key: &str, unit: &str) -> Vec<String> {
    let groups = LabelGroups::new(view, labels);
    let mut found: Vec<String> = Vec::new();
    for (_, values) in groups.texts().filter(|&(name, _)| name == key) {
        found.extend(values.iter().map(|&value| value.to_owned()));
    }
    for (_, values) in groups.numbers().filter(|&(name, _)| name == key) {
        let with_units = values.iter().any(|value| value.unit.0 != 0);
        found.extend(values.iter().map(|value| {
            let (from, to) = if with_units { (view.texts.get(value.unit), unit) } else { ("", "") };
            scaled_label(value.number, from, to)
        }));
    }
    found
}
