//! The closing words of a recording, on standard error: peak, live, the largest lines, where it is, what next.

use std::io::Write;

use brimline_analysis::aggregate::{Attribution, By, Query, Row, aggregate};
use brimline_analysis::filter::Filter;
use brimline_profile::value;
use serde_json::{Value, json};

use crate::input::Input;
use crate::quantity::{bytes, count};
use crate::report::asked_for_stacks;
use crate::site::Site;
use crate::terminal::{clip, plain};

/// Lines of source in the summary.
const TOP: usize = 5;

/// What a finished recording is told by.
pub(crate) struct Summary<'a> {
    input: &'a Input,
    rows: Vec<Row>,
    totals: Vec<i64>,
}

impl<'a> Summary<'a> {
    /// The summary of a run.
    pub(crate) fn of(input: &'a Input) -> Self {
        let filter = Filter::default();
        let query = Query {
            by: By::Line,
            attribution: Attribution::Own,
            filter: &filter,
            places: &input.places,
            column: value::PEAK_BYTES,
        };
        let mut table = aggregate(&input.recorded.profile, query);
        table.rows.truncate(TOP);
        Self { input, rows: table.rows, totals: table.totals }
    }

    fn site(&self, row: &Row) -> Site {
        Site::of(&self.input.recorded.profile, &self.input.places, &row.place)
    }

    /// For people.
    pub(crate) fn write(&self, folder: &str, out: &mut dyn Write) -> std::io::Result<()> {
        let total = |column: usize| self.totals.get(column).copied().unwrap_or(0);
        let mut facts = vec![
            format!("peak {}", bytes(total(value::PEAK_BYTES))),
            format!("live at the end {}", bytes(total(value::LIVE_BYTES))),
            format!("{} allocations", count(total(value::TOTAL_COUNT))),
        ];
        facts.extend(self.input.untracked.at_peak.map(|untracked| format!("untracked {}", bytes(untracked))));
        writeln!(out, "\nbrimline: {}", facts.join(" · "))?;
        if let Some(note) = asked_for_stacks(&self.input.recorded) {
            writeln!(out, "brimline: {note}")?;
        }
        writeln!(out, "brimline: largest at the peak:")?;
        for row in &self.rows {
            let site = self.site(row);
            let text = site.file.as_deref().zip(site.line).and_then(|(file, line)| self.input.source.line(file, line));
            let text = text.map(|text| format!("  {}", clip(&plain(&text), 60))).unwrap_or_default();
            writeln!(out, "{:>12}  {}{text}", bytes(row.values[value::PEAK_BYTES]), plain(&site.label()))?;
        }
        writeln!(out, "brimline: run {} in {}", self.input.name, plain(folder))?;
        writeln!(
            out,
            "brimline: next: brimline report {0} · brimline report {0} --format flame -o memory.svg",
            self.input.name
        )
    }

    /// For programs.
    pub(crate) fn to_json(&self, folder: &str, exit_code: i32, problems: &[String]) -> Value {
        let total = |column: usize| self.totals.get(column).copied();
        let rows = self.rows.iter().map(|row| {
            let mut object = self.site(row).to_json();
            object.insert("peak_bytes".into(), json!(row.values[value::PEAK_BYTES]));
            object.insert("live_bytes".into(), json!(row.values[value::LIVE_BYTES]));
            Value::Object(object)
        });
        json!({
            "schema": "brimline.run/1", "run": self.input.name, "folder": folder, "exit_code": exit_code,
            "totals": {
                "live_bytes": total(value::LIVE_BYTES), "live_count": total(value::LIVE_COUNT),
                "peak_bytes": total(value::PEAK_BYTES), "total_bytes": total(value::TOTAL_BYTES),
                "total_count": total(value::TOTAL_COUNT), "untracked_bytes": self.input.untracked.at_end,
            },
            "rows": rows.collect::<Vec<_>>(), "problems": problems,
        })
    }
}
