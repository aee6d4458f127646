//! Labels summed up per place.

use std::collections::HashMap;

use super::mean;

/// Labels shown per place in a drawing.
pub(crate) const MAX_TAGS: usize = 4;

/// A label with its values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tag {
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) value: i64,
    pub(crate) flat: i64,
    pub(crate) flat_divisor: i64,
    pub(crate) cum: i64,
    pub(crate) cum_divisor: i64,
}

impl Tag {
    pub(crate) fn flat_value(&self) -> i64 {
        mean(self.flat, self.flat_divisor)
    }

    pub(crate) fn cum_value(&self) -> i64 {
        mean(self.cum, self.cum_divisor)
    }

    fn add(&mut self, divisor: i64, value: i64, flat: bool) {
        let (sum, divisors) =
            if flat { (&mut self.flat, &mut self.flat_divisor) } else { (&mut self.cum, &mut self.cum_divisor) };
        *sum = sum.wrapping_add(value);
        *divisors = divisors.wrapping_add(divisor);
    }
}

/// The labels of one place.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeTags {
    /// By the joined text labels of a sample.
    pub(crate) texts: HashMap<String, Tag>,
    /// By the joined text labels, then by the formatted number.
    pub(crate) numbers: HashMap<String, HashMap<String, Tag>>,
}

/// The labels of one sample, ready to be added to places.
#[derive(Debug, Default)]
pub(crate) struct SampleTags {
    pub(crate) texts: String,
    /// Formatted number, unit and value.
    pub(crate) numbers: Vec<(String, String, i64)>,
}

impl NodeTags {
    pub(crate) fn add(&mut self, sample: &SampleTags, divisor: i64, value: i64, flat: bool) {
        if !sample.texts.is_empty() {
            let tag = self.texts.entry(sample.texts.clone()).or_default();
            tag.name.clone_from(&sample.texts);
            tag.add(divisor, value, flat);
        }
        for (name, unit, number) in &sample.numbers {
            let tags = self.numbers.entry(sample.texts.clone()).or_default();
            let tag = tags.entry(name.clone()).or_insert_with(|| Tag {
                name: name.clone(),
                unit: unit.clone(),
                value: *number,
                ..Tag::default()
            });
            tag.add(divisor, value, flat);
        }
    }

    /// Drops labels that weigh less than `cutoff` both ways.
    pub(crate) fn trim(&mut self, cutoff: i64) {
        let heavy = |_: &String, tag: &mut Tag| {
            tag.flat.unsigned_abs() as i64 >= cutoff || tag.cum.unsigned_abs() as i64 >= cutoff
        };
        self.texts.retain(heavy);
        self.numbers.values_mut().for_each(|tags| tags.retain(heavy));
    }

    /// Number of labels with a flat value.
    pub(crate) fn count(&self) -> usize {
        let numbers = self.numbers.values().flat_map(HashMap::values);
        self.texts.values().chain(numbers).filter(|tag| tag.flat != 0).count()
    }
}

/// Heaviest first, then by name.
pub(crate) fn sort_tags(tags: &mut [Tag], flat: bool) {
    tags.sort_by(|one, other| {
        let by_cum = if flat { std::cmp::Ordering::Equal } else { order(one.cum, other.cum) };
        by_cum.then_with(|| order(one.flat, other.flat)).then_with(|| one.name.cmp(&other.name))
    });
}

fn order(one: i64, other: i64) -> std::cmp::Ordering {
    other.unsigned_abs().cmp(&one.unsigned_abs())
}
