//! `brimline heap object`: one object with its fields, retainers, dominators and allocation stack.

use std::io::Write;

use brimline_analysis::heap::Heap;
use brimline_analysis::heap::allocation;
use brimline_analysis::heap::path::{Detail, describe, retaining_paths};
use brimline_analysis::heap::retainer::Retainers;
use brimline_analysis::heap::source::Scripts;
use brimline_profile::heap::{Edge, EdgeKind, NodeId};
use serde_json::{Value, json};

use super::snapshot_file::{OpenArgs, SnapshotFile};
use super::source_maps::SourceMaps;
use super::top::more;
use super::{target, with_place, write_json};
use crate::exit_code::ExitCode;
use crate::quantity::bytes;
use crate::terminal::{clip, plain};

const DEFAULT_TOP: usize = 20;
const NAME_COLUMNS: usize = 60;

/// Arguments.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The object's id, such as `@1234`.
    object: String,
    /// The run or file [default: the latest run]
    run: Option<String>,
    /// Most rows of each list.
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
    let (heap, scripts) = (&opened.value, Scripts::of(&opened.value));
    let node = target::object(heap, &args.object)?;
    let maps = SourceMaps::new(args.open.sources.clone());
    let retainers = Retainers::of(heap.graph());
    let place = scripts.place(heap, node).map(|place| maps.place(&place));
    let mut stack = allocation::stack(heap.graph(), node);
    for frame in &mut stack {
        frame.function = maps.function(Some(&frame.place), &frame.function);
        frame.place = maps.place(&frame.place);
    }
    let mut fields: Vec<Edge> = heap.graph().edges(node).collect();
    fields.sort_by_key(|edge| std::cmp::Reverse(heap.retained_size(edge.to)));
    let mut referrers: Vec<(NodeId, Edge)> = retainers.of_node(heap.graph(), node).collect();
    referrers.sort_by_key(|(from, _)| heap.distance(*from));
    let paths: Vec<String> = retaining_paths(heap, &retainers, node, 3)
        .iter()
        .map(|path| describe(heap, &scripts, path, Detail::Exact))
        .collect();
    let dominators = dominators(heap, node);
    let mut out = crate::commands::output(None)?;
    if args.json {
        let top = args.top.unwrap_or(usize::MAX);
        let head = json!({
            "schema": "brimline.heap.object/1", "file": file.name, "partial": opened.exit_code != ExitCode::FINE,
            "object": with_place(node_json(heap, node), place.as_ref()), "paths": paths,
        });
        let lists = [
            ("fields", fields.iter().take(top).map(|edge| edge_json(heap, edge, edge.to)).collect()),
            ("retainers", referrers.iter().take(top).map(|(from, edge)| edge_json(heap, edge, *from)).collect()),
            ("dominators", dominators.iter().map(|&node| node_json(heap, node)).collect()),
            (
                "allocation",
                stack.iter().map(|frame| with_place(json!({"function": frame.function}), Some(&frame.place))).collect(),
            ),
        ];
        write_json(&mut out, &head, &lists)?;
        return Ok(opened.exit_code);
    }
    let top = args.top.unwrap_or(DEFAULT_TOP);
    let at = place.map(|place| format!(" at {place}")).unwrap_or_default();
    writeln!(out, "{}{}", label(heap, node), plain(&at))?;
    let distance = heap.distance(node);
    let sizes = (bytes(heap.self_size(node) as i64), bytes(heap.retained_size(node) as i64));
    writeln!(out, "self {}, retained {}, {} steps from the roots", sizes.0, sizes.1, distance)?;
    if !stack.is_empty() {
        writeln!(out, "\nallocated by")?;
        for frame in &stack {
            writeln!(out, "  {} {}", plain(&frame.function), plain(&frame.place.to_string()))?;
        }
    }
    writeln!(out, "\nshortest ways from the roots")?;
    for path in &paths {
        writeln!(out, "  {}", plain(path))?;
    }
    writeln!(out, "\nreferred to by")?;
    for (from, edge) in referrers.iter().take(top) {
        writeln!(out, "{}", edge_line(heap, edge, *from))?;
    }
    more(referrers.len().saturating_sub(top), &mut out)?;
    writeln!(out, "\nrefers to")?;
    for edge in fields.iter().take(top) {
        writeln!(out, "{}", edge_line(heap, edge, edge.to))?;
    }
    more(fields.len().saturating_sub(top), &mut out)?;
    writeln!(out, "\ndominated by")?;
    for &above in &dominators {
        writeln!(out, "{:>10}  {}", bytes(heap.retained_size(above) as i64), label(heap, above))?;
    }
    out.flush()?;
    Ok(opened.exit_code)
}

/// The dominators of `node`, nearest first.
fn dominators(heap: &Heap, node: NodeId) -> Vec<NodeId> {
    let mut chain = Vec::new();
    let mut at = node;
    while heap.dominator(at) != at {
        at = heap.dominator(at);
        chain.push(at);
    }
    chain
}

/// Class, name and id of a node, for a terminal.
pub(super) fn label(heap: &Heap, node: NodeId) -> String {
    let (class, name) = (heap.class_name(heap.class(node)), heap.name(node));
    let id = heap.graph().id(node);
    let name =
        if name == class || name.is_empty() { String::new() } else { format!(" {:?}", clip(name, NAME_COLUMNS)) };
    plain(&format!("{class}{name} @{id}")).into_owned()
}

fn edge_line(heap: &Heap, edge: &Edge, other: NodeId) -> String {
    let name = heap.graph().edge_name(edge);
    let weak = if edge.kind == EdgeKind::Weak { " (weak)" } else { "" };
    let retained = bytes(heap.retained_size(other) as i64);
    let name =
        if edge.kind == EdgeKind::Element { format!("[{name}]") } else { clip(&name, NAME_COLUMNS).into_owned() };
    format!("{retained:>10}  {}{weak}: {}", plain(&name), label(heap, other))
}

pub(super) fn node_json(heap: &Heap, node: NodeId) -> Value {
    json!({
        "id": heap.graph().id(node), "class": heap.class_name(heap.class(node)), "name": heap.name(node),
        "kind": heap.graph().kind_name(node), "distance": heap.distance(node), "self_bytes": heap.self_size(node),
        "retained_bytes": heap.retained_size(node), "detached": heap.detachedness(node) == 2,
    })
}

fn edge_json(heap: &Heap, edge: &Edge, other: NodeId) -> Value {
    let mut row = node_json(heap, other);
    row["reference"] = json!({"kind": edge.kind.name(), "name": heap.graph().edge_name(edge)});
    row
}
