//! `brimline diff`: what grew between two runs, snapshots or files.

use std::io::Write;
use std::path::PathBuf;

use brimline_analysis::aggregate::{Attribution, Query};
use brimline_analysis::diff::{AFTER_BYTES, Change, Direction, changes, interval, pair};
use brimline_analysis::places::Places;
use brimline_profile::formats::recording::Mode;
use brimline_profile::{Precision, Profile};
use serde_json::{Map, Value, json};

use super::heap::{self, OpenArgs};
use crate::commands::compare_trends;
use crate::comparable;
use crate::exit_code::ExitCode;
use crate::input::{self, Input, SelectArgs};
use crate::metric::{Metric, require};
use crate::quantity::{bytes, count, delta_bytes, delta_count};
use crate::refusal::usage;
use crate::site::{FrameTexts, Site};
use crate::terminal::{JsonGuard, clip, plain, wants_colour};
use crate::trend_input::is_series_file;
use crate::view::{FilterArgs, RowKind};

const DEFAULT_TOP: usize = 20;

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  brimline diff latest~1 latest                what holds more than in the run before
  brimline diff web@warm web@end               two snapshots of one run
  brimline diff before after --by file --top 15
  brimline diff old.csv new.csv                the slopes of two measured series, as compare-trends")]
pub(crate) struct Args {
    /// The earlier run, snapshot or file.
    pub(crate) before: String,
    /// The later one.
    pub(crate) after: String,
    /// What a row stands for.
    #[arg(long, value_enum, default_value = "line")]
    pub(crate) by: RowKind,
    /// What is compared.
    #[arg(long, value_enum, default_value = "live")]
    pub(crate) metric: Metric,
    /// Show what shrank and what is gone too.
    #[arg(long)]
    pub(crate) all: bool,
    /// JSON, all rows unless --top.
    #[arg(long)]
    pub(crate) json: bool,
    /// Most rows to show.
    #[arg(long, value_name = "N")]
    pub(crate) top: Option<usize>,
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

/// A difference, ready to be written.
struct Difference<'a> {
    args: &'a Args,
    before: &'a Input,
    after: &'a Input,
    pair: Profile,
    changes: Vec<Change>,
    totals: [i64; 6],
}

/// Carries the command out.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    if is_series_file(&args.before) && is_series_file(&args.after) {
        return compare_trends::execute(&compare_trends::Args::of_diff(args));
    }
    let store = args.select.store.as_deref();
    comparable::check(&args.before, &args.after, store)?;
    let is_heap = [&args.before, &args.after].map(|run| heap::names_snapshot(Some(run), store));
    if is_heap == [true, true] {
        let open = OpenArgs { store: args.select.store.clone(), ..OpenArgs::default() };
        let options = (args.all, args.top, args.json);
        return heap::diff_between(&args.before, &args.after, options, open, args.output.clone());
    }
    let Some(by) = args.by.aggregation() else {
        return Err(usage("expected rows that both sides have, found --by size", "compare by line, file or module"));
    };
    let (before, warnings) = input::load(Some(&args.before), &args.select)?;
    super::warn(&warnings);
    let (after, warnings) = input::load(Some(&args.after), &args.select)?;
    super::warn(&warnings);
    require(&before, args.metric)?;
    require(&after, args.metric)?;
    let mut out = super::output(args.output.as_deref())?;
    let (bytes, count) = args.metric.pair();
    let pair = pair((&before.recorded.profile, bytes, count), (&after.recorded.profile, bytes, count));
    let filter = args.filter.filter();
    let attribution = if args.cumulative { after.cumulative } else { Attribution::Own };
    let query = Query { by, attribution, filter: &filter, places: &after.places, column: AFTER_BYTES };
    let direction = if args.all { Direction::Both } else { Direction::Growth };
    let (mut changes, totals) = changes(&pair, query, direction);
    if args.metric == Metric::Count {
        changes.sort_by_key(|change| std::cmp::Reverse((change.delta_count(), change.delta_bytes())));
    }
    let difference = Difference { args, before: &before, after: &after, pair, changes, totals };
    if args.json {
        difference.write_json(&mut out)?;
    } else {
        difference.write_table(&mut out)?;
    }
    out.flush()?;
    Ok(if before.exit_code == ExitCode::FINE { after.exit_code } else { before.exit_code })
}

impl Difference<'_> {
    fn places(&self) -> &Places {
        &self.after.places
    }

    fn precisions(&self) -> (Precision, Precision) {
        (self.before.recorded.profile.precision, self.after.recorded.profile.precision)
    }

    /// Whether both sides counted blocks, and did not only weigh them.
    fn has_counts(&self) -> bool {
        let (_, count) = self.args.metric.pair();
        self.before.measured[count] && self.after.measured[count]
    }

    /// The numbers of a row; unknown is null.
    fn insert_values(&self, object: &mut Map<String, Value>, [before, after]: [i64; 2], counts: [i64; 2]) {
        let known = |count: i64| self.has_counts().then_some(count);
        for (name, value) in [
            ("before_bytes", Some(before)),
            ("after_bytes", Some(after)),
            ("delta_bytes", Some(after.saturating_sub(before))),
            ("before_count", known(counts[0])),
            ("after_count", known(counts[1])),
            ("delta_count", known(counts[1].saturating_sub(counts[0]))),
        ] {
            object.insert(name.into(), json!(value));
        }
    }

    fn interval_of_totals(&self) -> Option<(i64, i64)> {
        let (before, after) = self.precisions();
        let [before_bytes, _, after_bytes, _, before_variance, after_variance] = self.totals;
        interval([before_bytes, after_bytes], [before_variance, after_variance], [before, after])
    }

    fn write_json(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let out = &mut JsonGuard(out);
        let [before_bytes, before_count, after_bytes, after_count, ..] = self.totals;
        let mut totals = Map::new();
        self.insert_values(&mut totals, [before_bytes, after_bytes], [before_count, after_count]);
        insert_interval(&mut totals, self.interval_of_totals());
        for (name, input) in [("before_live_heap_bytes", self.before), ("after_live_heap_bytes", self.after)] {
            if let Some(go) = &input.go {
                totals.insert(name.into(), json!(go.live_bytes));
            }
        }
        let totals = Value::Object(totals);
        write!(
            out,
            "{{\"schema\":\"brimline.diff/1\",\"before\":{},\"after\":{},\"by\":\"{}\",\"metric\":\"{}\",\"notes\":{},\"totals\":{totals},\n\"rows\":[",
            json!(self.before.name),
            json!(self.after.name),
            self.args.by.name(),
            self.args.metric.name(),
            json!(notes(self.before, self.after)),
        )?;
        let texts = (self.args.by == RowKind::Stack).then(|| FrameTexts::of(&self.pair, self.places()));
        for (index, change) in self.changes.iter().take(self.args.top.unwrap_or(usize::MAX)).enumerate() {
            let site = Site::of(&self.pair, self.places(), &change.place);
            let mut row = site.to_json();
            let counts = [change.before_count, change.after_count];
            self.insert_values(&mut row, [change.before_bytes, change.after_bytes], counts);
            let (before, after) = self.precisions();
            if insert_interval(&mut row, change.interval(before, after)) {
                row.insert("within_noise".into(), json!(change.is_within_noise(before, after)));
            }
            row.insert("state".into(), json!(change.state.name()));
            write!(out, "{}", if index > 0 { ",\n" } else { "\n" })?;
            match (&texts, site.stack) {
                (Some(texts), Some(stack)) => texts.write_row(&self.pair, row, stack, out)?,
                _ => write!(out, "{}", Value::Object(row))?,
            }
        }
        writeln!(out, "\n]}}")?;
        Ok(())
    }

    fn write_table(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        let [before_bytes, before_count, after_bytes, after_count, ..] = self.totals;
        let name = if self.args.metric == Metric::Count { "live" } else { self.args.metric.name() };
        let blocks = format!(
            ", blocks {} → {} ({})",
            count(before_count),
            count(after_count),
            delta_count(after_count.saturating_sub(before_count)),
        );
        writeln!(
            out,
            "{name} {} → {} ({}{}){}",
            bytes(before_bytes),
            bytes(after_bytes),
            delta_bytes(after_bytes.saturating_sub(before_bytes)),
            self.interval_of_totals().map(|range| format!("; 95 %: {}", text(range))).unwrap_or_default(),
            if self.has_counts() { blocks.as_str() } else { "" },
        )?;
        for note in notes(self.before, self.after) {
            writeln!(out, "{}", plain(&note))?;
        }
        writeln!(out)?;
        if self.changes.is_empty() {
            writeln!(out, "{}", if self.args.all { "no difference" } else { "nothing grew" })?;
            return Ok(());
        }
        let shown = &self.changes[..self.changes.len().min(self.args.top.unwrap_or(DEFAULT_TOP))];
        let (bold, dim, reset) = if wants_colour() { ("\x1b[1m", "\x1b[2m", "\x1b[0m") } else { ("", "", "") };
        let sites: Vec<Site> = shown.iter().map(|change| Site::of(&self.pair, self.places(), &change.place)).collect();
        let labels: Vec<String> = sites.iter().map(|site| plain(&site.label()).into_owned()).collect();
        let place_width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(5).max(5);
        let (before, after) = self.precisions();
        let range = |change: &Change| change.interval(before, after).map(text).unwrap_or_default();
        let range_width = shown.iter().map(|change| range(change).chars().count()).max().unwrap_or(0);
        writeln!(
            out,
            "{bold}{:>10}{}  {:>10}  {:>10}  {:>10}  {:<6}  {:<place_width$}  source{reset}",
            "growth",
            if range_width > 0 { format!("  {:>range_width$}", "95 %") } else { String::new() },
            "before",
            "after",
            "blocks",
            "state",
            "place"
        )?;
        let mut noise = false;
        for ((change, site), label) in shown.iter().zip(&sites).zip(&labels) {
            let text = site.file.as_deref().zip(site.line).and_then(|(file, line)| self.after.source.line(file, line));
            let text = text.as_deref().map(plain).unwrap_or_default();
            let state = if change.is_within_noise(before, after) { "noise?" } else { change.state.name() };
            noise |= state == "noise?";
            let line = format!(
                "{:>10}{}  {:>10}  {:>10}  {:>10}  {:<6}  {label:<place_width$}  {dim}{}{reset}",
                delta_bytes(change.delta_bytes()),
                if range_width > 0 { format!("  {:>range_width$}", range(change)) } else { String::new() },
                bytes(change.before_bytes),
                bytes(change.after_bytes),
                if self.has_counts() { delta_count(change.delta_count()) } else { "-".to_owned() },
                state,
                clip(&text, 60),
            );
            writeln!(out, "{}", line.trim_end())?;
        }
        if noise {
            writeln!(out, "noise?: sampling alone explains a change of this size (95 %)")?;
        }
        if self.changes.len() > shown.len() {
            let more = (self.changes.len() - shown.len()) as i64;
            writeln!(out, "{} more rows (--top N shows more, --json all)", count(more))?;
        }
        Ok(())
    }
}

/// A 95 % interval of a difference.
fn text((low, high): (i64, i64)) -> String {
    format!("{} … {}", delta_bytes(low), delta_bytes(high))
}

/// Adds the 95 % interval of a sampled difference; false where all was counted.
fn insert_interval(object: &mut Map<String, Value>, interval: Option<(i64, i64)>) -> bool {
    let Some((low, high)) = interval else { return false };
    object.insert("delta_bytes_low".into(), json!(low));
    object.insert("delta_bytes_high".into(), json!(high));
    true
}

/// Why rows may differ although the program did the same.
fn notes(before: &Input, after: &Input) -> Vec<String> {
    let mode = |input: &Input| input.recorded.processes.first().map(|process| process.mode);
    let mut notes = Vec::new();
    if let (Some(earlier), Some(later)) = (mode(before), mode(after))
        && (earlier == Mode::Malloc) != (later == Mode::Malloc)
    {
        notes.push(format!(
            "{} was recorded in mode {}, {} in mode {}: they count at different levels, so rows differ where the program does not",
            before.name,
            earlier.name(),
            after.name,
            later.name()
        ));
    }
    let live = |input: &Input| input.go.as_ref().and_then(|go| go.live_bytes);
    if let (Some(earlier), Some(later)) = (live(before), live(after)) {
        notes.push(format!(
            "live heap {} → {} ({}): MemStats after a collection, counted, not sampled",
            bytes(earlier as i64),
            bytes(later as i64),
            delta_bytes(later as i64 - earlier as i64)
        ));
    }
    let native = |input: &Input| input.recorded.processes.iter().any(|process| process.native_frames);
    if native(before) != native(after) {
        notes.push(
            "one side has native frames and the other has not: --project-only or --cumulative compares Python lines"
                .to_owned(),
        );
    }
    notes
}
