//! `tags`: how much each label value weighs.

use std::collections::HashMap;
use std::io::Write;

use super::{Report, ReportError};
use crate::graph::{Tag, sort_tags};
use crate::measure::{percentage, scaled_label};
use crate::samples::Label;

impl Report<'_, '_> {
    pub(super) fn tags(&mut self, out: &mut dyn Write) -> Result<(), ReportError> {
        let options = &self.options;
        let view = &*self.view;
        let mut weights: HashMap<Label, i64> = HashMap::new();
        view.samples.for_each_without_stack(|sample| {
            for label in sample.labels {
                let weight = weights.entry(*label).or_default();
                *weight = weight.wrapping_add(sample.values[options.value]);
            }
        });
        let mut keys: HashMap<&str, (i64, HashMap<String, i64>)> = HashMap::new();
        for (label, weight) in weights {
            let key = view.texts.get(label.key);
            let name = if label.is_text() {
                view.texts.get(label.text).to_owned()
            } else {
                let unit = options.label_units.get(key).map_or("", String::as_str);
                scaled_label(label.number, unit, &options.output_unit)
            };
            let (sum, values) = keys.entry(key).or_default();
            *sum = sum.wrapping_add(weight);
            let flat = values.entry(name).or_default();
            *flat = flat.wrapping_add(weight);
        }

        // The reference sorts the keys by a weight it never fills in, which leaves the name.
        let mut keys: Vec<_> = keys.into_iter().collect();
        keys.sort_unstable_by_key(|&(key, _)| key);
        for (key, (sum, values)) in keys {
            let mut rows = Vec::with_capacity(values.len());
            let mut tags: Vec<Tag> =
                values.into_iter().map(|(name, flat)| Tag { name, flat, ..Tag::default() }).collect();
            sort_tags(&mut tags, true);
            let share = |value: i64| {
                if self.total > 0 { format!(" ({})", percentage(value, self.total)) } else { String::new() }
            };
            for tag in &tags {
                rows.push((format!("{}{}:", self.value(tag.flat), share(tag.flat)), tag.name.as_str()));
            }
            let head =
                (format!("{key}:"), format!(" Total {} of {}{}", self.value(sum), self.value(self.total), share(sum)));
            write_block(out, &head, &rows)?;
        }
        Ok(())
    }
}

/// Columns aligned to the right as Go's `tabwriter` does: a cell takes the width of the widest in consecutive lines
/// that have it, plus one; what follows the last tab is not aligned.
fn write_block(out: &mut dyn Write, head: &(String, String), rows: &[(String, &str)]) -> std::io::Result<()> {
    let length = |text: &str| text.chars().count();
    let first = rows.iter().map(|_| 1).chain([length(&head.0)]).max().unwrap_or(0) + 1;
    let second = rows.iter().map(|row| length(&row.0)).max().unwrap_or(0) + 1;
    writeln!(out, "{:>first$}{}", head.0, head.1)?;
    for (value, name) in rows {
        writeln!(out, "{:>first$}{value:>second$} {name}", " ")?;
    }
    writeln!(out)
}
