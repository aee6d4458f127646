//! `brimline trend`: is it a leak, or does it settle?

use std::io::Write;
use std::path::PathBuf;

use brimline_analysis::trend::{JudgeOptions, TrendReport, Verdict, judge};
use brimline_profile::formats::series_columns::unit_by_name;
use brimline_profile::series::Unit;

use crate::exit_code::ExitCode;
use crate::report::trend::{TrendFormat, TrendView};
use crate::terminal::JsonGuard;
use crate::trend_input::{self, SeriesArgs};

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  brimline trend                                        the latest run: processes, metrics, allocation sites
  brimline trend web --format html -o trend.html        charts for a browser
  brimline trend memory.json --value current_mb         a file of polled numbers
  brimline trend heap.csv --signal heap_after_gc --limit 512M
  brimline trend latest --fail-on leak                  exit code 1 for a leak, 3 if the data does not decide

Verdicts: steady, warm_up_plateau, linear_leak, stepwise_growth, spikes, gc_sawtooth, fragmentation_or_native,
fluctuating, insufficient_data.")]
pub(crate) struct Args {
    /// A run, or files: JSON arrays of numbers, pairs or objects, CSV, Prometheus text, mprof [default: the latest run]
    #[arg(value_name = "RUN|FILE")]
    pub(crate) inputs: Vec<String>,
    /// What the values are.
    #[command(flatten)]
    pub(crate) series: SeriesArgs,
    /// Memory at which the process is killed (`512M`, `2GiB`) [default: the control group's, for a run]
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    pub(crate) limit: Option<f64>,
    /// Say what each metric and each verdict means.
    #[arg(long)]
    pub(crate) explain: bool,
    /// End with exit code 1 on these verdicts: `leak` (linear or stepwise) or names of verdicts; repeatable.
    #[arg(long, value_name = "VERDICT", value_delimiter = ',', value_parser = failing)]
    pub(crate) fail_on: Vec<FailOn>,
    /// How the answer is written.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: TrendFormat,
    /// Short for --format json.
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,
    /// Most sites, and most charts, to show.
    #[arg(long, value_name = "N")]
    pub(crate) top: Option<usize>,
    /// Write to a file.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// What ends the command with exit code 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailOn {
    /// Any leak.
    Leak,
    /// One verdict.
    Verdict(Verdict),
}

fn failing(text: &str) -> Result<FailOn, String> {
    if text == "leak" {
        return Ok(FailOn::Leak);
    }
    Verdict::ALL.into_iter().find(|verdict| verdict.name() == text).map(FailOn::Verdict).ok_or_else(|| {
        let names: Vec<&str> = Verdict::ALL.iter().map(|verdict| verdict.name()).collect();
        format!("expected `leak` or one of {}, found `{text}`", names.join(", "))
    })
}

fn amount(text: &str) -> Result<f64, String> {
    let expected = || format!("expected an amount of memory such as `512M` or `2GiB`, found `{text}`");
    let (number, name) = text.split_at(text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len()));
    let Some((scale, Unit::Bytes)) = unit_by_name(if name.is_empty() { "bytes" } else { name }) else {
        return Err(expected());
    };
    number.trim().parse::<f64>().ok().filter(|number| *number > 0.0).map(|number| number * scale).ok_or_else(expected)
}

/// Carries the command out.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    let (input, warnings) = trend_input::load(&args.inputs, &args.series)?;
    super::warn(&warnings);
    let mut out = super::output(args.output.as_deref())?;
    let limit =
        args.limit.or_else(|| input.snapshots.and_then(|_| brimline_capture::memory_limit()).map(|limit| limit as f64));
    let options = JudgeOptions { signal: args.series.signal.map(trend_input::SignalArg::signal), limit };
    let report = judge(&input.series, &options);
    if args.json || args.format == TrendFormat::Json {
        writeln!(JsonGuard(&mut out), "{}", serde_json::to_string(&report)?)?;
    } else {
        let view = TrendView { input: &input, report: &report, explain: args.explain, top: args.top };
        args.format.render(&view, &mut out)?;
    }
    out.flush()?;
    Ok(code(args, &report, input.exit_code))
}

/// Bad news first, then what is undecided, then what could not be read.
fn code(args: &Args, report: &TrendReport, read: ExitCode) -> ExitCode {
    let fails = |verdict: Verdict| {
        args.fail_on.iter().any(|fail| match fail {
            FailOn::Leak => verdict.is_leak(),
            FailOn::Verdict(named) => *named == verdict,
        })
    };
    let headlines = report.headlines();
    if report.verdicts.iter().any(|one| fails(one.verdict)) {
        return ExitCode::BAD_NEWS;
    }
    let undecided = |one: &&brimline_analysis::trend::VerdictReport| one.verdict == Verdict::InsufficientData;
    let inconclusive =
        if args.fail_on.is_empty() { headlines.iter().all(undecided) } else { headlines.iter().any(undecided) };
    if inconclusive { ExitCode::INCOMPLETE } else { read }
}
