//! What belongs to the program rather than to its runtime or a debugger.

use super::bits::BitSet;
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

/// Nodes reachable from global objects and documents.
pub(super) fn page_owned(graph: &HeapGraph, document: &DocumentState) -> BitSet {
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
