//! The series without verdicts, for spreadsheets and databases: CSV, and Prometheus' text format 0.0.4.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use brimline_analysis::trend::{SeriesReport, metric_meaning};

use super::TrendView;
use crate::terminal::plain;

/// Name of a series in files: with its unit, as `trend` reads it back.
fn column(series: &SeriesReport) -> String {
    match series.unit {
        "bytes" => format!("{}_bytes", series.metric),
        _ => series.metric.clone(),
    }
}

/// One row for each moment and subject; a cell is empty where nothing was measured.
pub(super) fn write_csv(view: &TrendView<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
    let columns: BTreeSet<String> = view.report.series.iter().map(column).collect();
    // Times are ordered as numbers; they are never negative, so their bits are in the same order.
    let mut rows: BTreeMap<(u64, &str), BTreeMap<String, f64>> = BTreeMap::new();
    for series in &view.report.series {
        for (seconds, value) in &series.points {
            let row = rows.entry((seconds.max(0.0).to_bits(), &series.subject)).or_default();
            row.insert(column(series), *value);
        }
    }
    write!(out, "seconds,site")?;
    for name in &columns {
        write!(out, ",{}", cell(name))?;
    }
    writeln!(out)?;
    for ((seconds, subject), values) in rows {
        write!(out, "{:.3},{}", f64::from_bits(seconds), cell(subject))?;
        for name in &columns {
            match values.get(name) {
                Some(value) => write!(out, ",{value}")?,
                None => write!(out, ",")?,
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

/// A cell that no spreadsheet takes for a formula and no separator breaks.
fn cell(text: &str) -> String {
    let text = plain(text);
    let guarded = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text.into_owned() };
    if guarded.contains([',', '"', ';']) { format!("\"{}\"", guarded.replace('"', "\"\"")) } else { guarded }
}

/// One sample a line, with the time in milliseconds since 1970 where the run's start is known.
pub(super) fn write_prometheus(view: &TrendView<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut by_name: BTreeMap<String, Vec<&SeriesReport>> = BTreeMap::new();
    for series in &view.report.series {
        let name: String = column(series)
            .chars()
            .map(|letter| if letter.is_ascii_alphanumeric() || letter == '_' { letter } else { '_' })
            .collect();
        by_name.entry(format!("brimline_{name}")).or_default().push(series);
    }
    for (name, all) in by_name {
        if let Some(meaning) = all.first().and_then(|one| metric_meaning(&one.metric)) {
            writeln!(out, "# HELP {name} {meaning}")?;
        }
        writeln!(out, "# TYPE {name} gauge")?;
        for series in all {
            let subject = plain(&series.subject).replace('\\', "\\\\").replace('"', "\\\"");
            let run = plain(&view.input.name).replace('\\', "\\\\").replace('"', "\\\"");
            for (seconds, value) in &series.points {
                let at = (view.input.start_ms + seconds * 1e3).round();
                writeln!(out, "{name}{{run=\"{run}\",subject=\"{subject}\"}} {value} {at}")?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use brimline_analysis::trend::{JudgeOptions, judge};
    use brimline_profile::formats::series_columns::SeriesOptions;
    use brimline_profile::formats::series_file;
    use brimline_profile::series::{Point, Series, Unit};

    use super::*;
    use crate::trend_input::TrendInput;

    fn series(metric: &str, subject: &str, values: &[f64]) -> Series {
        let points = values.iter().enumerate().map(|(at, value)| Point::new(at as f64, *value)).collect();
        Series { metric: metric.into(), subject: subject.into(), unit: Unit::Bytes, points, ..Series::default() }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let input = TrendInput {
            name: "r\"1".into(),
            series: vec![series("rss", "app, \"one\"", &[1.0, 2.0, 4.0]), series("rss", "=cmd", &[5.0, 6.0])],
            start_ms: 1e12,
            ..TrendInput::default()
        };
        let report = judge(&input.series, &JudgeOptions::default());
        let view = TrendView { input: &input, report: &report, explain: false, top: None };
        let (mut csv, mut text) = (Vec::new(), Vec::new());
        write_csv(&view, &mut csv).unwrap();
        write_prometheus(&view, &mut text).unwrap();
        let told = String::from_utf8(csv.clone()).unwrap();
        assert!(told.starts_with("seconds,site,rss_bytes\n0.000,'=cmd,5\n"), "{told}");
        for bytes in [csv, text] {
            let read = series_file::decode(&bytes, &SeriesOptions::default()).unwrap();
            let mut found: Vec<Vec<f64>> =
                read.series.iter().map(|one| one.points.iter().map(|point| point.value).collect()).collect();
            found.sort_by_key(Vec::len);
            assert_eq!(found, [vec![5.0, 6.0], vec![1.0, 2.0, 4.0]], "{}", String::from_utf8_lossy(&bytes));
        }
    }
}
