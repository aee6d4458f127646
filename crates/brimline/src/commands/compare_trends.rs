//! `brimline compare-trends`: did a change alter the slope, and by how much?

use std::io::Write;
use std::path::PathBuf;

use brimline_analysis::trend::{JudgeOptions, SlopeChange, TrendComparison, amount, compare, judge};
use serde_json::json;

use crate::exit_code::ExitCode;
use crate::refusal::usage;
use crate::report::trend::unit_named;
use crate::terminal::{JsonGuard, plain};
use crate::trend_input::{self, SeriesArgs, TrendInput};
use crate::trend_sites::follow_sites;

/// Rows about sites that people see without `--top`.
const DEFAULT_TOP: usize = 20;

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  brimline compare-trends before after           two runs of the same workload
  brimline compare-trends old.csv new.csv --signal heap_after_gc

Answers: gone, halved, unchanged, steeper, not_decidable; the interval is that of the difference of the slopes.")]
pub(crate) struct Args {
    /// The run or file before the change.
    pub(crate) before: String,
    /// The one after it.
    pub(crate) after: String,
    /// What the values are.
    #[command(flatten)]
    pub(crate) series: SeriesArgs,
    /// JSON, all rows.
    #[arg(long)]
    pub(crate) json: bool,
    /// Most rows to show.
    #[arg(long, value_name = "N")]
    pub(crate) top: Option<usize>,
    /// Write to a file.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

impl Args {
    /// What `diff` on two files of measurements means.
    pub(crate) fn of_diff(args: &super::diff::Args) -> Self {
        Self {
            before: args.before.clone(),
            after: args.after.clone(),
            series: SeriesArgs {
                value: None,
                unit: None,
                signal: None,
                by: args.by,
                select: args.select.clone(),
                filter: args.filter.clone(),
            },
            json: args.json,
            top: args.top,
            output: args.output.clone(),
        }
    }
}

/// Carries the command out.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    crate::comparable::check(&args.before, &args.after, args.series.select.store.as_deref())?;
    let options = JudgeOptions { signal: args.series.signal.map(trend_input::SignalArg::signal), limit: None };
    let load = |side: &String| -> anyhow::Result<TrendInput> {
        let (input, warnings) = trend_input::load(std::slice::from_ref(side), &args.series)?;
        super::warn(&warnings);
        Ok(input)
    };
    let (mut before, after) = (load(&args.before)?, load(&args.after)?);
    follow_sites(&mut before, &after);
    let rows = compare(&judge(&before.series, &options), &judge(&after.series, &options));
    if rows.is_empty() {
        return Err(usage(
            format!("expected a metric that both sides have, found none in `{}` and `{}`", before.name, after.name),
            "name the column of each file alike, or pick one with --value",
        ));
    }
    let mut out = super::output(args.output.as_deref())?;
    if args.json {
        let answer = json!({
            "schema": "brimline.compare-trends/1", "before": before.name, "after": after.name, "rows": rows,
        });
        writeln!(JsonGuard(&mut out), "{answer}")?;
    } else {
        write_table(&rows, args.top.unwrap_or(DEFAULT_TOP), &mut out)?;
    }
    out.flush()?;
    let undecided = rows.iter().all(|row| row.change == SlopeChange::NotDecidable);
    Ok(if undecided { ExitCode::INCOMPLETE } else { ExitCode::FINE })
}

fn write_table(rows: &[TrendComparison], top: usize, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut shown: Vec<&TrendComparison> = rows.iter().filter(|row| row.is_worth_a_row()).collect();
    if shown.is_empty() {
        shown = rows.iter().collect();
    }
    let more = shown.len().saturating_sub(top);
    shown.truncate(top);
    writeln!(
        out,
        "{:<14}  {:>13}  {:>13}  {:>13}  {:<28}  metric",
        "answer", "before", "after", "difference", "95 % interval"
    )?;
    for row in shown {
        let per = |value: Option<f64>| {
            value.map_or_else(
                || "–".to_owned(),
                |value| format!("{}/{}", amount(value, unit_named(row.unit)), short(row.per)),
            )
        };
        let interval = match (row.low, row.high) {
            (Some(low), Some(high)) => {
                format!("{} … {}", amount(low, unit_named(row.unit)), amount(high, unit_named(row.unit)))
            }
            _ => "–".to_owned(),
        };
        let name =
            if row.subject.is_empty() { row.metric.clone() } else { format!("{} of {}", row.metric, row.subject) };
        let line = format!(
            "{:<14}  {:>13}  {:>13}  {:>13}  {interval:<28}  {}",
            row.change.words(),
            per(row.before),
            per(row.after),
            per(row.difference),
            plain(&name)
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    if more > 0 {
        writeln!(out, "{more} more rows (--top N shows more, --json all)")?;
    }
    Ok(())
}

/// `s` for second, `req` for request, `it` for iteration.
fn short(per: &str) -> &'static str {
    match per {
        "iteration" => "it",
        "request" => "req",
        _ => "s",
    }
}
