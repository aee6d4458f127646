//! `brimline heap paths`: how the program reaches an object, or all objects of a class.

use std::collections::HashMap;
use std::io::Write;

use brimline_analysis::heap::Heap;
use brimline_analysis::heap::path::{Detail, describe, retaining_paths};
use brimline_analysis::heap::path_profile::path_profile;
use brimline_analysis::heap::retainer::Retainers;
use brimline_analysis::heap::source::Scripts;
use brimline_analysis::heap::table::ClassTable;
use brimline_profile::heap::NodeId;
use serde_json::json;

use super::snapshot_file::{OpenArgs, SnapshotFile};
use super::top::more;
use super::{object, target, write_json};
use crate::exit_code::ExitCode;
use crate::quantity::{bytes, count};
use crate::terminal::plain;

const DEFAULT_TOP: usize = 10;

/// Arguments.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// An object's id, such as `@1234`, or a class.
    target: String,
    /// The run or file [default: the latest run]
    run: Option<String>,
    /// Most paths to show.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_TOP)]
    top: usize,
    /// JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    open: OpenArgs,
}

/// Objects that are reached the same way.
struct Group {
    path: String,
    count: u64,
    self_size: u64,
    example: NodeId,
}

/// Carries the command out.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    let file = SnapshotFile::find(args.run.as_deref(), &args.open)?;
    let opened = file.heap()?;
    crate::commands::warn(&opened.warnings);
    let (heap, scripts) = (&opened.value, Scripts::of(&opened.value));
    let mut out = crate::commands::output(None)?;
    let head = |by: &str| {
        json!({
            "schema": "brimline.heap.paths/1", "file": file.name, "partial": opened.exit_code != ExitCode::FINE,
            "target": args.target, "by": by,
        })
    };
    if args.target.starts_with('@') {
        let node = target::object(heap, &args.target)?;
        let retainers = Retainers::of(heap.graph());
        let paths = retaining_paths(heap, &retainers, node, args.top);
        if args.json {
            let rows = paths.iter().map(|path| {
                let steps = path.iter().map(|step| {
                    let mut row = object::node_json(heap, step.from);
                    row["reference"] =
                        json!({"kind": step.edge.kind.name(), "name": heap.graph().edge_name(&step.edge)});
                    row
                });
                json!({"path": describe(heap, &scripts, path, Detail::Exact), "steps": steps.collect::<Vec<_>>()})
            });
            write_json(&mut out, &head("object"), &[("rows", rows.collect())])?;
            return Ok(opened.exit_code);
        }
        writeln!(out, "{}", object::label(heap, node))?;
        for path in &paths {
            writeln!(out, "\n{}", plain(&describe(heap, &scripts, path, Detail::Exact)))?;
            for step in path {
                let name = heap.graph().edge_name(&step.edge);
                writeln!(out, "  {}  .{}", object::label(heap, step.from), plain(&name))?;
            }
        }
        if paths.is_empty() {
            writeln!(out, "no way from the roots: only weak references, or none, lead to it")?;
        }
        out.flush()?;
        return Ok(opened.exit_code);
    }
    let groups = groups(heap, &scripts, &args.target)?;
    if args.json {
        let row = |group: &Group| {
            let example = heap.graph().id(group.example);
            json!({"path": group.path, "count": group.count, "self_bytes": group.self_size, "example": example})
        };
        write_json(&mut out, &head("class"), &[("rows", groups.iter().take(args.top).map(row).collect())])?;
        return Ok(opened.exit_code);
    }
    writeln!(out, "{:>11}  {:>10}  shortest way from the roots", "objects", "self")?;
    for group in groups.iter().take(args.top) {
        let (number, size) = (count(group.count as i64), bytes(group.self_size as i64));
        let example = heap.graph().id(group.example);
        writeln!(out, "{number:>11}  {size:>10}  {}  such as @{example}", plain(&group.path))?;
    }
    more(groups.len().saturating_sub(args.top), &mut out)?;
    out.flush()?;
    Ok(opened.exit_code)
}

fn groups(heap: &Heap, scripts: &Scripts, class: &str) -> anyhow::Result<Vec<Group>> {
    let table = ClassTable::of(heap);
    let names: Vec<&str> = target::class(&table, class)?.iter().map(|row| row.name.as_str()).collect();
    let mut groups: HashMap<String, Group> = HashMap::new();
    for row in path_profile(heap, scripts, &|class| names.contains(&class)) {
        let group = groups.entry(row.path).or_insert_with_key(|path| Group {
            path: path.clone(),
            count: 0,
            self_size: 0,
            example: row.example,
        });
        group.count += row.count;
        group.self_size += row.self_size;
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by(|a, b| b.self_size.cmp(&a.self_size).then_with(|| a.path.cmp(&b.path)));
    Ok(groups)
}
