//! The table for people: bytes in human units, share, blocks, place and the source text beside it.

use std::io::Write;

use brimline_analysis::aggregate::{Attribution, Row};
use brimline_analysis::interval::interval;
use brimline_analysis::sizes::SizeRow;
use brimline_profile::formats::recording::{Mode, Recorded};
use brimline_profile::{Precision, value};

use super::processes::ProcessRow;
use super::{Report, ReportInput, Rows};
use crate::allocators::notes;
use crate::metric::Metric;
use crate::quantity::{Text, bytes, count, percent};
use crate::site::Site;
use crate::terminal::{clip, plain, wants_colour, width};

/// Rows shown when nobody says how many.
const DEFAULT_TOP: usize = 20;
/// Columns for a line of source off a terminal.
const SOURCE_COLUMNS: usize = 80;
/// Columns for a place; longer ones are clipped on a terminal only.
const PLACE_COLUMNS: usize = 60;

/// Row of [`super::REPORTS`].
pub(crate) struct Table;

impl Report for Table {
    fn name(&self) -> &'static str {
        "table"
    }

    fn about(&self) -> &'static str {
        "the largest rows with their source text"
    }

    fn render(&self, report: &ReportInput<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
        for line in heading(report) {
            writeln!(out, "{}", plain(&line))?;
        }
        writeln!(out)?;
        match &report.rows {
            Rows::Places(rows) => places(report, rows, out),
            Rows::Sizes(rows) => sizes(report, rows, out),
            Rows::Processes(rows) => processes(report, rows, out),
        }
    }
}

/// What was recorded and how much it is, one fact a line.
pub(super) fn heading(report: &ReportInput<'_>) -> Vec<String> {
    let processes = &report.input.recorded.processes;
    if let Some(node) = &report.input.node {
        let mut lines = node.heading.clone();
        lines.extend(numbers(report));
        return lines;
    }
    if let Some(go) = &report.input.go {
        let mut lines = go.heading();
        lines.extend(numbers(report));
        return lines;
    }
    let about = report.input.about.as_ref().map(|about| format!("{}: {about}", report.input.name));
    let first = about.unwrap_or_else(|| match &processes[..] {
        [one] => format!("{} (process {}, Python {})", command(&one.command), one.pid, one.python),
        [first, ..] => format!("{} ({} processes, added up)", command(&first.command), processes.len()),
        [] => "no recorded process".to_owned(),
    });
    let mut lines = vec![first];
    match processes.first().map(|process| process.mode) {
        Some(Mode::Sampled { period }) => lines.push(format!(
            "sampled, one byte in {}: every number with its 95 % interval; --mode exact counts all",
            count(period as i64)
        )),
        Some(Mode::Malloc) => lines.push(
            "malloc level: Python's small objects count as the arenas they lie in; --mode exact counts each".to_owned(),
        ),
        _ => {}
    }
    let mut numbers: Vec<String> = numbers(report).into_iter().collect();
    numbers.extend(report.untracked_bytes().map(|untracked| format!("untracked {}", bytes(untracked))));
    let open: i64 = processes.iter().map(|process| process.open_fds).sum();
    if open > 0 {
        numbers.push(format!("{} open files", count(open)));
    }
    lines.push(numbers.join(" · "));
    lines.extend(notes(&report.input.recorded.profile));
    lines.extend(asked_for_stacks(&report.input.recorded));
    lines
}

/// Live, peak and allocated memory in one line, as far as they were measured.
fn numbers(report: &ReportInput<'_>) -> Option<String> {
    let total = |column: usize| report.totals.get(column).copied().unwrap_or(0);
    let precision = report.input.recorded.profile.precision;
    let of = |column, text: fn(i64) -> String| {
        let range = range(precision, &report.totals, column, text);
        if range.is_empty() { text(total(column)) } else { format!("{} ({range})", text(total(column))) }
    };
    let measured = report.input.measured;
    let mut numbers = Vec::new();
    for (word, in_bytes, in_blocks) in [
        ("live", value::LIVE_BYTES, Some(value::LIVE_COUNT)),
        ("peak", value::PEAK_BYTES, None),
        ("allocated", value::TOTAL_BYTES, Some(value::TOTAL_COUNT)),
    ] {
        let blocks = in_blocks.filter(|&column| measured[column]).map(|column| of(column, count));
        match (measured[in_bytes].then(|| of(in_bytes, bytes)), blocks) {
            (Some(bytes), Some(blocks)) => numbers.push(format!("{word} {bytes} in {blocks} blocks")),
            (Some(bytes), None) => numbers.push(format!("{word} {bytes}")),
            (None, Some(blocks)) => numbers.push(format!("{word} {blocks}")),
            (None, None) => {}
        }
    }
    (!numbers.is_empty()).then(|| numbers.join(" · "))
}

/// What there is to say about interpreters whose frames this tracker cannot read.
pub(crate) fn asked_for_stacks(recorded: &Recorded) -> Option<String> {
    let process = recorded.processes.iter().find(|process| process.asked_for_stacks)?;
    Some(format!(
        "Python {} is not known to this brimline: its stacks came from the public API; exact, but slower",
        process.python
    ))
}

/// The 95 % interval of a sampled number, shortly; empty for one that was counted.
pub(super) fn range(precision: Precision, values: &[i64], column: usize, text: impl Fn(i64) -> String) -> String {
    interval(precision, values, column).map_or_else(String::new, |(low, high)| format!("{}–{}", text(low), text(high)))
}

/// The arguments in one line.
pub(super) fn command(words: &[String]) -> String {
    let text = words.join(" ");
    if text.is_empty() { "unknown command".to_owned() } else { clip(&text, 120).into_owned() }
}

fn places(report: &ReportInput<'_>, rows: &[Row], out: &mut dyn Write) -> anyhow::Result<()> {
    let column = report.metric.column();
    let held: Vec<&Row> = rows.iter().filter(|row| row.values[column] > 0).collect();
    let shown = &held[..held.len().min(report.top.unwrap_or(DEFAULT_TOP))];
    let count_column = if report.metric == Metric::Total { value::TOTAL_COUNT } else { value::LIVE_COUNT };
    let has_counts = report.input.measured[count_column];
    let blocks = |row: &Row| if has_counts { count(row.values[count_column]) } else { "-".to_owned() };
    let (profile, names) = (&report.input.recorded.profile, &report.input.places);
    let sites: Vec<Site> = shown.iter().map(|row| Site::of(profile, names, &row.place)).collect();
    let labels: Vec<String> = sites.iter().map(|site| plain(&site.label()).into_owned()).collect();
    let terminal = width();
    let place_width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(5).max(5);
    let place_width = if terminal.is_some() { place_width.min(PLACE_COLUMNS) } else { place_width };
    let source_width = terminal.map_or(SOURCE_COLUMNS, |columns| columns.saturating_sub(40 + place_width));
    let (bold, dim, reset) = if wants_colour() { ("\x1b[1m", "\x1b[2m", "\x1b[0m") } else { ("", "", "") };
    let title = report.metric.name();
    // Of sampled numbers each has its interval beside it.
    let ranges = |row: &Row| {
        [(column, report.metric.text()), (count_column, count as fn(i64) -> String)]
            .map(|(column, text)| range(profile.precision, &row.values, column, text))
    };
    let widths = [0, 1].map(|which| shown.iter().map(|row| ranges(row)[which].chars().count()).max().unwrap_or(0));
    let beside = |text: &str, width: usize| if width == 0 { String::new() } else { format!("  {text:>width$}") };
    let [first, second] = widths.map(|width| beside(if width == 0 { "" } else { "95 %" }, width));
    writeln!(
        out,
        "{bold}{title:>10}{first}  {:>6}  {:>10}{second}  {:<place_width$}  source{reset}",
        "share", "blocks", "place"
    )?;
    for ((row, site), label) in shown.iter().zip(&sites).zip(&labels) {
        let text = site.file.as_deref().zip(site.line).and_then(|(file, line)| report.input.source.line(file, line));
        let text = text.as_deref().map(plain).unwrap_or_default();
        let [first, second] = ranges(row);
        let line = format!(
            "{:>10}{}  {:>6}  {:>10}{}  {:<place_width$}  {dim}{}{reset}",
            report.metric.format(row.values[column]),
            beside(&first, widths[0]),
            percent(row.values[column], report.totals[column]),
            blocks(row),
            beside(&second, widths[1]),
            clip(label, place_width),
            clip(&text, source_width),
        );
        writeln!(out, "{}", line.trim_end())?;
        if site.stack.is_some() {
            for frame in site.stack.into_iter().flat_map(|stack| profile.frames_of(stack)).skip(1).take(8) {
                let caller = Site::of_frame(profile, names, frame).label();
                writeln!(out, "{:>30}  {dim}← {}{reset}", "", plain(&caller))?;
            }
        }
    }
    if held.len() > shown.len() && report.attribution != Attribution::Own {
        // Cumulative rows overlap: their sum means nothing.
        writeln!(
            out,
            "{:>18}  {} more rows (--top N shows more, --json all)",
            "",
            count((held.len() - shown.len()) as i64)
        )?;
    } else if held.len() > shown.len() {
        let rest: i64 = held[shown.len()..].iter().map(|row| row.values[column]).sum();
        writeln!(
            out,
            "{:>10}  {:>6}  in {} more rows (--top N shows more, --json all)",
            report.metric.format(rest),
            percent(rest, report.totals[column]),
            count((held.len() - shown.len()) as i64)
        )?;
    }
    if held.is_empty() {
        writeln!(out, "nothing to show: no {title} memory passes the filters")?;
    }
    Ok(())
}

/// Rows of right-aligned cells under their titles, each column as wide as its widest cell; the last one is text.
fn grid(titles: &[&str], rows: &[Vec<String>], out: &mut dyn Write) -> anyhow::Result<()> {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([titles[column].chars().count(), 10]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..titles.len()).map(width).collect();
    let titles = titles.iter().map(|title| (*title).to_owned()).collect();
    for row in std::iter::once(&titles).chain(rows) {
        let (text, numbers) = row.split_last().expect("a grid has columns");
        for (cell, width) in numbers.iter().zip(&widths) {
            write!(out, "{cell:>width$}  ")?;
        }
        writeln!(out, "{text}")?;
    }
    Ok(())
}

/// A number's cell, followed by that of its interval where it was sampled.
fn with_range(number: String, range: Option<String>) -> impl Iterator<Item = String> {
    std::iter::once(number).chain(range)
}

fn processes(report: &ReportInput<'_>, rows: &[ProcessRow], out: &mut dyn Write) -> anyhow::Result<()> {
    let top = report.top.unwrap_or(DEFAULT_TOP);
    let precision = report.input.recorded.profile.precision;
    let is_sampled = precision != Precision::Exact;
    let columns: [(&str, usize, Text); 4] = [
        ("live", value::LIVE_BYTES, bytes),
        ("peak", value::PEAK_BYTES, bytes),
        ("allocated", value::TOTAL_BYTES, bytes),
        ("blocks", value::LIVE_COUNT, count),
    ];
    let mut titles = vec!["process"];
    for (title, ..) in columns {
        titles.push(title);
        titles.extend(is_sampled.then_some("95 %"));
    }
    titles.push("command");
    let cells = |row: &ProcessRow| {
        let numbers = columns.into_iter().flat_map(|(_, column, text)| {
            let range = is_sampled.then(|| range(precision, &row.values, column, text));
            with_range(text(row.values.get(column).copied().unwrap_or(0)), range)
        });
        let command = plain(&command(&row.command)).into_owned();
        std::iter::once(row.pid.to_string()).chain(numbers).chain([command]).collect()
    };
    let shown: Vec<Vec<String>> = rows.iter().take(top).map(cells).collect();
    grid(&titles, &shown, out)?;
    if rows.len() > top {
        writeln!(
            out,
            "{:>10}  in {} more processes (--top N shows more, --json all)",
            "",
            count((rows.len() - top) as i64)
        )?;
    }
    writeln!(out, "\none of them: brimline report {} --process PID", report.input.name)?;
    Ok(())
}

fn sizes(report: &ReportInput<'_>, rows: &[SizeRow], out: &mut dyn Write) -> anyhow::Result<()> {
    let precision = report.input.recorded.profile.precision;
    let is_sampled = precision != Precision::Exact;
    let mut titles = Vec::new();
    for title in ["live", "blocks", "allocated", "blocks"] {
        titles.push(title);
        titles.extend(is_sampled.then_some("95 %"));
    }
    titles.push("block size");
    let cells = |row: &SizeRow| {
        let texts: [Text; 4] = [bytes, count, bytes, count];
        let values = [row.live_bytes, row.live_count, row.total_bytes as i64, row.total_count as i64];
        let intervals = row.intervals(precision);
        let numbers = (0..4).flat_map(|at| {
            let range = intervals.map(|all| format!("{}–{}", texts[at](all[at].0), texts[at](all[at].1)));
            with_range(texts[at](values[at]), range)
        });
        let class = format!("{}–{}", bytes(row.min_bytes as i64), bytes(row.max_bytes as i64));
        numbers.chain([class]).collect()
    };
    let shown: Vec<Vec<String>> = rows.iter().take(report.top.unwrap_or(usize::MAX)).map(cells).collect();
    grid(&titles, &shown, out)
}
