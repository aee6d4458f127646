//! `brimline heap top`: what holds memory, and the class table.

use std::io::Write;
use std::path::PathBuf;

use brimline_analysis::heap::Heap;
use brimline_analysis::heap::leak::Shape;
use brimline_analysis::heap::path_profile::{PathRow, path_profile};
use brimline_analysis::heap::source::Scripts;
use brimline_analysis::heap::summary::{ClassSummary, HolderSummary, Summary};
use clap::ValueEnum;
use serde_json::{Value, json};

use super::snapshot_file::{OpenArgs, Opened, SnapshotFile};
use super::source_maps::SourceMaps;
use super::{with_place, write_json};
use crate::exit_code::ExitCode;
use crate::quantity::{bytes, count, percent};
use crate::refusal::usage;
use crate::terminal::plain;

const DEFAULT_TOP: usize = 20;
/// Holders shown before the class table.
const DEFAULT_HOLDERS: usize = 10;
/// The runtime's own tables are shown from this share of the heap on, in percent.
const RUNTIME_SHARE: u64 = 10;
/// What any program has is shown from this share of the heap on, in percent, or from these bytes.
const SHARE: u64 = 1;
const BYTES: u64 = 1 << 20;

/// Arguments.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct Args {
    /// The run or file [default: the latest run]
    pub(crate) run: Option<String>,
    /// What a row stands for.
    #[arg(long, value_enum, default_value = "class")]
    by: RowKind,
    /// What classes are sorted by.
    #[arg(long, value_enum, default_value = "retained")]
    sort: Sort,
    /// Only rows whose name or place contains this.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Most rows to show.
    #[arg(long, value_name = "N")]
    pub(crate) top: Option<usize>,
    /// JSON, all rows unless --top.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) open: OpenArgs,
    /// Write to a file.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum RowKind {
    /// A class, plain objects by their shape
    #[default]
    Class,
    /// A way from the program's roots, with all objects first reached by it
    Path,
    /// A line that allocated, in snapshots taken with allocation tracking
    Site,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Sort {
    /// Bytes that would go with the objects
    #[default]
    Retained,
    /// Bytes of the objects alone
    #[value(name = "self")]
    Own,
    /// Number of objects
    Count,
}

/// The answer to `brimline report` about a heap snapshot.
pub(crate) fn report(
    run: Option<&str>,
    top: Option<usize>,
    json: bool,
    open: OpenArgs,
    output: Option<PathBuf>,
) -> anyhow::Result<ExitCode> {
    execute(&Args { run: run.map(str::to_owned), top, json, open, output, ..Args::default() })
}

/// Carries the command out.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    let file = SnapshotFile::find(args.run.as_deref(), &args.open)?;
    let mut out = crate::commands::output(args.output.as_deref())?;
    let maps = SourceMaps::new(args.open.sources.clone());
    if args.by == RowKind::Path {
        let words = (&args.filter, args.sort, args.top, args.json);
        return file
            .answer("paths", &words, &mut out, |heap, exit_code, out| by_path(args, &file.name, heap, exit_code, out));
    }
    let opened = file.summary()?;
    crate::commands::warn(&opened.warnings);
    let Opened { value: mut summary, exit_code, .. } = opened;
    if args.by == RowKind::Site && summary.allocations.is_empty() {
        return Err(usage(
            format!("expected a snapshot with allocation stacks, found none in `{}`", file.name),
            "record it with allocation tracking: an allocation timeline, or `HeapProfiler.startTrackingHeapObjects` with \
             `trackAllocations`",
        ));
    }
    apply(&mut summary, &maps);
    select(args, &mut summary);
    if args.json {
        write_answer(args, &file, &summary, exit_code, &mut out)?;
    } else {
        write_table(args, &file, &summary, &mut out)?;
    }
    out.flush()?;
    Ok(exit_code)
}

/// Says every place in terms of its source.
fn apply(summary: &mut Summary, maps: &SourceMaps) {
    for holder in &mut summary.holders {
        holder.function = holder.function.take().map(|name| maps.function(holder.place.as_ref(), &name));
        holder.place = holder.place.take().map(|place| maps.place(&place));
    }
    for class in &mut summary.classes {
        if let Some(place) = class.place.take() {
            class.name = maps.function(Some(&place), &class.name);
            class.place = Some(maps.place(&place));
        }
    }
    for frame in summary.allocations.iter_mut().flat_map(|site| &mut site.stack) {
        frame.function = maps.function(Some(&frame.place), &frame.function);
        frame.place = maps.place(&frame.place);
    }
}

fn select(args: &Args, summary: &mut Summary) {
    if let Some(text) = &args.filter {
        let text = text.to_lowercase();
        let has = |parts: &[&str]| parts.iter().any(|part| part.to_lowercase().contains(&text));
        let script = |place: &Option<brimline_analysis::heap::source::Place>| {
            place.as_ref().map(ToString::to_string).unwrap_or_default()
        };
        summary.classes.retain(|class| has(&[&class.name, &script(&class.place)]));
        summary.holders.retain(|holder| {
            has(&[&holder.label, &holder.path, holder.function.as_deref().unwrap_or(""), &script(&holder.place)])
        });
        summary
            .allocations
            .retain(|site| site.stack.iter().any(|frame| has(&[&frame.function, &frame.place.to_string()])));
    }
    match args.sort {
        Sort::Retained => {}
        Sort::Own => summary.classes.sort_by_key(|class| std::cmp::Reverse(class.self_size)),
        Sort::Count => summary.classes.sort_by_key(|class| std::cmp::Reverse(class.count)),
    }
}

fn write_answer(
    args: &Args,
    file: &SnapshotFile,
    summary: &Summary,
    exit_code: ExitCode,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let top = args.top.unwrap_or(usize::MAX);
    let head = json!({
        "schema": "brimline.heap.top/1", "file": file.name, "partial": exit_code != ExitCode::FINE,
        "by": if args.by == RowKind::Site { "site" } else { "class" },
        "totals": {
            "nodes": summary.nodes, "edges": summary.edges, "total_bytes": summary.statistics.total,
            "managed_bytes": summary.statistics.managed, "native_bytes": summary.statistics.native,
        },
    });
    let rows = if args.by == RowKind::Site {
        summary.allocations.iter().take(top).map(site_json).collect()
    } else {
        summary.classes.iter().take(top).map(class_json).collect()
    };
    let holders = summary.holders.iter().take(top).map(holder_json).collect();
    write_json(out, &head, &[("rows", rows), ("holders", holders)])
}

fn class_json(class: &ClassSummary) -> Value {
    let row = json!({
        "class": class.name, "key": class.key, "count": class.count, "distance": class.distance,
        "self_bytes": class.self_size, "retained_bytes": class.retained_size,
    });
    with_place(row, class.place.as_ref())
}

fn site_json(site: &brimline_analysis::heap::allocation::Site) -> Value {
    let frames = site.stack.iter().map(|frame| with_place(json!({"function": frame.function}), Some(&frame.place)));
    json!({
        "stack": frames.collect::<Vec<_>>(), "live_count": site.live_count, "live_bytes": site.live_size,
        "total_count": site.total_count, "total_bytes": site.total_size,
    })
}

fn holder_json(holder: &HolderSummary) -> Value {
    let row = json!({
        "shape": holder.shape, "label": holder.label, "claim": claim(holder), "count": holder.count, "bytes": holder.bytes,
        "owner": holder.owner, "path": holder.path, "function": holder.function,
        "function_count": holder.function_count, "runtime": holder.is_runtime,
    });
    with_place(row, holder.place.as_ref())
}

/// A holder in a sentence.
pub(super) fn claim(holder: &HolderSummary) -> String {
    let place = holder.place.as_ref().map(|place| format!(" at {place}")).unwrap_or_default();
    let function = holder.function.as_deref().unwrap_or("");
    let (number, label) = (count(holder.count as i64), &holder.label);
    let from = if function.is_empty() { place.clone() } else { format!(", seen by `{function}`{place}") };
    match holder.shape {
        Shape::ListenerAccumulation => {
            let share = if holder.function_count == holder.count { "all" } else { "mostly" };
            format!("{label}: {number} listeners, {share} `{function}`{place}")
        }
        Shape::MapGrowth | Shape::SetGrowth => format!("{label} with {number} entries{from}"),
        Shape::ArrayGrowth => format!("{label} with {number} elements{from}"),
        Shape::ObjectGrowth => format!("{label} with {number} properties{from}"),
        Shape::ClosureVariable if function.is_empty() => format!("closure variable `{label}`"),
        Shape::ClosureVariable => format!("closure variable `{label}`, seen by `{function}`{place}"),
        Shape::PendingTimers => format!("{number} timers that wait to call `{function}`{place}"),
        Shape::PendingPromises if function.is_empty() => format!("{number} pending promises, awaited"),
        Shape::PendingPromises => format!("{number} pending promises, handled by `{function}`{place}"),
        Shape::OffHeapBuffers if holder.count == 1 => format!("a buffer outside the heap in {label}{from}"),
        Shape::OffHeapBuffers => format!("{number} buffers outside the heap in {label}{from}"),
        Shape::ModuleCache if holder.count > 1 => format!("module {label}, {number} copies loaded"),
        Shape::ModuleCache => format!("module {label} and its variables"),
        Shape::DetachedDocument => format!("{number} nodes {label} that left their document"),
    }
}

fn write_table(args: &Args, file: &SnapshotFile, summary: &Summary, out: &mut dyn Write) -> anyhow::Result<()> {
    let total = summary.statistics.total as i64;
    writeln!(
        out,
        "{}: {} in {} objects · native {} · strings {} · code {}",
        plain(&file.name),
        bytes(total),
        count(summary.nodes as i64),
        bytes(summary.statistics.native as i64),
        bytes(summary.statistics.strings as i64),
        bytes(summary.statistics.code as i64),
    )?;
    if args.by == RowKind::Site {
        return write_sites(args, summary, out);
    }
    let total_bytes = summary.statistics.total;
    let has_share =
        |holder: &HolderSummary, share| holder.bytes.saturating_mul(100) >= total_bytes.saturating_mul(share);
    let worth = |holder: &&HolderSummary| match holder.shape {
        _ if holder.is_runtime => has_share(holder, RUNTIME_SHARE),
        Shape::ClosureVariable => holder.bytes >= BYTES || has_share(holder, SHARE),
        shape if shape.only_grows() => holder.bytes >= BYTES || has_share(holder, SHARE),
        _ => true,
    };
    let holders: Vec<_> = summary.holders.iter().filter(worth).take(args.top.unwrap_or(DEFAULT_HOLDERS)).collect();
    if !holders.is_empty() {
        writeln!(out, "\n{:>10}  {:>6}  what holds memory (rows overlap)", "bytes", "share")?;
    }
    for holder in holders {
        let (size, share) = (bytes(holder.bytes as i64), percent(holder.bytes as i64, total));
        writeln!(out, "{size:>10}  {share:>6}  {}", plain(&claim(holder)))?;
        writeln!(out, "{:>20}{} @{}", "", plain(&holder.path), holder.owner)?;
    }
    writeln!(out, "\n{:>10}  {:>6}  {:>10}  {:>11}  class", "retained", "share", "self", "objects")?;
    let shown = &summary.classes[..summary.classes.len().min(args.top.unwrap_or(DEFAULT_TOP))];
    for class in shown {
        let place = class.place.as_ref().map(|place| format!("  {place}")).unwrap_or_default();
        writeln!(
            out,
            "{:>10}  {:>6}  {:>10}  {:>11}  {}{}",
            bytes(class.retained_size as i64),
            percent(class.retained_size as i64, total),
            bytes(class.self_size as i64),
            count(class.count as i64),
            plain(&class.name),
            plain(&place),
        )?;
    }
    more(summary.classes.len() - shown.len(), out)
}

/// Tells how many rows were left out.
pub(super) fn more(left: usize, out: &mut dyn Write) -> anyhow::Result<()> {
    if left > 0 {
        writeln!(out, "{:>10}  more rows (--top N shows more, --json all)", count(left as i64))?;
    }
    Ok(())
}

fn write_sites(args: &Args, summary: &Summary, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "\n{:>10}  {:>10}  {:>12}  allocated at", "live", "objects", "of all made")?;
    let shown = &summary.allocations[..summary.allocations.len().min(args.top.unwrap_or(DEFAULT_TOP))];
    for site in shown {
        let (live, number) = (bytes(site.live_size as i64), count(site.live_count as i64));
        let share = percent(site.live_count as i64, site.total_count as i64);
        for (index, frame) in site.stack.iter().take(8).enumerate() {
            let text = format!("{} {}", frame.function, frame.place);
            if index == 0 {
                writeln!(out, "{live:>10}  {number:>10}  {share:>12}  {}", plain(&text))?;
            } else {
                writeln!(out, "{:>38}← {}", "", plain(&text))?;
            }
        }
    }
    more(summary.allocations.len() - shown.len(), out)
}

fn by_path(args: &Args, file: &str, heap: &Heap, exit_code: ExitCode, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut rows = path_profile(heap, &Scripts::of(heap), &|_| true);
    if let Some(text) = &args.filter {
        rows.retain(|row| row.path.contains(text.as_str()) || row.class.contains(text.as_str()));
    }
    match args.sort {
        Sort::Retained | Sort::Own => rows.sort_by_key(|row| std::cmp::Reverse(row.self_size)),
        Sort::Count => rows.sort_by_key(|row| std::cmp::Reverse(row.count)),
    }
    let total = heap.total_size();
    if args.json {
        let head = json!({
            "schema": "brimline.heap.top/1", "file": file, "partial": exit_code != ExitCode::FINE,
            "by": "path", "totals": {"nodes": heap.graph().node_count(), "edges": heap.graph().edge_count(), "total_bytes": total},
        });
        let row = |row: &PathRow| json!({"path": row.path, "class": row.class, "count": row.count, "self_bytes": row.self_size});
        let rows = rows.iter().take(args.top.unwrap_or(usize::MAX)).map(row).collect();
        return write_json(out, &head, &[("rows", rows)]);
    }
    writeln!(out, "{}: {} in {} objects", plain(file), bytes(total as i64), count(heap.graph().node_count() as i64))?;
    writeln!(out, "\n{:>10}  {:>6}  {:>11}  class and way from the roots", "self", "share", "objects")?;
    let shown = &rows[..rows.len().min(args.top.unwrap_or(DEFAULT_TOP))];
    for row in shown {
        let (size, share) = (bytes(row.self_size as i64), percent(row.self_size as i64, total as i64));
        writeln!(
            out,
            "{size:>10}  {share:>6}  {:>11}  {}  {}",
            count(row.count as i64),
            plain(&row.class),
            plain(&row.path)
        )?;
    }
    more(rows.len() - shown.len(), out)
}
