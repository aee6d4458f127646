//! `brimline.report/1`: all rows unless `--top`, unknown is null.

use std::io::Write;

use brimline_analysis::aggregate::Place;
use brimline_analysis::interval::interval;
use serde_json::{Map, Value, json};

use super::{NUMBERS, Report, ReportInput, Rows};
use crate::site::{FrameTexts, Site};
use crate::terminal::JsonGuard;
use crate::view::RowKind;

/// Row of [`super::REPORTS`].
pub(crate) struct Json;

impl Report for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn about(&self) -> &'static str {
        "the documented schema, all rows"
    }

    fn render(&self, report: &ReportInput<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
        let out = &mut JsonGuard(out);
        let mut totals = Map::new();
        insert_values(&mut totals, report, &report.totals);
        totals.insert("untracked_bytes".into(), json!(report.untracked_bytes()));
        let go = report.input.go.as_ref();
        if let Some(go) = go {
            totals.insert("live_heap_bytes".into(), json!(go.live_bytes));
            totals.insert("live_heap_objects".into(), json!(go.live_objects));
        }
        let node = report.input.node.as_ref();
        if let Some(node) = node {
            totals.insert("used_heap_bytes".into(), json!(node.used_bytes));
            totals.insert("pauses".into(), node.pauses.to_json());
        }
        let captures = go.map(|go| &go.json).or(node.map(|node| &node.json));
        let captures = captures.map(|captures| format!("\"captures\":{},", json!(captures))).unwrap_or_default();
        let totals = Value::Object(totals);
        let mode = report.input.recorded.processes.first().map(|process| process.mode.name());
        write!(
            out,
            "{{\"schema\":\"brimline.report/1\",\"run\":{},\"process\":{},\"by\":\"{}\",\"metric\":\"{}\",\"mode\":{},\"notes\":{},{captures}\"totals\":{totals},\n\"rows\":[",
            json!(report.input.name),
            json!(report.input.process),
            report.by.name(),
            report.metric.name(),
            json!(mode),
            json!(crate::allocators::notes(&report.input.recorded.profile)),
        )?;
        let top = report.top.unwrap_or(usize::MAX);
        match &report.rows {
            Rows::Places(rows) => {
                let (profile, places) = (&report.input.recorded.profile, &report.input.places);
                let texts = (report.by == RowKind::Stack).then(|| FrameTexts::of(profile, places));
                for (index, row) in rows.iter().take(top).enumerate() {
                    let object = place_row(report, &row.place, &row.values);
                    write!(out, "{}", separator(index))?;
                    match (&texts, &row.place) {
                        (Some(texts), Place::Stack(stack)) => texts.write_row(profile, object, *stack, out)?,
                        _ => write!(out, "{}", Value::Object(object))?,
                    }
                }
            }
            Rows::Sizes(rows) => {
                for (index, row) in rows.iter().take(top).enumerate() {
                    let mut object = json!({
                        "min_bytes": row.min_bytes, "max_bytes": row.max_bytes,
                        "live_bytes": row.live_bytes, "live_count": row.live_count, "peak_bytes": null,
                        "total_bytes": row.total_bytes, "total_count": row.total_count,
                    });
                    let names = ["live_bytes", "live_count", "total_bytes", "total_count"];
                    let intervals = row.intervals(report.input.recorded.profile.precision);
                    for (name, (low, high)) in names.into_iter().zip(intervals.into_iter().flatten()) {
                        object[format!("{name}_low")] = json!(low);
                        object[format!("{name}_high")] = json!(high);
                    }
                    write!(out, "{}{object}", separator(index))?;
                }
            }
            Rows::Processes(rows) => {
                for (index, row) in rows.iter().take(top).enumerate() {
                    let mut object = Map::new();
                    object.insert("process".into(), json!(row.pid));
                    object.insert("parent".into(), json!(row.parent_pid));
                    object.insert("command".into(), json!(row.command));
                    insert_values(&mut object, report, &row.values);
                    write!(out, "{}{}", separator(index), Value::Object(object))?;
                }
            }
        }
        writeln!(out, "\n]}}")?;
        Ok(())
    }
}

fn separator(index: usize) -> &'static str {
    if index == 0 { "\n" } else { ",\n" }
}

fn place_row(report: &ReportInput<'_>, place: &Place, values: &[i64]) -> Map<String, Value> {
    let (profile, places) = (&report.input.recorded.profile, &report.input.places);
    let mut row = Site::of(profile, places, place).to_json();
    insert_values(&mut row, report, values);
    row
}

/// The numbers of a row or of the totals; of a sampled recording each with its 95 % interval.
fn insert_values(object: &mut Map<String, Value>, report: &ReportInput<'_>, values: &[i64]) {
    for (name, column) in NUMBERS {
        let known = report.input.measured[column];
        object.insert(name.into(), json!(values.get(column).filter(|_| known)));
        if !known {
            continue;
        }
        if let Some((low, high)) = interval(report.input.recorded.profile.precision, values, column) {
            object.insert(format!("{name}_low"), json!(low));
            object.insert(format!("{name}_high"), json!(high));
        }
    }
}
