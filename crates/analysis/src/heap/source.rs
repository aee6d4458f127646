//! Objects in terms of source code: scripts by path, places of functions and constructors.
//!
//! Snapshots number scripts and name none. The names come through functions: a closure's place has the script's number,
//! and its shared function info refers to the script, whose name is the path.

use super::Heap;
use super::hash::FastMap;
use brimline_profile::heap::{EdgeKind, HeapGraph, NodeId, NodeKind};

/// Paths of scripts by their number.
#[derive(Debug, Default)]
pub struct Scripts {
    paths: FastMap<u32, Box<str>>,
}

/// Where something is written; line and column start at 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Path or URL of the script; `script N` when the snapshot does not tell.
    pub script: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}:{}:{}", self.script, self.line, self.column)
    }
}

impl Scripts {
    /// Names every script that a closure of `heap` leads to.
    pub fn of(heap: &Heap) -> Self {
        let graph = heap.graph();
        let mut scripts = Self::default();
        for place in graph.locations() {
            if graph.kind(place.node) != NodeKind::Closure || scripts.paths.contains_key(&place.script_id) {
                continue;
            }
            if let Some(path) = script_of(graph, place.node) {
                scripts.paths.insert(place.script_id, path.into());
            }
        }
        scripts
    }

    /// Path of script `id`.
    pub fn path(&self, id: u32) -> Option<&str> {
        self.paths.get(&id).map(|path| &**path)
    }

    /// Number of scripts with a path.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// True when no script has a path.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Where the function `node`, or the constructor of the object `node`, is written.
    pub fn place(&self, heap: &Heap, node: NodeId) -> Option<Place> {
        heap.graph().location(node).map(|location| Place {
            script: self
                .path(location.script_id)
                .map_or_else(|| format!("script {}", location.script_id), str::to_owned),
            line: location.line.saturating_add(1),
            column: location.column.saturating_add(1),
        })
    }
}

fn script_of(graph: &HeapGraph, closure: NodeId) -> Option<&str> {
    let shared = graph.find_edge(closure, EdgeKind::Internal, "shared")?.to;
    let script = ["script", "script_or_debug_info"]
        .into_iter()
        .find_map(|name| graph.find_edge(shared, EdgeKind::Internal, name))?
        .to;
    // A debug info stands between when the function is being debugged.
    let script = graph.find_edge(script, EdgeKind::Internal, "script").map_or(script, |edge| edge.to);
    let name = graph.name(script);
    let name = name.strip_prefix("system / Script / ").unwrap_or(name);
    (!name.is_empty() && !name.starts_with("system /")).then_some(name)
}
