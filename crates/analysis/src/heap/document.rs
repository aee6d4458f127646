//! Which native nodes hang on a document and which left it.

use super::hash::{FastMap, FastSet};
use brimline_profile::heap::{ColumnReader, ColumnWriter, EdgeKind, HeapGraph, NodeId, NodeKind, StoredError};

const ATTACHED: u8 = 1;
const DETACHED: u8 = 2;

/// State and changed names of native nodes; nearly always empty outside browsers.
#[derive(Debug, Default)]
pub(super) struct DocumentState {
    states: FastMap<u32, u8>,
    renamed: FastMap<u32, Box<str>>,
}

impl DocumentState {
    pub(super) fn store(&self, out: &mut ColumnWriter<'_>) -> std::io::Result<()> {
        let mut states: Vec<_> = self.states.iter().map(|(&node, &state)| [node, u32::from(state)]).collect();
        states.sort_unstable();
        out.u32s(states.as_flattened())?;
        let mut renamed: Vec<_> = self.renamed.iter().map(|(&node, name)| (node, &**name)).collect();
        renamed.sort_unstable();
        out.u32s(&renamed.iter().map(|&(node, _)| node).collect::<Vec<_>>())?;
        out.texts(renamed.into_iter().map(|(_, name)| name))
    }

    pub(super) fn load(input: &mut ColumnReader<'_>) -> Result<Self, StoredError> {
        let states = input.u32s()?.as_chunks().0.iter().map(|&[node, state]| (node, state as u8)).collect();
        Ok(Self { states, renamed: input.u32s()?.into_iter().zip(input.texts()?).collect() })
    }

    pub(super) fn state(&self, node: NodeId) -> u8 {
        if self.states.is_empty() { 0 } else { self.states.get(&node.0).copied().unwrap_or(0) }
    }

    pub(super) fn name<'a>(&'a self, graph: &'a HeapGraph, node: NodeId) -> &'a str {
        self.changed_name(node).unwrap_or_else(|| graph.name(node))
    }

    pub(super) fn changed_name(&self, node: NodeId) -> Option<&str> {
        if self.renamed.is_empty() { None } else { self.renamed.get(&node.0).map(|name| &**name) }
    }
}

/// What an attached node reaches is attached, what else a detached one reaches is detached; only native nodes pass it on.
pub(super) fn propagate(graph: &HeapGraph) -> DocumentState {
    let mut walk =
        Walk { graph, state: DocumentState::default(), visited: FastSet::default(), queues: [vec![], vec![]] };
    for node in graph.nodes() {
        match graph.detachedness(node) {
            Some(0) => {}
            Some(state) => {
                walk.state.states.insert(node.0, state);
                walk.process(node, state);
            }
            // Old writers tell by the name alone.
            None if graph.kind(node) == NodeKind::Native && graph.name(node).starts_with("Detached ") => {
                walk.state.states.insert(node.0, DETACHED);
            }
            None => {}
        }
    }
    while let Some(node) = walk.queues[0].pop() {
        walk.spread(node, ATTACHED);
    }
    while let Some(node) = walk.queues[1].pop() {
        if walk.state.state(node) != ATTACHED {
            walk.spread(node, DETACHED);
        }
    }
    walk.state
}

struct Walk<'a> {
    graph: &'a HeapGraph,
    state: DocumentState,
    visited: FastSet<u32>,
    queues: [Vec<NodeId>; 2],
}

impl Walk<'_> {
    fn process(&mut self, node: NodeId, state: u8) {
        if !self.visited.insert(node.0) || self.graph.kind(node) != NodeKind::Native {
            return;
        }
        self.state.states.insert(node.0, state);
        if state == ATTACHED {
            self.queues[0].push(node);
        } else if state == DETACHED {
            self.state.renamed.insert(node.0, format!("Detached {}", self.graph.name(node)).into());
            self.queues[1].push(node);
        }
    }

    fn spread(&mut self, node: NodeId, state: u8) {
        for edge in self.graph.edges(node) {
            if !matches!(edge.kind, EdgeKind::Hidden | EdgeKind::Weak | EdgeKind::Other) {
                self.process(edge.to, state);
            }
        }
    }
}
