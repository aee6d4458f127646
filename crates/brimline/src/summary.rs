//! The closing words of a recording, on standard error: peak, live, the largest lines, where it is, what next.

use std::io::Write;

use brimline_analysis::aggregate::{Attribution, By, Query, Row, aggregate};
use brimline_analysis::filter::Filter;
use brimline_profile::value;
use serde_json::{Value, json};

use crate::input::{GoHeap, Input};
use crate::node::NodeHeap;
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
            column: if input.measured[value::PEAK_BYTES] { value::PEAK_BYTES } else { value::LIVE_BYTES },
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
        if let Some(go) = &self.input.go {
            return self.write_go(go, folder, out);
        }
        if let Some(node) = &self.input.node {
            return self.write_node(node, folder, out);
        }
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
        self.write_rows(value::PEAK_BYTES, out)?;
        writeln!(out, "brimline: run {} in {}", self.input.name, plain(folder))?;
        writeln!(
            out,
            "brimline: next: brimline report {0} · brimline report {0} --format flame -o memory.svg",
            self.input.name
        )
    }

    /// Of a Go program: there the heap at its highest is not known, but the one after the last collection is.
    fn write_go(&self, go: &GoHeap, folder: &str, out: &mut dyn Write) -> std::io::Result<()> {
        writeln!(out)?;
        for line in go.heading() {
            writeln!(out, "brimline: {}", plain(&line))?;
        }
        self.write_rows(value::LIVE_BYTES, out)?;
        writeln!(out, "brimline: run {} in {}", self.input.name, plain(folder))?;
        // A profile that a test binary wrote itself has nothing beside it.
        let more = match go.live_bytes {
            Some(_) => format!(" · brimline report {0} --by rss · brimline goroutines {0}", self.input.name),
            None => format!(" · brimline report {} --by package", self.input.name),
        };
        writeln!(out, "brimline: next: brimline report {}{more}", self.input.name)
    }

    /// Of a Node program: V8 knows what lives, not what lived at the peak.
    fn write_node(&self, node: &NodeHeap, folder: &str, out: &mut dyn Write) -> std::io::Result<()> {
        writeln!(out)?;
        for line in &node.heading {
            writeln!(out, "brimline: {}", plain(line))?;
        }
        self.write_rows(value::LIVE_BYTES, out)?;
        writeln!(out, "brimline: run {} in {}", self.input.name, plain(folder))?;
        writeln!(
            out,
            "brimline: next: brimline report {0} · while it runs: brimline snapshot, then brimline heap top {0}",
            self.input.name
        )
    }

    fn write_rows(&self, column: usize, out: &mut dyn Write) -> std::io::Result<()> {
        for row in self.rows.iter().filter(|row| row.values[column] > 0) {
            let site = self.site(row);
            let text = site.file.as_deref().zip(site.line).and_then(|(file, line)| self.input.source.line(file, line));
            let text = text.map(|text| format!("  {}", clip(&plain(&text), 60))).unwrap_or_default();
            writeln!(out, "{:>12}  {}{text}", bytes(row.values[column]), plain(&site.label()))?;
        }
        Ok(())
    }

    /// For programs.
    pub(crate) fn to_json(&self, folder: &str, exit_code: i32, problems: &[String]) -> Value {
        let total = |column: usize| self.totals.get(column).copied().filter(|_| self.input.measured[column]);
        let go = self.input.go.as_ref();
        let rows = self.rows.iter().map(|row| {
            let mut object = self.site(row).to_json();
            let peak = self.input.measured[value::PEAK_BYTES].then_some(row.values[value::PEAK_BYTES]);
            object.insert("peak_bytes".into(), json!(peak));
            object.insert("live_bytes".into(), json!(row.values[value::LIVE_BYTES]));
            Value::Object(object)
        });
        json!({
            "schema": "brimline.run/1", "run": self.input.name, "folder": folder, "exit_code": exit_code,
            "totals": {
                "live_bytes": total(value::LIVE_BYTES), "live_count": total(value::LIVE_COUNT),
                "peak_bytes": total(value::PEAK_BYTES), "total_bytes": total(value::TOTAL_BYTES),
                "total_count": total(value::TOTAL_COUNT), "untracked_bytes": self.input.untracked.at_end,
                "live_heap_bytes": go.map(|go| go.live_bytes),
            },
            "rows": rows.collect::<Vec<_>>(), "problems": problems,
        })
    }
}
