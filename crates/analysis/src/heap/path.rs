//! Retaining paths: from the program's roots to an object, in the words of its source.

use super::retainer::Retainers;
use super::roots::ROOT;
use super::{Heap, NO_DISTANCE};
use brimline_profile::heap::{Edge, EdgeKind, NodeId, NodeKind};
use std::collections::HashSet;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Who refers.
    pub from: NodeId,
    /// By which edge.
    pub edge: Edge,
}

/// Shortest paths from a root to `node`, each through another direct retainer, shortest first, at most `limit`.
pub fn retaining_paths(heap: &Heap, retainers: &Retainers, node: NodeId, limit: usize) -> Vec<Vec<Step>> {
    let graph = heap.graph();
    let mut direct: Vec<(NodeId, Edge)> = retainers
        .of_node(graph, node)
        .filter(|(from, edge)| edge.kind != EdgeKind::Weak && *from != node && heap.distance(*from) != NO_DISTANCE)
        .collect();
    direct.sort_by_key(|(from, _)| heap.distance(*from));
    direct.dedup_by_key(|(from, _)| *from);
    let mut paths = Vec::new();
    for (from, edge) in direct {
        if paths.len() == limit {
            break;
        }
        if let Some(mut path) = climb(heap, retainers, from, node) {
            path.push(Step { from, edge });
            paths.push(path);
        }
    }
    paths
}

/// Steps from a root to `start` without passing `avoid`.
fn climb(heap: &Heap, retainers: &Retainers, start: NodeId, avoid: NodeId) -> Option<Vec<Step>> {
    let graph = heap.graph();
    let mut seen = HashSet::from([start, avoid]);
    let (mut at, mut path) = (start, Vec::new());
    while at != ROOT && heap.distance(at) != 1 {
        let best = retainers
            .of_node(graph, at)
            .filter(|(from, edge)| edge.kind != EdgeKind::Weak && !seen.contains(from))
            .filter(|(from, _)| heap.distance(*from) != NO_DISTANCE)
            .min_by_key(|(from, _)| heap.distance(*from))?;
        seen.insert(best.0);
        path.push(Step { from: best.0, edge: best.1 });
        at = best.0;
    }
    path.reverse();
    Some(path)
}

/// A path as a programmer would write it: `global.state.sessions[…]`; what only the runtime sees is left out.
pub fn describe(heap: &Heap, path: &[Step]) -> String {
    let mut text = String::new();
    if let Some(first) = path.first() {
        text.push_str(&root_name(heap, first.from));
    }
    for step in path {
        text.push_str(&step_text(heap, step));
    }
    text
}

fn step_text(heap: &Heap, step: &Step) -> String {
    let graph = heap.graph();
    let name = graph.edge_name(&step.edge);
    match step.edge.kind {
        EdgeKind::Property | EdgeKind::Shortcut if is_identifier(&name) => format!(".{name}"),
        EdgeKind::Property | EdgeKind::Shortcut => format!("[{name:?}]"),
        EdgeKind::Element => format!("[{name}]"),
        EdgeKind::Context => format!(" → variable {name}"),
        EdgeKind::Internal | EdgeKind::Hidden => match (graph.kind(step.from), graph.name(step.from)) {
            (NodeKind::Object, owner @ ("Map" | "Set" | "WeakMap" | "WeakSet")) => format!(" → {owner} entry"),
            (NodeKind::Closure, "") if name == "context" => " → closure (anonymous)".to_owned(),
            (NodeKind::Closure, function) if name == "context" => format!(" → closure {function}"),
            (NodeKind::Object, "Promise") if name == "reactions_or_result" => " → promise reaction".to_owned(),
            _ => String::new(),
        },
        EdgeKind::Weak | EdgeKind::Other => String::new(),
    }
}

fn root_name(heap: &Heap, node: NodeId) -> String {
    match heap.name(node) {
        name if name == "global" || name.starts_with("global ") => "global".to_owned(),
        "" => "(root)".to_owned(),
        name => name.to_owned(),
    }
}

fn is_identifier(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first.is_alphabetic() || matches!(first, '_' | '$' | '#'))
        && characters.all(|character| character.is_alphanumeric() || matches!(character, '_' | '$'))
}
