//! Rows for spreadsheets (RFC 4180), all of them unless `--top`.

use std::io::Write;

use brimline_profile::formats::csv::field;
use brimline_profile::value;

use super::{Report, ReportInput, Rows};
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
                write!(out, "file,path,line,function,module,thread,")?;
                write!(out, "live_bytes,live_count,peak_bytes,total_bytes,total_count\r\n")?;
                for row in rows.iter().take(top) {
                    let site = Site::of(profile, places, &row.place);
                    let text = |text: &Option<String>| field(text.as_deref().unwrap_or(""));
                    let line = site.line.map(|line| line.to_string()).unwrap_or_default();
                    write!(out, "{},{},{line},{},", text(&site.file), text(&site.path), text(&site.function))?;
                    write!(out, "{},{}", text(&site.module), text(&site.thread))?;
                    for column in [
                        value::LIVE_BYTES,
                        value::LIVE_COUNT,
                        value::PEAK_BYTES,
                        value::TOTAL_BYTES,
                        value::TOTAL_COUNT,
                    ] {
                        if report.input.measured[column] {
                            write!(out, ",{}", row.values[column])?;
                        } else {
                            write!(out, ",")?;
                        }
                    }
                    write!(out, "\r\n")?;
                }
            }
            Rows::Sizes(rows) => {
                write!(out, "min_bytes,max_bytes,live_bytes,live_count,total_bytes,total_count\r\n")?;
                for row in rows.iter().take(top) {
                    write!(out, "{},{},{},{},", row.min_bytes, row.max_bytes, row.live_bytes, row.live_count)?;
                    write!(out, "{},{}\r\n", row.total_bytes, row.total_count)?;
                }
            }
        }
        Ok(())
    }
}
