//! Live objects by the place that allocated them, in snapshots taken with allocation tracking.

use super::Heap;
use super::hash::FastMap;
use super::source::Place;
use brimline_profile::heap::{HeapGraph, NodeId, TraceFunction};
use serde::{Deserialize, Serialize};

/// A frame of an allocation stack.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Frame {
    /// Function name, `(anonymous)` without one.
    pub function: String,
    /// Where the function is written.
    pub place: Place,
}

/// What one stack allocated and is still there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// The stack, from the allocating function outwards.
    pub stack: Vec<Frame>,
    /// Live objects.
    pub live_count: u64,
    /// Sum of their self sizes.
    pub live_size: u64,
    /// Objects allocated here while tracking, dead ones included.
    pub total_count: u64,
    /// Bytes allocated here while tracking, dead objects included.
    pub total_size: u64,
}

/// Sites with live objects, most live bytes first.
pub fn sites(heap: &Heap) -> Vec<Site> {
    let graph = heap.graph();
    let mut live: FastMap<u32, (u64, u64)> = FastMap::default();
    if graph.traces().nodes.is_empty() {
        return Vec::new();
    }
    for node in graph.nodes() {
        if let Some(trace) = graph.trace(node) {
            let (count, size) = live.entry(trace).or_default();
            *count += 1;
            *size += heap.self_size(node);
        }
    }
    let mut sites: Vec<Site> = Vec::with_capacity(live.len());
    for (index, trace) in graph.traces().nodes.iter().enumerate() {
        let Some((live_count, live_size)) = live.remove(&trace.id) else { continue };
        let stack = frames(graph, &graph.traces().stack_at(index as u32));
        sites.push(Site { stack, live_count, live_size, total_count: trace.count, total_size: trace.size });
    }
    sites.retain(|site| !site.stack.is_empty());
    sites.sort_by(|a, b| b.live_size.cmp(&a.live_size).then_with(|| b.live_count.cmp(&a.live_count)));
    sites
}

/// The allocation stack of `node`, from the allocating function outwards; empty when it was not tracked.
pub fn stack(graph: &HeapGraph, node: NodeId) -> Vec<Frame> {
    graph.trace(node).map_or_else(Vec::new, |trace| frames(graph, &graph.traces().stack(trace)))
}

fn frames(graph: &HeapGraph, functions: &[TraceFunction]) -> Vec<Frame> {
    let named = functions.iter().filter(|function| graph.strings().get(function.name) != "(root)");
    named
        .map(|function| {
            let name = graph.strings().get(function.name);
            Frame {
                function: if name.is_empty() { "(anonymous)".to_owned() } else { name.to_owned() },
                place: Place {
                    script: graph.strings().get(function.script_name).to_owned(),
                    line: function.line,
                    column: function.column,
                },
            }
        })
        .collect()
}
