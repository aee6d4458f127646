//! Makes a snapshot smaller or larger: `cargo run --release --example heap_resize keep NODES FILE OUT` keeps the nodes
//! nearest to the root, `repeat TIMES FILE OUT` puts copies of the whole graph below one root. Values of strings, numbers
//! and symbols are left out of what is kept. For fixtures and for files larger than any process at hand could write.
#![expect(clippy::disallowed_methods, reason = "an example opens the files it is given")]

use anyhow::{Context as _, bail, ensure};
use brimline_profile::heap::{EdgeKind, HeapGraph, Location, NodeId, NodeKind, heapsnapshot};
use std::collections::VecDeque;
use std::io::{BufReader, BufWriter, Write};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [verb, number, file, out] = &arguments[..] else { bail!("expected keep|repeat NUMBER FILE OUT") };
    let number: u32 = number.parse().context("expected a number")?;
    let decoded = heapsnapshot::decode(&mut BufReader::new(std::fs::File::open(file)?))?;
    ensure!(decoded.damage.is_none(), "expected a whole file");
    let graph = decoded.graph;
    let mut out = BufWriter::with_capacity(1 << 20, std::fs::File::create(out)?);
    match verb.as_str() {
        "keep" => write(&graph, &nearest(&graph, number as usize), 1, true, &mut out)?,
        "repeat" => write(&graph, &graph.nodes().collect::<Vec<_>>(), number, false, &mut out)?,
        _ => bail!("expected keep or repeat, found `{verb}`"),
    }
    out.flush()?;
    Ok(())
}

/// The first nodes breadth first, in file order.
fn nearest(graph: &HeapGraph, limit: usize) -> Vec<NodeId> {
    let mut seen = vec![false; graph.node_count()];
    let (mut queue, mut kept) = (VecDeque::from([NodeId(0)]), Vec::new());
    seen[0] = true;
    // No node may use up the room for all others.
    while let Some(node) = queue.pop_front().filter(|_| kept.len() < limit) {
        kept.push(node);
        for edge in graph.edges(node).take(limit / 8) {
            if !std::mem::replace(&mut seen[edge.to.index()], true) {
                queue.push_back(edge.to);
            }
        }
    }
    kept.sort_unstable();
    kept
}

fn write(graph: &HeapGraph, kept: &[NodeId], copies: u32, redact: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut position = vec![u32::MAX; graph.node_count()];
    for (at, node) in kept.iter().enumerate() {
        position[node.index()] = at as u32;
    }
    let kinds = kinds(graph);
    let edges: Vec<Vec<_>> = kept
        .iter()
        .map(|&node| graph.edges(node).filter(|edge| position[edge.to.index()] != u32::MAX).collect())
        .collect();
    let (nodes, edge_count) = (kept.len() as u64, edges.iter().map(|edges| edges.len() as u64).sum::<u64>());
    let copies = u64::from(copies);
    // The root is shared: its edges are repeated, the others' nodes too.
    write!(
        out,
        "{{\"snapshot\":{{\"meta\":{{\"node_fields\":[\"type\",\"name\",\"id\",\"self_size\",\"edge_count\",\"detachedness\"],\
         \"node_types\":[{},\"string\",\"number\",\"number\",\"number\",\"number\"],\"edge_fields\":[\"type\",\"name_or_index\",\"to_node\"],\
         \"edge_types\":[[\"context\",\"element\",\"property\",\"internal\",\"hidden\",\"shortcut\",\"weak\"],\"string_or_number\",\"node\"],\
         \"location_fields\":[\"object_index\",\"script_id\",\"line\",\"column\"]}},\"node_count\":{},\"edge_count\":{},\
         \"trace_function_count\":0,\"extra_native_bytes\":{}}},\n\"nodes\":[",
        serde_json::Value::from(kinds.clone()),
        (nodes - 1) * copies + 1,
        edge_count * copies,
        graph.extra_native_bytes(),
    )?;
    let largest_id = graph.nodes().map(|node| graph.id(node)).max().unwrap_or(0) + 2;
    for copy in 0..copies {
        for (at, &node) in kept.iter().enumerate().skip(usize::from(copy > 0)) {
            let kind = kinds.iter().position(|kind| *kind == graph.kind_name(node)).unwrap_or(0);
            let count = edges[at].len() as u64 * if at == 0 { copies } else { 1 };
            writeln!(
                out,
                "{}{kind},{},{},{},{count},{}",
                if at == 0 { "" } else { "," },
                graph.name_index(node),
                graph.id(node) + copy * (largest_id + largest_id % 2),
                graph.self_size(node),
                graph.detachedness(node).unwrap_or(0),
            )?;
        }
    }
    write!(out, "],\n\"edges\":[")?;
    let target = |to: NodeId, copy: u64| {
        let at = u64::from(position[to.index()]);
        if at == 0 { 0 } else { (at + copy * (nodes - 1)) * 6 }
    };
    let mut first = true;
    let mut row = |out: &mut dyn Write, edge: &brimline_profile::heap::Edge, copy| {
        let comma = if std::mem::take(&mut first) { "" } else { "," };
        writeln!(out, "{comma}{},{},{}", edge.kind as u8, edge.name, target(edge.to, copy))
    };
    for copy in 0..copies {
        for edge in &edges[0] {
            row(out, edge, copy)?;
        }
    }
    for copy in 0..copies {
        for edge in edges[1..].iter().flatten() {
            row(out, edge, copy)?;
        }
    }
    write!(out, "],\n\"locations\":[")?;
    let places: Vec<&Location> =
        graph.locations().iter().filter(|place| position[place.node.index()] != u32::MAX).collect();
    for (index, place) in places.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        writeln!(out, "{comma}{},{},{},{}", target(place.node, 0), place.script_id, place.line, place.column)?;
    }
    write!(out, "],\n\"strings\":[")?;
    let used = used_strings(graph, kept, redact);
    for (index, text) in graph.strings().iter().enumerate() {
        let text = if used.get(index).copied().unwrap_or(true) { text } else { "" };
        writeln!(out, "{}{}", if index == 0 { "" } else { "," }, serde_json::Value::from(text))?;
    }
    writeln!(out, "]}}")?;
    Ok(())
}

fn kinds(graph: &HeapGraph) -> Vec<&str> {
    let mut kinds: Vec<&str> = Vec::new();
    for node in graph.nodes() {
        if !kinds.contains(&graph.kind_name(node)) {
            kinds.push(graph.kind_name(node));
        }
    }
    kinds
}

/// Strings that names of kept nodes and edges refer to; of values none when `redact`.
fn used_strings(graph: &HeapGraph, kept: &[NodeId], redact: bool) -> Vec<bool> {
    let mut used = vec![!redact; graph.strings().len()];
    for &node in kept {
        let is_value = matches!(graph.kind(node), NodeKind::String | NodeKind::Number | NodeKind::BigInt);
        if !is_value && let Some(slot) = used.get_mut(graph.name_index(node) as usize) {
            *slot = true;
        }
        for edge in graph.edges(node).filter(|edge| !matches!(edge.kind, EdgeKind::Element | EdgeKind::Hidden)) {
            if let Some(slot) = used.get_mut(edge.name as usize) {
                *slot = true;
            }
        }
    }
    used
}
