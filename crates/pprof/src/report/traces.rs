//! `traces`: every sample with its stack and labels.

use std::fmt::Write as _;
use std::io::Write;

use super::{Report, ReportError};
use crate::graph::{Skeleton, mean};
use crate::labels::LabelGroups;
use crate::measure::label;

const SEPARATOR: &str = "-----------+-------------------------------------------------------";

impl Report<'_, '_> {
    pub(super) fn traces(&mut self, out: &mut dyn Write) -> Result<(), ReportError> {
        writeln!(out, "{}", self.profile_labels().join("\n"))?;
        let skeleton = Skeleton::new(self.view, false);
        let names = skeleton.names();
        let mut result = Ok(());
        self.view.samples.for_each(|sample| {
            if result.is_err() || sample.locations.is_empty() {
                return;
            }
            let divisor = if self.options.mean { sample.values[0] } else { 0 };
            let value = mean(sample.values[self.options.value], divisor);
            let groups = LabelGroups::new(self.view, sample.labels);
            let texts = groups.texts().map(|(key, values)| format!("{key:>10}:  {}\n", values.join(" ")));
            let numbers = groups.numbers().map(|(key, values)| {
                let unit = self.options.label_units.get(key).map_or("", String::as_str);
                let values: Vec<String> = values.iter().map(|value| label(value.number, unit)).collect();
                format!("{key:>10}:  {}\n", values.join(" "))
            });
            let mut lines = texts.collect::<Vec<_>>();
            lines.sort_unstable();
            let mut number_lines = numbers.collect::<Vec<_>>();
            number_lines.sort_unstable();
            let mut shown = self.value(value);
            let frames = sample.locations.iter().flat_map(|&location| {
                let places = skeleton.places(location);
                places.iter().enumerate().map(|(index, &place)| (place, index + 1 != places.len()))
            });
            let mut text = format!("{SEPARATOR}\n{}{}", lines.concat(), number_lines.concat());
            for (place, inlined) in frames {
                let inline = if inlined { " (inline)" } else { "" };
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{shown:>10}   {}{inline}", names[place as usize]);
                shown.clear();
            }
            result = out.write_all(text.as_bytes());
        });
        result?;
        writeln!(out, "{SEPARATOR}")?;
        Ok(())
    }
}
