//! Objects in terms of source code: scripts by path, places of functions and constructors.
//!
//! Snapshots number scripts and name none. The names come through functions: a closure's place has the script's number,
//! and its shared function info refers to the script, whose name is the path.

use super::Heap;
use super::hash::FastMap;
use brimline_profile::heap::{EdgeKind, HeapGraph, NodeId, NodeKind};
use serde::{Deserialize, Serialize};

/// Paths of scripts by their number.
#[derive(Debug, Default)]
pub struct Scripts {
    paths: FastMap<u32, Box<str>>,
    /// A function that sees each context: the variables in it are written in that function's script.
    closures: FastMap<u32, u32>,
}

/// Where something is written; line and column start at 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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
        let context = graph.strings().find("context");
        for place in graph.locations() {
            if graph.kind(place.node) != NodeKind::Closure {
                continue;
            }
            let mut edges = graph.edges(place.node);
            if let Some(edge) = edges.find(|edge| edge.kind == EdgeKind::Internal && Some(edge.name) == context) {
                scripts.closures.entry(edge.to.0).or_insert(place.node.0);
            }
            if scripts.paths.contains_key(&place.script_id) {
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

    /// A function that sees the variables of `context`.
    pub fn closure_of_context(&self, context: NodeId) -> Option<NodeId> {
        self.closures.get(&context.0).copied().map(NodeId)
    }

    /// Path of the script in which the variables of `context` are written.
    pub fn script_of_context(&self, heap: &Heap, context: NodeId) -> Option<&str> {
        let place = heap.graph().location(self.closure_of_context(context)?)?;
        self.path(place.script_id)
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
        let location = heap.graph().location(node)?;
        Some(self.named(location.script_id, location.line, location.column))
    }

    /// Where the constructor of a class is written, from its key.
    pub fn place_of_key(&self, key: &str) -> Option<Place> {
        let mut parts = key.splitn(4, ',').map(str::parse);
        match (parts.next()?, parts.next()?, parts.next()?) {
            (Ok(script), Ok(line), Ok(column)) => Some(self.named(script, line, column)),
            _ => None,
        }
    }

    fn named(&self, script: u32, line: u32, column: u32) -> Place {
        Place {
            script: self.path(script).map_or_else(|| format!("script {script}"), str::to_owned),
            line: line.saturating_add(1),
            column: column.saturating_add(1),
        }
    }
}

/// The last part of a path or URL; the runtime's own modules keep their whole name.
pub fn base_name(path: &str) -> &str {
    if path.starts_with("node:") {
        return path;
    }
    path.rsplit(['/', '\\']).next().filter(|name| !name.is_empty()).unwrap_or(path)
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
