//! Markdown for pasting into an issue or to an assistant: what ran, the totals, the top sites with excerpts of their
//! source, within a budget of tokens.
//!
//! Tokens are estimated at one per two and a half bytes, which overestimates for prose and code alike, so the text
//! stays within the budget with any tokenizer in use.

use std::fmt::Write as _;
use std::io::Write;

use brimline_analysis::aggregate::Row;
use brimline_profile::{Precision, value};

use super::{Report, ReportInput, Rows};
use crate::quantity::{bytes, count, percent};
use crate::site::Site;
use crate::terminal::plain;

const DEFAULT_BUDGET: usize = 4000;
const DEFAULT_ROWS: usize = 15;
const EXCERPTS: usize = 5;
/// Lines of source before and behind the line in question.
const CONTEXT: usize = 3;

/// Row of [`super::REPORTS`].
pub(crate) struct Markdown;

impl Report for Markdown {
    fn name(&self) -> &'static str {
        "markdown"
    }

    fn about(&self) -> &'static str {
        "top sites with source excerpts, within --budget tokens"
    }

    fn render(&self, report: &ReportInput<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
        let mut text = Bounded { text: String::new(), bytes: report.budget.unwrap_or(DEFAULT_BUDGET) * 5 / 2 };
        text.push("## Memory recorded by brimline\n\n");
        for line in super::table::heading(report) {
            text.push(&format!("- {}\n", escape(&line)));
        }
        match &report.rows {
            Rows::Places(rows) => places(report, rows, &mut text),
            Rows::Sizes(rows) => {
                text.push("\n| block size up to | live | blocks | allocated | blocks |\n|--:|--:|--:|--:|--:|\n");
                for row in rows.iter().take(report.top.unwrap_or(usize::MAX)) {
                    text.push(&format!(
                        "| {} | {} | {} | {} | {} |\n",
                        bytes(row.max_bytes as i64),
                        bytes(row.live_bytes),
                        count(row.live_count),
                        bytes(row.total_bytes as i64),
                        count(row.total_count as i64)
                    ));
                }
            }
            Rows::Processes(rows) => {
                text.push("\n| process | live | peak | allocated | command |\n|--:|--:|--:|--:|:--|\n");
                for row in rows.iter().take(report.top.unwrap_or(usize::MAX)) {
                    let of = |column: usize| bytes(row.values.get(column).copied().unwrap_or(0));
                    text.push(&format!(
                        "| {} | {} | {} | {} | {} |\n",
                        row.pid,
                        of(value::LIVE_BYTES),
                        of(value::PEAK_BYTES),
                        of(value::TOTAL_BYTES),
                        escape(&super::table::command(&row.command))
                    ));
                }
            }
        }
        out.write_all(text.text.as_bytes())?;
        Ok(())
    }
}

/// A text that takes whole pieces as long as they fit.
struct Bounded {
    text: String,
    bytes: usize,
}

impl Bounded {
    fn push(&mut self, piece: &str) -> bool {
        let fits = self.text.len() + piece.len() <= self.bytes;
        if fits {
            self.text.push_str(piece);
        }
        fits
    }
}

fn places(report: &ReportInput<'_>, rows: &[Row], text: &mut Bounded) {
    let column = report.metric.column();
    let (profile, names) = (&report.input.recorded.profile, &report.input.places);
    let shown = rows.iter().filter(|row| row.values[column] > 0).take(report.top.unwrap_or(DEFAULT_ROWS));
    let sites: Vec<(Site, &Row)> = shown.map(|row| (Site::of(profile, names, &row.place), row)).collect();
    let name = report.metric.name();
    // Of sampled numbers each has its interval beside it.
    let between =
        |values: &[i64]| super::table::range(profile.precision, values, column, |value| report.metric.format(value));
    let is_sampled = matches!(profile.precision, Precision::Sampled { .. });
    let (title, rule) = if is_sampled { ("95 % | ", "--:|") } else { ("", "") };
    if !text.push(&format!(
        "\n### Largest by {name}, by {}\n\n| {name} | {title}share | place |\n|--:|{rule}--:|---|\n",
        report.by.name()
    )) {
        return;
    }
    for (site, row) in &sites {
        let value = row.values[column];
        let share = percent(value, report.totals[column]);
        let interval = if is_sampled { format!("{} | ", between(&row.values)) } else { String::new() };
        let label = escape(&site.label());
        if !text.push(&format!("| {} | {interval}{share} | {label} |\n", report.metric.format(value))) {
            return;
        }
    }
    for (site, _) in sites.iter().take(EXCERPTS) {
        if let Some(excerpt) = excerpt(report, site)
            && !text.push(&excerpt)
        {
            return;
        }
    }
}

fn excerpt(report: &ReportInput<'_>, site: &Site) -> Option<String> {
    let (file, line) = (site.file.as_deref()?, site.line? as usize);
    let lines = report.input.source.lines(file)?;
    let first = line.saturating_sub(CONTEXT + 1);
    let excerpt = lines.get(first..(line + CONTEXT).min(lines.len()))?;
    let longest = excerpt.iter().map(|line| longest_run_of_backticks(line)).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let mut text = format!("\n{}\n\n{fence}python\n", escape(&site.label()));
    for (number, code) in (first + 1..).zip(excerpt) {
        let mark = if number == line { '>' } else { ' ' };
        let _ = writeln!(text, "{mark}{number:>5} {}", plain(code));
    }
    text.push_str(&fence);
    text.push('\n');
    Some(text)
}

fn longest_run_of_backticks(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// A name as text that no Markdown or HTML reader takes for markup.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '!' | '#' | '~' | '$' | '@' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_markup() {
        assert_eq!(escape("<img src=x> | `a` [b](c)"), "&lt;img src=x&gt; \\| \\`a\\` \\[b\\](c)");
        assert_eq!(longest_run_of_backticks("a ``` b `"), 3);
    }
}
