//! The trend for a terminal: metrics with sparklines, sites with their share, what it means, what next.

use std::io::Write;

use brimline_analysis::trend::{VerdictReport, amount, metric_meaning, sparkline};

use super::{TrendView, duration, own_slope, per, unit_named, words};
use crate::quantity::count;
use crate::terminal::{clip, plain, wants_colour};

/// Sites without `--top`.
const DEFAULT_TOP: usize = 10;
const SPARK: usize = 24;

/// Writes it.
pub(super) fn write(view: &TrendView<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
    for line in &view.input.heading {
        writeln!(out, "{}", plain(line))?;
    }
    if !view.input.heading.is_empty() {
        writeln!(out)?;
    }
    let (processes, sites) = view.split();
    write_metrics(view, &processes, out)?;
    if !sites.is_empty() {
        write_sites(view, &sites, out)?;
    }
    write_meaning(view, out)?;
    if view.explain {
        write_explanations(view, &processes, out)?;
    }
    Ok(())
}

fn write_metrics(view: &TrendView<'_>, rows: &[&VerdictReport], out: &mut dyn Write) -> anyhow::Result<()> {
    let (bold, reset) = if wants_colour() { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    let named = rows.iter().any(|row| !row.subject.is_empty());
    let width = |texts: &mut dyn Iterator<Item = usize>, least: usize| texts.max().unwrap_or(0).max(least);
    let metric_width = width(&mut rows.iter().map(|row| row.metric.chars().count()), 6).min(40);
    let subject_width =
        if named { width(&mut rows.iter().map(|row| row.subject.chars().count()), 2).min(44) + 2 } else { 0 };
    let of = if named { "of" } else { "" };
    writeln!(
        out,
        "{bold}{:<metric_width$}  {of:<subject_width$}{:<23}  {:>9}  {:>20}  {:>23}  {:>4}  trend{reset}",
        "metric", "verdict", "last", "slope", "95 % interval", "sure"
    )?;
    for row in rows {
        let Some(series) = view.series_of(row) else { continue };
        let unit = unit_named(series.unit);
        let values: Vec<f64> = series.points.iter().map(|point| point.1).collect();
        let last = values.last().map_or_else(|| "–".to_owned(), |value| amount(*value, unit));
        let slope =
            own_slope(row).map_or_else(|| "–".to_owned(), |slope| format!("{}/{}", signed(slope, unit), per(row)));
        let interval = match (row.slope.low, row.slope.high) {
            (Some(low), Some(high)) => format!("{} … {}", amount(low, unit), amount(high, unit)),
            _ => "–".to_owned(),
        };
        let line = format!(
            "{:<metric_width$}  {:<subject_width$}{:<23}  {last:>9}  {slope:>20}  {interval:>23}  {:>3.0}%  {}",
            plain(&clip(&row.metric, metric_width)),
            plain(&clip(&row.subject, subject_width.saturating_sub(2))),
            words(row),
            row.confidence * 100.0,
            sparkline(&values, SPARK)
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn signed(value: f64, unit: brimline_profile::series::Unit) -> String {
    format!("{}{}", if value > 0.0 { "+" } else { "" }, amount(value, unit))
}

fn write_sites(view: &TrendView<'_>, sites: &[&VerdictReport], out: &mut dyn Write) -> anyhow::Result<()> {
    let (bold, dim, reset) = if wants_colour() { ("\x1b[1m", "\x1b[2m", "\x1b[0m") } else { ("", "", "") };
    let growing: Vec<&&VerdictReport> = sites.iter().filter(|site| site.growth.unwrap_or(0.0) > 0.0).collect();
    let leaking = sites.iter().filter(|site| site.verdict.is_leak()).count();
    writeln!(
        out,
        "\n{leaking} of {} allocation sites leak, {} hold more at the end ({} snapshots, false discoveries controlled)",
        count(sites.len() as i64),
        count(growing.len() as i64),
        view.input.snapshots.unwrap_or(0)
    )?;
    if growing.is_empty() {
        return Ok(());
    }
    let shown = &growing[..growing.len().min(view.top.unwrap_or(DEFAULT_TOP))];
    let labels: Vec<_> = shown.iter().map(|site| plain(&site.subject).into_owned()).collect();
    let place_width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(4).clamp(4, 60);
    writeln!(
        out,
        "{bold}{:>6}  {:>11}  {:<18}  {:>16}  {:<12}  {:<place_width$}  source{reset}",
        "share", "growth", "verdict", "slope", "trend", "site"
    )?;
    for (site, label) in shown.iter().zip(&labels) {
        let Some(series) = view.series_of(site) else { continue };
        let unit = unit_named(series.unit);
        let values: Vec<f64> = series.points.iter().map(|point| point.1).collect();
        let slope =
            own_slope(site).map_or_else(|| "–".to_owned(), |slope| format!("{}/{}", signed(slope, unit), per(site)));
        let text = view.input.sites.get(&site.subject).and_then(|place| {
            let (file, line) = place.file.as_deref().zip(place.line)?;
            view.input.source.line(file, line)
        });
        let line = format!(
            "{:>6}  {:>11}  {:<18}  {slope:>16}  {:<12}  {:<place_width$}  {dim}{}{reset}",
            site.growth_share.map_or_else(|| "–".to_owned(), |share| format!("{:.1}%", share * 100.0)),
            signed(site.growth.unwrap_or(0.0), unit),
            words(site),
            sparkline(&values, 12),
            clip(label, 60),
            clip(&plain(&text.unwrap_or_default()), 60),
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    if growing.len() > shown.len() {
        writeln!(out, "{} more sites (--top N shows more, --json all)", count((growing.len() - shown.len()) as i64))?;
    }
    Ok(())
}

/// The answer for each process in words, then what to do next.
fn write_meaning(view: &TrendView<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
    let (bold, reset) = if wants_colour() { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    let largest = view
        .split()
        .1
        .into_iter()
        .filter(|site| site.verdict.is_leak())
        .filter_map(|site| Some((site.growth_share?, site)))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    for row in view.report.headlines() {
        let subject = if row.subject.is_empty() { String::new() } else { format!(" ({})", plain(&row.subject)) };
        writeln!(out, "\n{bold}{}{subject}{reset}: {}", words(row), plain(&row.explanation))?;
        if let Some((share, site)) = largest.filter(|_| row.verdict.is_leak() && row.signal != "count") {
            writeln!(out, "  {:.0} % of the growth is allocated at {}", share * 100.0, plain(&site.subject))?;
        }
        if let (Some(seconds), Some(limit)) = (row.seconds_to_limit, row.limit) {
            let limit = amount(limit, brimline_profile::series::Unit::Bytes);
            writeln!(out, "  at this rate the limit of {limit} is reached in {}", duration(seconds))?;
        }
        let technical = |note: &&String| note.starts_with("supporting:") && !view.explain;
        for note in row.notes.iter().filter(|note| !technical(note)) {
            writeln!(out, "  {}", plain(note))?;
        }
        if let Some(needs) = &row.needs {
            writeln!(out, "  to be surer: {}", plain(needs))?;
        }
    }
    let Some(snapshots) = view.input.snapshots else { return Ok(()) };
    let name = &view.input.name;
    if snapshots < 12 {
        writeln!(
            out,
            "\nnext: allocation sites are judged from 12 snapshots on, this run has {snapshots}; record with\n  brimline run --snapshot-every 5s -- …   (a collection and a snapshot each time)"
        )?;
    } else if view.report.verdicts.iter().any(|one| one.verdict.is_leak()) {
        let of_goroutines = |one: &VerdictReport| one.metric == "goroutines" && one.verdict.is_leak();
        let goroutines = if view.report.verdicts.iter().any(of_goroutines) {
            format!("brimline goroutines {name}     ")
        } else {
            String::new()
        };
        writeln!(
            out,
            "\nnext: {goroutines}brimline report {name} --by stack --top 5     brimline trend {name} --format html -o trend.html"
        )?;
    }
    Ok(())
}

fn write_explanations(view: &TrendView<'_>, rows: &[&VerdictReport], out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "\nWhat the metrics mean")?;
    let mut told = std::collections::BTreeSet::new();
    for series in &view.report.series {
        let meaning = metric_meaning(&series.metric);
        if told.insert(series.metric.as_str()) {
            writeln!(out, "  {}: {}", plain(&series.metric), meaning.unwrap_or("a metric brimline does not know"))?;
        }
    }
    writeln!(out, "\nWhat each verdict says")?;
    for row in rows {
        let subject = if row.subject.is_empty() { String::new() } else { format!(" of {}", plain(&row.subject)) };
        writeln!(out, "  {}{subject}: {}", plain(&row.metric), plain(&row.explanation))?;
    }
    writeln!(
        out,
        "\nThe interval holds the true slope in 95 of 100 runs. `sure` is limited by the signal: live bytes of one site\nafter a collection (99 %), the heap after a collection (97 %), the low points of the heap (85 %), resident memory (60 %)."
    )?;
    Ok(())
}
