//! The labels of a sample by key.

use crate::model::View;
use crate::samples::Label;

/// Labels grouped by key, keys in the order they first appear.
#[derive(Debug)]
pub(crate) struct LabelGroups<'v> {
    texts: Vec<(&'v str, Vec<&'v str>)>,
    numbers: Vec<(&'v str, Vec<Label>)>,
}

impl<'v> LabelGroups<'v> {
    pub(crate) fn new(view: &'v View<'_>, labels: &[Label]) -> Self {
        let mut groups = Self { texts: Vec::new(), numbers: Vec::new() };
        for label in labels {
            let key = view.texts.get(label.key);
            if label.is_text() {
                push(&mut groups.texts, key, view.texts.get(label.text));
            } else {
                push(&mut groups.numbers, key, *label);
            }
        }
        groups
    }

    /// Text labels.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&'v str, &[&'v str])> {
        self.texts.iter().map(|(key, values)| (*key, values.as_slice()))
    }

    /// Numeric labels.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = (&'v str, &[Label])> {
        self.numbers.iter().map(|(key, values)| (*key, values.as_slice()))
    }
}

fn push<'v, T>(groups: &mut Vec<(&'v str, Vec<T>)>, key: &'v str, value: T) {
    match groups.iter_mut().find(|(known, _)| *known == key) {
        Some((_, values)) => values.push(value),
        None => groups.push((key, vec![value])),
    }
}
