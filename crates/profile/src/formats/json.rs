//! brimline's own JSON of a profile, `brimline.profile/1`: the tables as they are, all columns.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::Encoder;
use crate::{Precision, Profile};

/// The format's row in [`super::ENCODERS`].
#[derive(Debug)]
pub struct Json;

impl Encoder for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn about(&self) -> &'static str {
        "all tables and columns as JSON"
    }

    fn extension(&self) -> &'static str {
        "json"
    }

    /// One array per table, rows point to each other by index; stack 0 is the empty stack. `column` is not used.
    fn encode(&self, profile: &Profile, _column: usize, out: &mut dyn Write) -> io::Result<()> {
        let text = |id| Value::from(profile.strings.get(id));
        let precision = match profile.precision {
            Precision::Exact => json!({ "mode": "exact" }),
            Precision::Sampled { period } => json!({ "mode": "sampled", "period": period }),
        };
        writeln!(out, "{{\"schema\":\"brimline.profile/1\",\"precision\":{precision},")?;
        let columns = profile.value_types.iter().map(|column| json!({ "name": column.name, "unit": column.unit }));
        rows(out, "columns", columns)?;
        let functions = profile.functions.iter().map(|function| {
            json!({ "name": text(function.name), "file": text(function.file), "start_line": function.start_line })
        });
        rows(out, "functions", functions)?;
        rows(out, "frames", profile.frames.iter().map(|frame| json!([frame.function.0, frame.line])))?;
        let stacks = profile.stacks.iter().enumerate().map(|(row, stack)| match row {
            0 => json!([0, null]),
            _ => json!([stack.parent.0, stack.frame.0]),
        });
        rows(out, "stacks", stacks)?;
        let samples = profile.samples().map(|(sample, values)| {
            let labels: serde_json::Map<_, _> =
                profile.labels(sample.labels).map(|(key, value)| (key.to_owned(), Value::from(value))).collect();
            json!({ "stack": sample.stack.0, "labels": labels, "values": values })
        });
        write_rows(out, "samples", samples)?;
        writeln!(out, "}}")
    }
}

fn rows(out: &mut dyn Write, name: &str, rows: impl Iterator<Item = Value>) -> io::Result<()> {
    write_rows(out, name, rows)?;
    writeln!(out, ",")
}

fn write_rows(out: &mut dyn Write, name: &str, rows: impl Iterator<Item = Value>) -> io::Result<()> {
    write!(out, "\"{name}\":[")?;
    for (index, row) in rows.enumerate() {
        write!(out, "{}{row}", if index > 0 { ",\n" } else { "\n" })?;
    }
    write!(out, "]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::example::two_stacks;

    #[test]
    fn tables_point_to_each_other() {
        let mut out = Vec::new();
        Json.encode(&two_stacks(), 0, &mut out).expect("a Vec takes all");
        let file: Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(file["stacks"], json!([[0, null], [0, 0], [1, 1], [0, 2]]));
        assert_eq!(file["samples"][0]["labels"]["thread"], "MainThread");
        assert_eq!(file["frames"][1], json!([1, 12]));
    }
}
