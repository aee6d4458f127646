//! `raw`: the tables of the profile as text.

use std::fmt::Write as _;
use std::io::Write;

use super::time::{date, duration, fraction};
use super::{Report, ReportError, Zone};
use crate::labels::LabelGroups;
use crate::model::{Location, View};
use crate::samples::Sample;

impl Report<'_, '_> {
    pub(super) fn raw(&mut self, out: &mut dyn Write) -> Result<(), ReportError> {
        self.view.dump(&self.options.zone, out)?;
        Ok(())
    }
}

impl View<'_> {
    /// Writes all tables of the profile as text, as `-raw` does, with its time in `zone`.
    pub fn dump(&self, zone: &Zone, out: &mut dyn Write) -> std::io::Result<()> {
        let view = self;
        for comment in &view.comments {
            writeln!(out, "Comment: {comment}")?;
        }
        if !view.doc_url.is_empty() {
            writeln!(out, "Doc: {}", view.doc_url)?;
        }
        writeln!(out, "PeriodType: {} {}", view.period_type.name, view.period_type.unit)?;
        writeln!(out, "Period: {}", view.period)?;
        if view.time_nanos != 0 {
            let nanos = view.time_nanos;
            writeln!(out, "Time: {}{} {} {}", date(nanos, zone), fraction(nanos), zone.offset(), zone.name)?;
        }
        if view.duration_nanos != 0 {
            // Four characters, whatever they are: the reference asks for a precision that Go applies to the text.
            writeln!(out, "Duration: {}", duration(view.duration_nanos).chars().take(4).collect::<String>())?;
        }
        let types = view.sample_types.iter().map(|kind| {
            let default = if kind.name == view.default_sample_type { "[dflt]" } else { "" };
            format!("{}/{}{default}", kind.name, kind.unit)
        });
        writeln!(out, "Samples:\n{}", types.collect::<Vec<_>>().join(" ").trim())?;
        let mut result = Ok(());
        view.samples.for_each(|sample| {
            if result.is_ok() {
                result = out.write_all(sample_lines(view, sample).as_bytes());
            }
        });
        result?;
        writeln!(out, "Locations")?;
        for location in &view.locations {
            out.write_all(location_lines(view, location).as_bytes())?;
        }
        writeln!(out, "Mappings")?;
        for mapping in &view.mappings {
            let bits = ["[FN]", "[FL]", "[LN]", "[IN]"].into_iter().zip(mapping.has);
            let bits: String = bits.filter(|&(_, has)| has).map(|(bit, _)| bit).collect();
            writeln!(
                out,
                "{}: {:#x}/{:#x}/{:#x} {} {} {bits}",
                mapping.id, mapping.start, mapping.limit, mapping.offset, mapping.file, mapping.build_id
            )?;
        }
        Ok(())
    }
}

fn sample_lines(view: &View<'_>, sample: Sample<'_>) -> String {
    // Writing to a String cannot fail.
    let mut text = String::new();
    for value in sample.values {
        let _ = write!(text, " {value:10}");
    }
    text.push_str(": ");
    for &location in sample.locations {
        let _ = write!(text, "{} ", view.locations[location as usize].id);
    }
    text.push('\n');
    let groups = LabelGroups::new(view, sample.labels);
    let texts = groups.texts().map(|(key, values)| format!("{key}:[{}]", values.join(" ")));
    let numbers = groups.numbers().map(|(key, values)| {
        let with_units = values.iter().any(|value| value.unit.0 != 0);
        let values = values.iter().map(|value| {
            let unit = view.texts.get(value.unit);
            if with_units { format!("{} {unit}", value.number) } else { value.number.to_string() }
        });
        format!("{key}:[{}]", values.collect::<Vec<_>>().join(" "))
    });
    for mut labels in [texts.collect::<Vec<_>>(), numbers.collect()] {
        if !labels.is_empty() {
            labels.sort_unstable();
            let _ = writeln!(text, "                {}", labels.join(" "));
        }
    }
    text
}

fn location_lines(view: &View<'_>, location: &Location) -> String {
    let mut text = format!("{:6}: {:#x} ", location.id, location.address);
    if let Some(mapping) = location.mapping {
        let _ = write!(text, "M={} ", view.mappings[mapping as usize].id);
    }
    if location.folded {
        text.push_str("[F] ");
    }
    for (index, line) in location.lines.iter().enumerate() {
        if index > 0 {
            text.push_str("\n             ");
        }
        let function = &view.functions[line.function as usize];
        let [name, system_name, file] =
            [function.name, function.system_name, function.file].map(|id| view.texts.get(id));
        let _ = write!(text, "{name} {file}:{}:{} s={}", line.line, line.column, function.start_line);
        if name != system_name {
            let _ = write!(text, "({system_name})");
        }
    }
    text.push('\n');
    text
}
