//! Self sizes as a programmer sees them: what the runtime allots for one object alone counts with that object.

use super::document::DocumentState;
use super::roots::{ROOT, has_user_roots};
use brimline_profile::heap::{EdgeKind, HeapGraph, IntColumn, NodeId, NodeKind};

const UNVISITED: u32 = u32::MAX;
const SEVERAL: u32 = u32::MAX - 1;

/// Self sizes with hidden nodes, backing arrays and external string data given to their only owner.
pub(super) fn transfer(graph: &HeapGraph, document: &DocumentState) -> IntColumn {
    let mut sizes = graph.self_sizes().clone();
    // Without user roots the snapshot was asked to expose internals: nothing is moved.
    if !has_user_roots(graph, document) {
        return sizes;
    }
    let mut owners: Vec<u32> = Vec::with_capacity(graph.node_count());
    for node in graph.nodes() {
        let is_part = match graph.kind(node) {
            NodeKind::Hidden | NodeKind::Array => true,
            NodeKind::Native => document.name(graph, node) == "system / ExternalStringData",
            _ => false,
        };
        owners.push(if is_part { UNVISITED } else { node.0 });
    }
    let mut stack = Vec::new();
    // From the last node to the first; what a node reaches is followed at once, which keeps the stack small.
    for start in graph.nodes().rev() {
        if owners[start.index()] != start.0 {
            continue;
        }
        stack.push(start);
        while let Some(node) = stack.pop() {
            let owner = owners[node.index()];
            for index in graph.edge_range(node) {
                let to = graph.edge_target(index);
                let current = owners[to.index()];
                if current == to.0 || current == owner || current == SEVERAL {
                    continue;
                }
                if graph.edge_kind(index) == EdgeKind::Weak {
                    continue;
                }
                owners[to.index()] = if current == UNVISITED { owner } else { SEVERAL };
                stack.push(to);
            }
        }
    }
    for (index, &owner) in owners.iter().enumerate() {
        if owner == UNVISITED || owner == SEVERAL || owner as usize == index {
            continue;
        }
        let owner = NodeId(owner);
        if owner != ROOT && graph.kind(owner) != NodeKind::Synthetic {
            let moved = sizes.get(index);
            sizes.set(index, 0);
            sizes.set(owner.index(), sizes.get(owner.index()).saturating_add(moved));
        }
    }
    sizes
}
