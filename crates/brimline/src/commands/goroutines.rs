//! `brimline goroutines`: which goroutines leak or pile up, where they were created, what they wait for.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use brimline_analysis::goroutines::{Census, Group, GroupKey, Growth, growth, left_over};
use brimline_pprof::{Limits, View, inflate};
use brimline_profile::Profile;
use brimline_profile::formats::go_goroutines::{GoroutineFrame, goroutines};
use brimline_store::go_capture::{self, GOROUTINE, GOROUTINELEAK, GOROUTINES};
use serde_json::{Value, json};

use crate::exit_code::ExitCode;
use crate::go::{Moment, moments};
use crate::input::SelectArgs;
use crate::quantity::{bytes, count, delta_count};
use crate::refusal::{Refusal, usage};
use crate::stores::{open, resolve_run};
use crate::terminal::{JsonGuard, plain};

const DEFAULT_TOP: usize = 20;
/// Calls shown below a row.
const FRAMES: usize = 4;
/// A group that grew by less is not shown unasked: each capture is itself served by a goroutine or two.
const LEAST_GROWTH: i64 = 3;

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  brimline goroutines                    latest run: leaks the runtime has found, then groups that grew
  brimline goroutines web --since warm   growth since the mark `warm`
  brimline goroutines web@end --all      every group there was
  brimline run -- go test ./... && brimline goroutines --fail-on-leak   what tests have left behind

Leaks are exact where the program was built with GOEXPERIMENT=goroutineleakprofile (Go 1.26). Elsewhere a group
that grows between captures is a suspicion: a server under more load has more of them too.")]
pub(crate) struct Args {
    /// The run [default: the latest run]
    pub(crate) run: Option<String>,
    /// The mark or snapshot to compare with [default: the first capture]
    #[arg(long, value_name = "MARK")]
    pub(crate) since: Option<String>,
    /// Show groups that did not grow too.
    #[arg(long)]
    pub(crate) all: bool,
    /// Most rows to show.
    #[arg(long, value_name = "N")]
    pub(crate) top: Option<usize>,
    /// JSON, all rows unless --top.
    #[arg(long)]
    pub(crate) json: bool,
    /// Exit code 1 when goroutines leak, or are left when the tests of a package have ended.
    #[arg(long)]
    pub(crate) fail_on_leak: bool,
    /// Which store, which processes.
    #[command(flatten)]
    pub(crate) select: SelectArgs,
    /// Write to a file.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// What the captures of one process say.
struct Answer {
    process: u32,
    /// Goroutines in the last capture.
    total: u64,
    seconds: Vec<f64>,
    /// Bytes of stack that a goroutine has on average in the last capture.
    stack_bytes: Option<u64>,
    /// What the runtime has found; `None` where it does not look.
    leaks: Option<Census>,
    growth: Vec<Growth>,
    /// The test binary whose end this is: what there is then was left behind.
    test: Option<String>,
}

/// Carries the command out.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    let store = open(args.select.store.as_deref());
    let run = resolve_run(&store, args.run.as_deref().unwrap_or(""))?;
    let mut by_process: BTreeMap<u32, Vec<Moment>> = BTreeMap::new();
    // A snapshot alone has nothing to compare with: the captures before it are looked at too.
    let mut whole = run.clone();
    whole.snapshot = None;
    let end = run.snapshot.as_ref().map(|snapshot| snapshot.name.clone());
    let all = moments(&whole, args.select.process)?;
    let begin = match &args.since {
        Some(mark) => Some(time_of(&all, mark).ok_or_else(|| {
            usage(
                format!("expected a mark with a capture in run `{}`, found `{mark}`", run.entry.record.id),
                "`brimline runs RUN` lists a run's marks and snapshots",
            )
        })?),
        None => None,
    };
    let until = end.as_ref().and_then(|name| time_of(&all, name.as_str()));
    for moment in all {
        let inside = begin.is_none_or(|begin| moment.seconds >= begin) && until.is_none_or(|end| moment.seconds <= end);
        if inside && (moment.capture.has(GOROUTINE) || moment.capture.has(GOROUTINES)) {
            by_process.entry(moment.capture.record.pid).or_default().push(moment);
        }
    }
    if by_process.is_empty() {
        return Err(Refusal {
            message: format!("expected goroutines in run `{}`, found no capture that has them", run.entry.record.id),
            hint: "`brimline run -- ./server` or `brimline attach PID` captures them; `brimline doctor PID` tells what a program lacks".into(),
            code: ExitCode::INCOMPLETE,
        }
        .into());
    }
    let answers = by_process
        .into_iter()
        .map(|(process, moments)| Answer::of(process, &moments))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut out = super::output(args.output.as_deref())?;
    let name = run.entry.record.id.as_str();
    if args.json {
        let processes: Vec<Value> = answers.iter().map(|answer| answer.to_json(args)).collect();
        let answer = json!({ "schema": "brimline.goroutines/1", "run": name, "processes": processes });
        writeln!(JsonGuard(&mut out), "{answer}")?;
    } else {
        for answer in &answers {
            answer.write(args, &mut out)?;
        }
    }
    out.flush()?;
    let leaks = answers.iter().any(|answer| {
        let left = answer.test.is_some() && !answer.growth.is_empty();
        left || answer.leaks.as_ref().is_some_and(|leaks| leaks.total > 0)
    });
    Ok(if leaks && args.fail_on_leak { ExitCode::BAD_NEWS } else { ExitCode::FINE })
}

/// Seconds at which the capture of a mark was taken.
fn time_of(moments: &[Moment], name: &str) -> Option<f64> {
    let named = |moment: &&Moment| moment.capture.record.name.as_ref().is_some_and(|known| known.as_str() == name);
    moments.iter().find(named).map(|moment| moment.seconds)
}

/// The profile in a capture.
fn profile(moment: &Moment, file: &str) -> anyhow::Result<Option<Profile>> {
    let Some(content) = moment.capture.read(file)? else { return Ok(None) };
    let describe = || format!("failed to read `{}`", moment.capture.path.join(file).display());
    let plain = inflate(&content, Limits::default()).with_context(describe)?;
    Ok(Some(Profile::from(&View::read(&plain).with_context(describe)?)))
}

impl Answer {
    fn of(process: u32, moments: &[Moment]) -> anyhow::Result<Self> {
        let mut captures = Vec::new();
        let mut latest_text = None;
        for moment in moments {
            let text = moment.capture.text(GOROUTINES)?.map(|text| goroutines(&text));
            let mut census = match (&text, profile(moment, GOROUTINE)?) {
                (Some(all), Some(profile)) => with_labels(
                    Census::of_text(moment.seconds, all, false),
                    &Census::of_profile(moment.seconds, &profile),
                ),
                (Some(all), None) => Census::of_text(moment.seconds, all, false),
                (None, Some(profile)) => Census::of_profile(moment.seconds, &profile),
                (None, None) => continue,
            };
            if let Some(all) = text {
                latest_text = Some(all);
            } else if let Some(all) = &latest_text {
                census.explain_by(&Census::of_text(moment.seconds, all, false));
            }
            captures.push(census);
        }
        let last = moments.last();
        let leaks = moments.iter().rev().find(|moment| moment.capture.has(GOROUTINELEAK));
        let leaks = match leaks {
            Some(moment) => profile(moment, GOROUTINELEAK)?.map(|profile| {
                let mut census = Census::of_profile(moment.seconds, &profile);
                if let Some(all) = &latest_text {
                    let marked = Census::of_text(moment.seconds, all, true);
                    // The text marks them too: with creators and times, unless it was cut short.
                    census = if marked.total == census.total {
                        with_labels(marked, &census)
                    } else {
                        census.explain_by(&Census::of_text(moment.seconds, all, false));
                        census
                    };
                }
                census
            }),
            None => None,
        };
        let total = captures.last().map_or(0, |census| census.total);
        let test = last.map(|moment| &moment.capture.record).filter(|record| record.trigger == go_capture::AFTER_TESTS);
        let test = test.map(|record| record.package.clone().unwrap_or_default());
        let stats = last.and_then(|moment| moment.before().or_else(|| moment.after()));
        Ok(Self {
            process,
            total,
            seconds: captures.iter().map(|census| census.seconds).collect(),
            stack_bytes: stats.and_then(|stats| stats.stack_inuse.checked_div(total)),
            leaks,
            growth: match captures.last() {
                Some(end) if test.is_some() => left_over(end),
                _ => growth(&captures),
            },
            test,
        })
    }

    /// Leaks first, then what grew and is no leak that was told already.
    fn grown(&self, args: &Args) -> impl Iterator<Item = &Growth> {
        let told = |row: &&Growth| {
            let same = |key: &GroupKey| key.entry == row.key.entry && key.blocked_at == row.key.blocked_at;
            self.leaks.as_ref().is_some_and(|leaks| leaks.groups.keys().any(same))
        };
        let all = args.all;
        let least = if self.test.is_some() { 1 } else { LEAST_GROWTH };
        self.growth.iter().filter(move |row| all || row.delta() >= least).filter(move |row| all || !told(row))
    }

    fn to_json(&self, args: &Args) -> Value {
        let top = args.top.unwrap_or(usize::MAX);
        let stack = |group: &Group| self.stack_bytes.map(|bytes| bytes * group.count);
        let leaks = self.leaks.as_ref().map(|leaks| {
            let rows = by_count(leaks).into_iter().take(top);
            json!({
                "count": leaks.total,
                "rows": rows.map(|(key, group)| row(key, group, stack(group))).collect::<Vec<_>>(),
            })
        });
        let grown = self.grown(args).take(top).map(|growth| {
            let mut object = row(&growth.key, &growth.last, stack(&growth.last));
            object["before"] = json!(growth.counts.first());
            object["after"] = json!(growth.counts.last());
            object["delta"] = json!(growth.delta());
            object["counts"] = json!(growth.counts);
            object["since_seconds"] = json!(growth.since_seconds);
            object["never_shrank"] = json!(growth.never_shrank());
            object
        });
        json!({
            "process": (self.process != 0).then_some(self.process), "test": self.test, "goroutines": self.total,
            "captures_seconds": self.seconds, "stack_bytes_each": self.stack_bytes, "leaks": leaks,
            "grown": grown.collect::<Vec<_>>(),
        })
    }

    fn write(&self, args: &Args, out: &mut dyn Write) -> anyhow::Result<()> {
        let top = args.top.unwrap_or(DEFAULT_TOP);
        let times = match (self.seconds.first(), self.seconds.last()) {
            _ if self.test.is_some() => "when its tests had ended".to_owned(),
            (Some(first), Some(last)) if self.seconds.len() > 1 => {
                format!("{} captures from {first:.1} s to {last:.1} s", self.seconds.len())
            }
            (Some(only), _) => format!("one capture at {only:.1} s: growth needs two"),
            _ => "no capture".to_owned(),
        };
        let each = self.stack_bytes.map(|each| format!(" · about {} of stack each", bytes(each as i64)));
        writeln!(
            out,
            "{}: {} goroutine{}{} · {times}",
            self.test.as_deref().map_or_else(|| format!("process {}", self.process), |test| plain(test).into_owned()),
            count(self.total as i64),
            if self.total == 1 { "" } else { "s" },
            each.unwrap_or_default()
        )?;
        match &self.leaks {
            Some(leaks) if leaks.total > 0 => {
                writeln!(
                    out,
                    "\n{} leaked: the runtime has found that they can never run again",
                    count(leaks.total as i64)
                )?;
                for (key, group) in by_count(leaks).into_iter().take(top) {
                    self.write_row(&count(group.count as i64), key, group, None, out)?;
                }
            }
            Some(_) => writeln!(out, "\nno leak: the runtime has looked for goroutines that can never run again")?,
            None => {}
        }
        let rows: Vec<&Growth> = self.grown(args).collect();
        if !rows.is_empty() {
            let title = match (args.all, &self.test) {
                (true, _) => "all groups",
                (_, Some(_)) => "left behind by the tests",
                _ => "grown between the captures",
            };
            writeln!(
                out,
                "\n{title}{}",
                if self.leaks.is_none() && self.test.is_none() && !args.all {
                    " (suspected: no leak detector in this program)"
                } else {
                    ""
                }
            )?;
        } else if self.test.is_some() {
            writeln!(out, "\nnothing was left behind")?;
        } else if self.leaks.is_none() {
            writeln!(out, "\nno group grew")?;
        }
        for growth in rows.iter().take(top) {
            let since = growth.since_seconds.filter(|_| growth.delta() > 0);
            let grew = if growth.never_shrank() { "" } else { ", with ups and downs" };
            let history = since.map(|seconds| {
                format!(
                    "since {seconds:.1} s{grew}, {} before",
                    count(growth.counts.first().copied().unwrap_or(0) as i64)
                )
            });
            let number =
                if growth.delta() == 0 { count(growth.last.count as i64) } else { delta_count(growth.delta()) };
            self.write_row(&number, &growth.key, &growth.last, history, out)?;
        }
        if rows.len() > top {
            writeln!(out, "{} more groups (--top N shows more, --json all)", count((rows.len() - top) as i64))?;
        }
        Ok(())
    }

    fn write_row(
        &self,
        number: &str,
        key: &GroupKey,
        group: &Group,
        history: Option<String>,
        out: &mut dyn Write,
    ) -> std::io::Result<()> {
        let stack = self.stack_bytes.map(|each| format!("about {} of stack", bytes((each * group.count) as i64)));
        let waited =
            group.minutes.filter(|minutes| *minutes > 0).map(|minutes| format!("waiting for up to {minutes} min"));
        let labels: Vec<String> = group.labels.keys().take(4).map(|(name, value)| format!("{name}={value}")).collect();
        let labels = (!labels.is_empty()).then(|| labels.join(", "));
        let facts: Vec<String> = [history, waited, stack, labels].into_iter().flatten().collect();
        writeln!(out, "{number:>10}  {}  {}", plain(&key.state), plain(&facts.join(" · ")))?;
        let place = |frame: &GoroutineFrame| format!("{} {}:{}", frame.function, frame.file, frame.line);
        match &key.created_by {
            Some(creator) => writeln!(out, "{:>12}created by {}", "", plain(&place(creator)))?,
            None => writeln!(out, "{:>12}started as {}", "", plain(&key.entry))?,
        }
        if let Some(blocked) = &key.blocked_at {
            writeln!(out, "{:>12}blocked at {}", "", plain(&place(blocked)))?;
        }
        let callers = group.frames.iter().skip_while(|frame| Some(*frame) != key.blocked_at.as_ref()).skip(1);
        for caller in callers.take(FRAMES) {
            writeln!(out, "{:>12}         ← {}", "", plain(&place(caller)))?;
        }
        Ok(())
    }
}

/// Labels are known to the profile alone.
fn with_labels(mut census: Census, profile: &Census) -> Census {
    for (key, group) in &mut census.groups {
        let same = |other: &&GroupKey| other.entry == key.entry && other.blocked_at == key.blocked_at;
        if let Some(found) = profile.groups.keys().find(same) {
            group.labels.clone_from(&profile.groups[found].labels);
        }
    }
    census
}

fn by_count(census: &Census) -> Vec<(&GroupKey, &Group)> {
    let mut rows: Vec<_> = census.groups.iter().collect();
    rows.sort_by_key(|(key, group)| (std::cmp::Reverse(group.count), *key));
    rows
}

fn row(key: &GroupKey, group: &Group, stack: Option<u64>) -> Value {
    let place = |frame: &GoroutineFrame| json!({ "function": frame.function, "file": frame.file, "line": frame.line });
    let labels =
        group.labels.iter().map(|((name, value), count)| json!({ "name": name, "value": value, "count": count }));
    json!({
        "count": group.count, "state": key.state, "entry": key.entry,
        "created_by": key.created_by.as_ref().map(place), "blocked_at": key.blocked_at.as_ref().map(place),
        "waiting_minutes": group.minutes, "stack_bytes": stack,
        "labels": labels.collect::<Vec<_>>(), "frames": group.frames.iter().map(place).collect::<Vec<_>>(),
    })
}
