//! What belongs to the program rather than to its runtime or a debugger.

use super::SYSTEM_DISTANCE;
use super::bits::BitSet;
use super::distance::Reach;
use super::document::DocumentState;
use brimline_profile::heap::{EdgeKind, HeapGraph, NodeId, NodeKind};

pub(super) const ROOT: NodeId = NodeId(0);

/// Children of the root from which the program reaches its objects.
pub(super) fn is_user_root(graph: &HeapGraph, document: &DocumentState, node: NodeId) -> bool {
    graph.kind(node) != NodeKind::Synthetic || is_document_trees(graph, document, node)
}

pub(super) fn has_user_roots(graph: &HeapGraph, document: &DocumentState) -> bool {
    graph.node_count() > 0 && graph.edges(ROOT).any(|edge| is_user_root(graph, document, edge.to))
}

fn is_document_trees(graph: &HeapGraph, document: &DocumentState, node: NodeId) -> bool {
    graph.kind(node) == NodeKind::Synthetic && document.name(graph, node) == "(Document DOM trees)"
}

/// Nodes reachable from global objects and documents. What the program's roots reach is known from `reach`; as long as
/// those roots are such objects too, only the few edges that distances do not follow are left to look at.
pub(super) fn page_owned(graph: &HeapGraph, document: &DocumentState, reach: &Reach) -> BitSet {
    let mut owned = BitSet::new(graph.node_count());
    let mut stack = Vec::new();
    if graph.node_count() == 0 {
        return owned;
    }
    for edge in graph.edges(ROOT) {
        let is_entry = match edge.kind {
            EdgeKind::Element => is_document_trees(graph, document, edge.to),
            kind => kind == EdgeKind::Shortcut,
        };
        if is_entry {
            owned.insert(edge.to.index());
            stack.push(edge.to);
        }
    }
    let mut roots = graph.edges(ROOT).filter(|edge| is_user_root(graph, document, edge.to)).peekable();
    if roots.peek().is_some() && roots.all(|edge| owned.contains(edge.to.index())) {
        for (node, &distance) in reach.distances.iter().enumerate() {
            if (0..SYSTEM_DISTANCE).contains(&distance) {
                owned.insert(node);
            }
        }
        // Only where a known node leads out of what is known does the search go on.
        stack.clear();
        for node in graph.nodes().filter(|node| reach.distances[node.index()] < SYSTEM_DISTANCE) {
            if owned.contains(node.index()) && leads_out(graph, node, &owned) {
                stack.push(node);
            }
        }
    }
    while let Some(node) = stack.pop() {
        for index in graph.edge_range(node) {
            let to = graph.edge_target(index);
            if !owned.contains(to.index()) && graph.edge_kind(index) != EdgeKind::Weak {
                owned.insert(to.index());
                stack.push(to);
            }
        }
    }
    owned
}

fn leads_out(graph: &HeapGraph, node: NodeId, owned: &BitSet) -> bool {
    graph
        .edge_range(node)
        .any(|index| !owned.contains(graph.edge_target(index).index()) && graph.edge_kind(index) != EdgeKind::Weak)
}
