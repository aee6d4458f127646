//! `brimline report`: who holds how much.

use std::io::Write;
use std::path::PathBuf;

use brimline_analysis::aggregate::{Attribution, By, Query, aggregate};
use brimline_analysis::sizes::by_size;

use super::heap::{self, OpenArgs};
use crate::exit_code::ExitCode;
use crate::go;
use crate::input::{self, Input, SelectArgs};
use crate::metric::{Metric, require};
use crate::refusal::usage;
use crate::report::processes::processes;
use crate::report::{Format, ReportInput, Rows, find, format_parser};
use crate::stores::{open, resolve_run};
use crate::view::{FilterArgs, Kind, RowKind};

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  brimline report                                latest run, lines by live bytes
  brimline report --by file --metric peak       which files made the peak
  brimline report web --project-only --top 50   your own lines only
  brimline report --format flame -o memory.svg  flame graph for a browser
  brimline report --by process                  each worker of a server; --process PID shows one
  brimline report --by rss                      Go: what the resident set is made of, and the collector
  brimline report --kind fd                     which lines opened files that are still open")]
pub(crate) struct Args {
    /// The run or file [default: the latest run]
    pub(crate) run: Option<String>,
    /// What a row stands for.
    #[arg(long, value_enum, default_value = "line")]
    pub(crate) by: RowKind,
    /// What rows are sorted by [default: live; count with --kind fd].
    #[arg(long, value_enum)]
    pub(crate) metric: Option<Metric>,
    /// How the answer is written [default: table]
    #[arg(long, value_parser = format_parser())]
    pub(crate) format: Option<Format>,
    /// Short for --format json.
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,
    /// Most rows to show.
    #[arg(long, value_name = "N")]
    pub(crate) top: Option<usize>,
    /// Most tokens of a Markdown answer; implies --format markdown.
    #[arg(long, value_name = "TOKENS", conflicts_with = "json")]
    pub(crate) budget: Option<usize>,
    /// Count memory at every frame of its stack, not at the innermost alone.
    #[arg(long)]
    pub(crate) cumulative: bool,
    /// Which store, which processes.
    #[command(flatten)]
    pub(crate) select: SelectArgs,
    /// Write to a file.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Which memory counts.
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

/// Carries the command out.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    let name = match args.format {
        Some(format) => format.0.name(),
        None if args.json => "json",
        None if args.budget.is_some() => "markdown",
        None => "table",
    };
    if heap::names_snapshot(args.run.as_deref(), args.select.store.as_deref()) {
        if !matches!(name, "table" | "json") {
            return Err(usage(
                format!("expected table or json for a heap snapshot, found format `{name}`"),
                "`brimline heap treemap FILE -o heap.html` makes a picture of it",
            ));
        }
        let open = OpenArgs { store: args.select.store.clone(), ..OpenArgs::default() };
        return heap::report(args.run.as_deref(), args.top, name == "json", open, args.output.clone());
    }
    if args.by == RowKind::Rss {
        return resident(args, name);
    }
    let format = find(name).ok_or_else(|| usage(format!("unknown format `{name}`"), "see `brimline report --help`"))?;
    let (input, warnings) = input::load(args.run.as_deref(), &args.select)?;
    super::warn(&warnings);
    let mut out = super::output(args.output.as_deref())?;
    let filter = args.filter.filter();
    let report = answer(args, &input, &filter)?;
    format.0.render(&report, &mut out)?;
    out.flush()?;
    Ok(input.exit_code)
}

/// The parts of Go programs' resident sets.
fn resident(args: &Args, format: &str) -> anyhow::Result<ExitCode> {
    if !matches!(format, "table" | "json") {
        return Err(usage(
            format!("expected table or json with --by rss, found format `{format}`"),
            "leave out --format",
        ));
    }
    if args.filter.is_set() || args.metric.is_some() {
        return Err(usage(
            "expected no filter and no metric with --by rss: it is of whole processes",
            "leave them out",
        ));
    }
    let run = resolve_run(&open(args.select.store.as_deref()), args.run.as_deref().unwrap_or(""))?;
    let residents = go::resident::residents(&run, args.select.process)?;
    let mut out = super::output(args.output.as_deref())?;
    go::resident::write(run.entry.record.id.as_str(), &residents, format == "json", &mut out)?;
    out.flush()?;
    Ok(ExitCode::FINE)
}

fn answer<'a>(
    args: &Args,
    input: &'a Input,
    filter: &'a brimline_analysis::filter::Filter,
) -> anyhow::Result<ReportInput<'a>> {
    // A descriptor is a count without bytes.
    let known = |metric: &Metric| input.measured[metric.column()];
    let order = [Metric::Live, Metric::Count, Metric::Total, Metric::Peak];
    let default = match args.filter.kind[..] {
        [Kind::Fd] => Metric::Count,
        _ => order.into_iter().find(known).unwrap_or(Metric::Live),
    };
    let metric = args.metric.unwrap_or(default);
    require(input, metric)?;
    let attribution = if args.cumulative { input.cumulative } else { Attribution::Own };
    let (rows, totals) = match args.by.aggregation() {
        Some(by) => {
            let query = Query { by, attribution, filter, places: &input.places, column: metric.column() };
            let table = aggregate(&input.recorded.profile, query);
            (Rows::Places(table.rows), table.totals)
        }
        None if input.go.is_some() => {
            return Err(usage(
                format!("expected rows of a heap profile, found --by {}", args.by.name()),
                "--process PID shows one process; --by label tells the sizes of blocks",
            ));
        }
        None if input.recorded.sizes.is_empty() => {
            return Err(usage(
                format!("expected block sizes in `{}`, found stacks alone", input.name),
                "report by line, function or file",
            ));
        }
        None if args.filter.is_set() => {
            let by = args.by.name();
            return Err(usage(
                format!("expected no filter with --by {by}: it is counted for the whole process"),
                "leave out the filters, or report by line",
            ));
        }
        None if args.by == RowKind::Process => {
            let query = Query { by: By::File, attribution, filter, places: &input.places, column: metric.column() };
            let totals = aggregate(&input.recorded.profile, query).totals;
            (Rows::Processes(processes(&input.recorded.processes, metric.column())), totals)
        }
        None if metric == Metric::Peak => {
            return Err(usage(
                "expected live, total or count with --by size: sizes at the peak are not kept",
                "brimline report --by size --metric live",
            ));
        }
        None => {
            let query = Query { by: By::File, attribution, filter, places: &input.places, column: metric.column() };
            (Rows::Sizes(by_size(&input.recorded.sizes)), aggregate(&input.recorded.profile, query).totals)
        }
    };
    Ok(ReportInput {
        input,
        by: args.by,
        metric,
        attribution,
        rows,
        totals,
        filter,
        top: args.top,
        budget: args.budget,
    })
}
