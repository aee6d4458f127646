//! Retaining paths: from the program's roots to an object, in the words of its source.

use super::retainer::Retainers;
use super::roots::ROOT;
use super::source::{Scripts, base_name};
use super::{Heap, NO_DISTANCE};
use brimline_profile::heap::{Edge, EdgeKind, NodeId, NodeKind};
use std::collections::HashSet;

/// An object with more own properties than this is a dictionary: its keys stand for one another.
const DICTIONARY_KEYS: usize = 32;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Who refers.
    pub from: NodeId,
    /// By which edge.
    pub edge: Edge,
}

/// Whether positions and keys are told, or left open so that equal paths of many objects read the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// `.rows[17].user`
    Exact,
    /// `.rows[…].user`
    Shape,
}

/// The path by which the breadth-first search of the distances came to `node`: a shortest one, without an index of
/// retainers. Empty for roots and for what nothing reaches.
pub fn shortest_path(heap: &Heap, node: NodeId) -> Vec<Step> {
    let (mut at, mut path) = (node, Vec::new());
    while at != ROOT && heap.distance(at) != 1 {
        let Some(edge) = heap.first_edge_to(at) else { break };
        let from = heap.graph().edge_source(edge);
        path.push(Step { from, edge: heap.graph().edge(edge) });
        at = from;
    }
    path.reverse();
    path
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

/// A path as a programmer would write it: `global.state.sessions → Map entry`; what only the runtime sees is left out.
pub fn describe(heap: &Heap, scripts: &Scripts, path: &[Step], detail: Detail) -> String {
    let mut text = String::new();
    let Some(first) = path.first() else { return text };
    text.push_str(&root_name(heap, first.from));
    let (mut last, mut repeats) = (String::new(), 0_usize);
    for (step, next) in path.iter().zip(path.iter().skip(1).map(Some).chain([None])) {
        let step = step_text(heap, scripts, step, next, detail);
        if step.is_empty() {
            continue;
        }
        // A list is one step that is taken many times.
        if step == last {
            repeats += 1;
            continue;
        }
        push_repeats(&mut text, &last, &mut repeats);
        text.push_str(&step);
        last = step;
    }
    push_repeats(&mut text, &last, &mut repeats);
    text
}

fn push_repeats(text: &mut String, step: &str, repeats: &mut usize) {
    match std::mem::take(repeats) {
        0 => {}
        1 => text.push_str(step),
        more => {
            text.push_str("(×");
            text.push_str(&(more + 1).to_string());
            text.push(')');
        }
    }
}

/// The text that one step adds to a path; empty for steps inside the runtime.
pub(super) fn step_text(heap: &Heap, scripts: &Scripts, step: &Step, next: Option<&Step>, detail: Detail) -> String {
    let graph = heap.graph();
    let name = graph.edge_name(&step.edge);
    let owner = graph.name(step.from);
    match step.edge.kind {
        EdgeKind::Property if name == "_events" => " → listeners".to_owned(),
        EdgeKind::Property if matches!(&*name, "_onTimeout" | "_onImmediate") => " → callback".to_owned(),
        EdgeKind::Property | EdgeKind::Shortcut => {
            let is_key = detail == Detail::Shape
                && !matches!(owner, "global" | "Module")
                && graph.kind(step.from) == NodeKind::Object
                && is_dictionary(heap, step.from);
            if is_key {
                "[…]".to_owned()
            } else if is_identifier(&name) {
                format!(".{name}")
            } else {
                format!("[{name:?}]")
            }
        }
        EdgeKind::Element if detail == Detail::Shape => "[…]".to_owned(),
        EdgeKind::Element => format!("[{name}]"),
        EdgeKind::Context => match scripts.script_of_context(heap, step.from) {
            Some(script) => format!(" → variable {name} in {}", base_name(script)),
            None => format!(" → variable {name}"),
        },
        EdgeKind::Internal | EdgeKind::Hidden => match (graph.kind(step.from), owner) {
            (NodeKind::Object, "Map" | "Set" | "WeakMap" | "WeakSet") if name == "table" => {
                format!(" → {owner} entry")
            }
            _ if name.contains(" / part of key ") => " → WeakMap value".to_owned(),
            // The variable that comes next says more than the function it is seen from.
            (NodeKind::Closure, function) if name == "context" => match next.map(|next| next.edge.kind) {
                Some(EdgeKind::Context) => String::new(),
                _ if function.is_empty() => " → function (anonymous)".to_owned(),
                _ => format!(" → function {function}"),
            },
            (NodeKind::Object, "Promise") if name == "reactions_or_result" => " → promise reaction".to_owned(),
            _ => String::new(),
        },
        EdgeKind::Weak | EdgeKind::Other => String::new(),
    }
}

pub(super) fn is_dictionary(heap: &Heap, node: NodeId) -> bool {
    let graph = heap.graph();
    graph.edge_range(node).filter(|&index| graph.edge_kind(index) == EdgeKind::Property).nth(DICTIONARY_KEYS).is_some()
}

pub(super) fn root_name(heap: &Heap, node: NodeId) -> String {
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
