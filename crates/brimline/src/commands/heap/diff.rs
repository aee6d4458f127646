//! `brimline heap diff`: what grew between two snapshots; of three, what was made between the first two and stays.

use std::io::Write;
use std::path::PathBuf;

use brimline_analysis::heap::Heap;
use brimline_analysis::heap::compare::{self, ClassDiff, PathDiff, ShapeDiff, Survivors};
use brimline_analysis::heap::leak::{self, Thresholds, without_positions};
use brimline_analysis::heap::path::{Detail, describe, shortest_path};
use brimline_analysis::heap::source::{Place, Scripts};
use brimline_analysis::heap::summary::HolderSummary;
use clap::ValueEnum;
use serde_json::{Value, json};

use super::snapshot_file::{OpenArgs, SnapshotFile};
use super::source_maps::SourceMaps;
use super::top::{claim, more};
use super::{with_place, write_json};
use crate::exit_code::ExitCode;
use crate::quantity::{bytes, count, delta_bytes, delta_count};
use crate::terminal::plain;

const DEFAULT_TOP: usize = 20;

/// Arguments.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct Args {
    /// The earlier run or file.
    before: String,
    /// The later one.
    after: String,
    /// A third, still later one: shows what was made between the first two and is still there.
    last: Option<String>,
    /// How objects are matched [default: id within one process, else path]
    #[arg(long, value_enum)]
    by: Option<Match>,
    /// Show what shrank and what is gone too.
    #[arg(long)]
    all: bool,
    /// Most rows to show.
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// JSON, all rows unless --top.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    open: OpenArgs,
    /// Write to a file.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Match {
    /// Object by object: snapshots of one process
    Id,
    /// By class and shape: any two snapshots
    Class,
    /// By class and the way from the program's roots: any two snapshots
    Path,
}

impl Match {
    fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Class => "class",
            Self::Path => "path",
        }
    }
}

/// The answer to `brimline diff` about two heap snapshots.
pub(crate) fn between(
    before: &str,
    after: &str,
    options: (bool, Option<usize>, bool),
    open: OpenArgs,
    output: Option<PathBuf>,
) -> anyhow::Result<ExitCode> {
    let (all, top, json) = options;
    let (before, after) = (before.to_owned(), after.to_owned());
    execute(&Args { before, after, all, top, json, open, output, ..Args::default() })
}

/// A snapshot with its heap and what holds memory in it.
struct Side {
    name: String,
    heap: Heap,
    holders: Vec<HolderSummary>,
    exit_code: ExitCode,
}

impl Side {
    fn open(run: &str, args: &OpenArgs) -> anyhow::Result<Self> {
        let file = SnapshotFile::find(Some(run), args)?;
        let heap = file.heap()?;
        crate::commands::warn(&heap.warnings);
        let scripts = Scripts::of(&heap.value);
        let found = leak::holders(&heap.value, &scripts, Thresholds::default());
        let holders = found.into_iter().map(|holder| HolderSummary::of(&heap.value, holder)).collect();
        Ok(Self { name: file.name, heap: heap.value, holders, exit_code: heap.exit_code })
    }
}

/// How a holder that both snapshots have grew.
struct Growth<'a> {
    before: Option<&'a HolderSummary>,
    after: &'a HolderSummary,
}

impl Growth<'_> {
    fn delta_count(&self) -> i64 {
        self.after.count as i64 - self.before.map_or(0, |before| before.count as i64)
    }

    fn delta_bytes(&self) -> i64 {
        self.after.bytes as i64 - self.before.map_or(0, |before| before.bytes as i64)
    }
}

/// Rows of the comparison.
enum Rows {
    Objects(Vec<ClassDiff>),
    Shapes(Vec<ShapeDiff>),
    Paths(Vec<PathDiff>),
}

/// Carries the command out.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    let mut out = crate::commands::output(args.output.as_deref())?;
    let (before, after) = (Side::open(&args.before, &args.open)?, Side::open(&args.after, &args.open)?);
    let maps = SourceMaps::new(args.open.sources.clone());
    if let Some(last) = &args.last {
        let last = Side::open(last, &args.open)?;
        return survivors(args, &[before, after, last], &maps, &mut out);
    }
    let by = args
        .by
        .unwrap_or_else(|| if compare::is_same_process(&before.heap, &after.heap) { Match::Id } else { Match::Path });
    let mut rows = match by {
        Match::Id => Rows::Objects(compare::by_id(&before.heap, &after.heap)),
        Match::Class => Rows::Shapes(compare::by_class(&before.heap, &after.heap)),
        Match::Path => Rows::Paths(compare::by_path(&before.heap, &after.heap)),
    };
    if !args.all && !args.json {
        match &mut rows {
            Rows::Objects(rows) => rows.retain(|row| row.size_delta() > 0),
            Rows::Shapes(rows) => rows.retain(|row| row.after_size > row.before_size),
            Rows::Paths(rows) => rows.retain(|row| row.shape.after_size > row.shape.before_size),
        }
    }
    let small = small_before(&before, &after, by);
    let grown = grown(&before.holders, &small, &after.holders, by == Match::Id);
    if args.json {
        write_answer(args, by, (&before, &after), &rows, &grown, &maps, &mut out)?;
    } else {
        write_table(args, by, (&before, &after), &rows, &grown, &maps, &mut out)?;
    }
    out.flush()?;
    Ok(if before.exit_code == ExitCode::FINE { after.exit_code } else { before.exit_code })
}

/// What the holders of `after` were when they were too small for a line; across processes nothing tells which they are.
fn small_before(before: &Side, after: &Side, by: Match) -> Vec<HolderSummary> {
    if by != Match::Id {
        return Vec::new();
    }
    let owners: Vec<u64> = after.holders.iter().map(|holder| holder.owner).collect();
    let found = leak::holders_of_any_size(&before.heap, &Scripts::of(&before.heap), &owners);
    found.into_iter().map(|holder| HolderSummary::of(&before.heap, holder)).collect()
}

/// Holders of `after` that hold more than in `before`, largest growth first.
fn grown<'a>(
    before: &'a [HolderSummary],
    small: &'a [HolderSummary],
    after: &'a [HolderSummary],
    by_id: bool,
) -> Vec<Growth<'a>> {
    let is_same = |a: &HolderSummary, b: &HolderSummary| {
        let has_owner = a.shape.has_owner();
        let owner = if by_id && has_owner { a.owner == b.owner } else { !has_owner || a.path == b.path };
        // Which function is seen to hold what only grows may change; which one waits may not.
        let function = has_owner || a.shape.only_grows() || a.function == b.function;
        a.shape == b.shape && a.label == b.label && owner && function
    };
    // A new container in place of another one that was as large has not grown.
    let is_replaced = |after: &HolderSummary| {
        let is_like = |before: &HolderSummary| {
            (before.shape, &before.label, before.count, &before.place)
                == (after.shape, &after.label, after.count, &after.place)
                && without_positions(&before.path) == without_positions(&after.path)
        };
        after.shape.only_grows() && before.iter().any(is_like)
    };
    let mut grown: Vec<_> = after
        .iter()
        .map(|after| Growth { before: before.iter().chain(small).find(|before| is_same(before, after)), after })
        .filter(|growth| growth.delta_count() > 0 && growth.delta_bytes() > 0)
        .filter(|growth| growth.before.is_some() || !is_replaced(growth.after))
        .collect();
    grown.sort_by_key(|growth| std::cmp::Reverse(growth.delta_bytes()));
    grown
}

/// Whether a holder is the program's, also where Node's loader holds the module whose export it is.
fn is_own(holder: &HolderSummary) -> bool {
    !holder.is_runtime || holder.place.as_ref().is_some_and(|place| !place.script.starts_with("node:"))
}

fn write_answer(
    args: &Args,
    by: Match,
    (before, after): (&Side, &Side),
    rows: &Rows,
    grown: &[Growth<'_>],
    maps: &SourceMaps,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let (old, new) = (before.heap.total_size(), after.heap.total_size());
    let head = json!({
        "schema": "brimline.heap.diff/1", "before": before.name, "after": after.name, "by": by.name(),
        "partial": before.exit_code != ExitCode::FINE || after.exit_code != ExitCode::FINE,
        "totals": {
            "before_bytes": old, "after_bytes": new, "delta_bytes": new as i64 - old as i64,
            "before_count": before.heap.graph().node_count(), "after_count": after.heap.graph().node_count(),
        },
    });
    let top = args.top.unwrap_or(usize::MAX);
    let places = Places::of(after, maps);
    let rows: Vec<Value> = match rows {
        Rows::Objects(rows) => rows
            .iter()
            .take(top)
            .map(|row| {
                let value = json!({
                    "class": row.name, "key": row.key, "added_count": row.added, "removed_count": row.removed,
                    "added_bytes": row.added_size, "removed_bytes": row.removed_size,
                    "delta_count": row.count_delta(), "delta_bytes": row.size_delta(),
                });
                with_place(value, places.of_key(&row.key).as_ref())
            })
            .collect(),
        Rows::Shapes(rows) => rows.iter().take(top).map(shape_json).collect(),
        Rows::Paths(rows) => rows
            .iter()
            .take(top)
            .map(|row| {
                let mut value = shape_json(&row.shape);
                value["path"] = json!(row.path);
                value
            })
            .collect(),
    };
    let growth = |growth: &Growth<'_>| {
        let after = growth.after;
        let row = json!({
            "shape": after.shape, "label": after.label, "owner": after.owner, "path": after.path,
            "function": after.function, "before_count": growth.before.map_or(0, |before| before.count),
            "after_count": after.count, "delta_count": growth.delta_count(), "delta_bytes": growth.delta_bytes(),
        });
        with_place(row, after.place.as_ref().map(|place| maps.place(place)).as_ref())
    };
    let holders = grown.iter().take(top).map(growth).collect();
    write_json(out, &head, &[("rows", rows), ("holders", holders)])
}

fn shape_json(shape: &ShapeDiff) -> Value {
    json!({
        "class": shape.name, "before_count": shape.before_count, "after_count": shape.after_count,
        "before_bytes": shape.before_size, "after_bytes": shape.after_size,
        "delta_count": shape.after_count as i64 - shape.before_count as i64,
        "delta_bytes": shape.after_size as i64 - shape.before_size as i64,
    })
}

/// Places of classes by their key.
struct Places<'a> {
    scripts: Scripts,
    maps: &'a SourceMaps,
}

impl<'a> Places<'a> {
    fn of(side: &Side, maps: &'a SourceMaps) -> Self {
        Self { scripts: Scripts::of(&side.heap), maps }
    }

    fn of_key(&self, key: &str) -> Option<Place> {
        self.scripts.place_of_key(key).map(|place| self.maps.place(&place))
    }
}

fn write_table(
    args: &Args,
    by: Match,
    (before, after): (&Side, &Side),
    rows: &Rows,
    grown: &[Growth<'_>],
    maps: &SourceMaps,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let (old, new) = (before.heap.total_size() as i64, after.heap.total_size() as i64);
    let match_text = match by {
        Match::Id => "one process, matched by object id",
        Match::Class => "matched by class and shape",
        Match::Path => "matched by class and way from the roots",
    };
    writeln!(out, "{} → {}: {match_text}", plain(&before.name), plain(&after.name))?;
    writeln!(out, "{} → {} ({})", bytes(old), bytes(new), delta_bytes(new - old))?;
    let top = args.top.unwrap_or(DEFAULT_TOP);
    let own: Vec<_> = grown.iter().filter(|growth| is_own(growth.after)).take(top.min(10)).collect();
    if !own.is_empty() {
        writeln!(out, "\n{:>11}  {:>11}  what holds more (rows overlap)", "growth", "more")?;
    }
    for growth in own {
        let mut after = growth.after.clone();
        after.function = after.function.map(|name| maps.function(after.place.as_ref(), &name));
        after.place = after.place.map(|place| maps.place(&place));
        let (size, number) = (delta_bytes(growth.delta_bytes()), delta_count(growth.delta_count()));
        writeln!(out, "{size:>11}  {number:>11}  {}", plain(&claim(&after)))?;
        writeln!(out, "{:>26}{} @{}", "", plain(&after.path), after.owner)?;
    }
    let left = match rows {
        Rows::Objects(rows) => {
            let places = Places::of(after, maps);
            writeln!(out, "\n{:>11}  {:>11}  {:>9}  {:>9}  class", "growth", "objects", "new", "gone")?;
            for row in rows.iter().take(top) {
                let place = places.of_key(&row.key).map(|place| format!("  {place}")).unwrap_or_default();
                writeln!(
                    out,
                    "{:>11}  {:>11}  {:>9}  {:>9}  {}{}",
                    delta_bytes(row.size_delta()),
                    delta_count(row.count_delta()),
                    count(row.added as i64),
                    count(row.removed as i64),
                    plain(&row.name),
                    plain(&place),
                )?;
            }
            rows.len().saturating_sub(top)
        }
        Rows::Shapes(rows) => {
            write_shapes(rows.iter().map(|shape| (shape, "")).take(top), out)?;
            rows.len().saturating_sub(top)
        }
        Rows::Paths(rows) => {
            write_shapes(rows.iter().map(|row| (&row.shape, row.path.as_str())).take(top), out)?;
            rows.len().saturating_sub(top)
        }
    };
    more(left, out)
}

fn write_shapes<'a>(rows: impl Iterator<Item = (&'a ShapeDiff, &'a str)>, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "\n{:>11}  {:>11}  {:>11}  class", "growth", "before", "after")?;
    for (shape, path) in rows {
        let text = format!("{}  {path}", shape.name);
        writeln!(
            out,
            "{:>11}  {:>11}  {:>11}  {}",
            delta_bytes(shape.after_size as i64 - shape.before_size as i64),
            count(shape.before_count as i64),
            count(shape.after_count as i64),
            plain(text.trim_end()),
        )?;
    }
    Ok(())
}

fn survivors(args: &Args, sides: &[Side; 3], maps: &SourceMaps, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let [first, second, third] = sides;
    let groups = compare::survivors(&first.heap, &second.heap, &third.heap);
    let places = Places::of(third, maps);
    let exit_code =
        sides.iter().map(|side| side.exit_code).find(|&code| code != ExitCode::FINE).unwrap_or(ExitCode::FINE);
    let path = |group: &Survivors| {
        let node = group.nodes.iter().copied().max_by_key(|&node| third.heap.retained_size(node))?;
        Some(describe(&third.heap, &places.scripts, &shortest_path(&third.heap, node), Detail::Exact))
    };
    if args.json {
        let head = json!({
            "schema": "brimline.heap.survivors/1", "snapshots": [first.name, second.name, third.name],
            "partial": exit_code != ExitCode::FINE,
        });
        let row = |group: &Survivors| {
            let row = json!({
                "class": group.name, "key": group.key, "count": group.count, "self_bytes": group.self_size,
                "largest_retained_bytes": group.largest_retained, "path": path(group),
                "ids": group.nodes.iter().take(100).map(|&node| third.heap.graph().id(node)).collect::<Vec<_>>(),
            });
            with_place(row, places.of_key(&group.key).as_ref())
        };
        let rows = groups.iter().take(args.top.unwrap_or(usize::MAX)).map(row).collect();
        write_json(out, &head, &[("rows", rows)])?;
        return Ok(exit_code);
    }
    writeln!(
        out,
        "made between {} and {}, still there in {}",
        plain(&first.name),
        plain(&second.name),
        plain(&third.name)
    )?;
    writeln!(out, "\n{:>10}  {:>11}  {:>12}  class and a way from the roots", "self", "objects", "largest")?;
    let top = args.top.unwrap_or(DEFAULT_TOP);
    for group in groups.iter().take(top) {
        let place = places.of_key(&group.key).map(|place| format!("  {place}")).unwrap_or_default();
        let (size, largest) = (bytes(group.self_size as i64), bytes(group.largest_retained as i64));
        let text = format!("{}{place}  {}", group.name, path(group).unwrap_or_default());
        writeln!(out, "{size:>10}  {:>11}  {largest:>12}  {}", count(group.count as i64), plain(&text))?;
    }
    more(groups.len().saturating_sub(top), out)?;
    out.flush()?;
    Ok(exit_code)
}
