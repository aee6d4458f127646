//! Rows for spreadsheets (RFC 4180), all of them unless `--top`.

use std::io::Write;

use brimline_analysis::interval::interval;
use brimline_profile::Precision;
use brimline_profile::formats::csv::field;

use super::{NUMBERS, Report, ReportInput, Rows};
use crate::site::Site;

/// Row of [`super::REPORTS`].
pub(crate) struct Csv;

impl Report for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn about(&self) -> &'static str {
        "rows for spreadsheets"
    }

    fn render(&self, report: &ReportInput<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
        let top = report.top.unwrap_or(usize::MAX);
        match &report.rows {
            Rows::Places(rows) => {
                let (profile, places) = (&report.input.recorded.profile, &report.input.places);
                write!(out, "file,path,line,function,module,thread{}\r\n", header(report))?;
                for row in rows.iter().take(top) {
                    let site = Site::of(profile, places, &row.place);
                    let text = |text: &Option<String>| field(text.as_deref().unwrap_or(""));
                    let line = site.line.map(|line| line.to_string()).unwrap_or_default();
                    write!(out, "{},{},{line},{},", text(&site.file), text(&site.path), text(&site.function))?;
                    write!(out, "{},{}", text(&site.module), text(&site.thread))?;
                    write_numbers(report, &row.values, out)?;
                }
            }
            Rows::Sizes(rows) => {
                write!(out, "min_bytes,max_bytes,live_bytes,live_count,total_bytes,total_count\r\n")?;
                for row in rows.iter().take(top) {
                    write!(out, "{},{},{},{},", row.min_bytes, row.max_bytes, row.live_bytes, row.live_count)?;
                    write!(out, "{},{}\r\n", row.total_bytes, row.total_count)?;
                }
            }
            Rows::Processes(rows) => {
                write!(out, "process,parent,command{}\r\n", header(report))?;
                for row in rows.iter().take(top) {
                    write!(out, "{},{},{}", row.pid, row.parent_pid, field(&row.command.join(" ")))?;
                    write_numbers(report, &row.values, out)?;
                }
            }
        }
        Ok(())
    }
}

fn is_sampled(report: &ReportInput<'_>) -> bool {
    matches!(report.input.recorded.profile.precision, Precision::Sampled { .. })
}

/// Names of the numbers' columns; of a sampled recording each with those of its 95 % interval.
fn header(report: &ReportInput<'_>) -> String {
    let name = |(name, _): (&str, usize)| {
        if is_sampled(report) { format!(",{name},{name}_low,{name}_high") } else { format!(",{name}") }
    };
    NUMBERS.into_iter().map(name).collect()
}

/// The numbers of a row and the end of its line; what was not measured stays empty.
fn write_numbers(report: &ReportInput<'_>, values: &[i64], out: &mut dyn Write) -> std::io::Result<()> {
    for (_, column) in NUMBERS {
        match values.get(column).filter(|_| report.input.measured[column]) {
            Some(value) => write!(out, ",{value}")?,
            None => write!(out, ",")?,
        }
        if is_sampled(report) {
            match interval(report.input.recorded.profile.precision, values, column) {
                Some((low, high)) => write!(out, ",{low},{high}")?,
                None => write!(out, ",,")?,
            }
        }
    }
    write!(out, "\r\n")
}
