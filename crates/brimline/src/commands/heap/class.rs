//! `brimline heap class`: the largest objects of a class.

use std::io::Write;

use brimline_analysis::heap::path::{Detail, describe, shortest_path};
use brimline_analysis::heap::source::Scripts;
use brimline_analysis::heap::table::ClassTable;
use brimline_profile::heap::NodeId;
use serde_json::json;

use super::snapshot_file::{OpenArgs, SnapshotFile};
use super::source_maps::SourceMaps;
use super::top::more;
use super::{target, with_place, write_json};
use crate::exit_code::ExitCode;
use crate::quantity::{bytes, count};
use crate::terminal::plain;

const DEFAULT_TOP: usize = 20;

/// Arguments.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The class, such as `Session`, `(string)` or `{id, user}`.
    class: String,
    /// The run or file [default: the latest run]
    run: Option<String>,
    /// Most rows to show.
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// JSON, all rows unless --top.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    open: OpenArgs,
}

/// Carries the command out.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    let file = SnapshotFile::find(args.run.as_deref(), &args.open)?;
    let opened = file.heap()?;
    crate::commands::warn(&opened.warnings);
    let (heap, scripts, table) = (&opened.value, Scripts::of(&opened.value), ClassTable::of(&opened.value));
    let maps = SourceMaps::new(args.open.sources.clone());
    let classes = target::class(&table, &args.class)?;
    let mut nodes: Vec<NodeId> = classes.iter().flat_map(|class| table.instances(&class.key)).collect();
    nodes.sort_by_key(|&node| (std::cmp::Reverse(heap.retained_size(node)), node));
    let path = |node: NodeId| describe(heap, &scripts, &shortest_path(heap, node), Detail::Exact);
    let place = |node: NodeId| scripts.place(heap, node).map(|place| maps.place(&place));
    let mut out = crate::commands::output(None)?;
    if args.json {
        let head = json!({
            "schema": "brimline.heap.class/1", "file": file.name, "partial": opened.exit_code != ExitCode::FINE,
            "class": args.class, "keys": classes.iter().map(|class| &class.key).collect::<Vec<_>>(),
            "count": nodes.len(),
            "self_bytes": classes.iter().map(|class| class.self_size).sum::<u64>(),
            "retained_bytes": classes.iter().map(|class| class.retained_size).sum::<u64>(),
        });
        let rows = nodes
            .iter()
            .take(args.top.unwrap_or(usize::MAX))
            .map(|&node| {
                let row = json!({
                    "id": heap.graph().id(node), "name": heap.name(node), "distance": heap.distance(node),
                    "self_bytes": heap.self_size(node), "retained_bytes": heap.retained_size(node), "path": path(node),
                });
                with_place(row, place(node).as_ref())
            })
            .collect();
        write_json(&mut out, &head, &[("rows", rows)])?;
        return Ok(opened.exit_code);
    }
    for class in classes {
        let first = table.instances(&class.key).next();
        let at = first.and_then(place).map(|place| format!(" at {place}")).unwrap_or_default();
        writeln!(
            out,
            "{}{}: {} objects, self {}, retained {}",
            plain(&class.name),
            plain(&at),
            count(class.count as i64),
            bytes(class.self_size as i64),
            bytes(class.retained_size as i64)
        )?;
    }
    writeln!(out, "\n{:>10}  {:>10}  {:>10}  way from the roots", "retained", "self", "id")?;
    let shown = &nodes[..nodes.len().min(args.top.unwrap_or(DEFAULT_TOP))];
    for &node in shown {
        let id = format!("@{}", heap.graph().id(node));
        let (retained, own) = (bytes(heap.retained_size(node) as i64), bytes(heap.self_size(node) as i64));
        writeln!(out, "{retained:>10}  {own:>10}  {id:>10}  {}", plain(&path(node)))?;
    }
    more(nodes.len() - shown.len(), &mut out)?;
    out.flush()?;
    Ok(opened.exit_code)
}
