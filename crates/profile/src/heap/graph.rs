//! Objects and references in arrays of integers.

use super::{EdgeKind, IntColumn, NodeKind, StringPool, Traces};
use std::collections::HashMap;

/// Position of a node in file order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The position as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Position of an edge in file order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EdgeId(pub u32);

/// One reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Its position.
    pub id: EdgeId,
    /// How it refers.
    pub kind: EdgeKind,
    /// A string index, or a plain number when [`EdgeKind::is_numbered`].
    pub name: u32,
    /// What it refers to.
    pub to: NodeId,
}

/// Where an object's function or constructor is written; line and column start at 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// The object.
    pub node: NodeId,
    /// Script number in the process.
    pub script_id: u32,
    /// Line, from 0.
    pub line: u32,
    /// Column, from 0.
    pub column: u32,
}

/// What a reader knows of one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeRow {
    /// Index into the writer's own list of kinds.
    pub kind: u8,
    /// String index.
    pub name: u32,
    /// The runtime's number for the object.
    pub id: u64,
    /// Bytes of the object alone.
    pub self_size: u64,
    /// Number of outgoing edges.
    pub edge_count: u32,
    /// Allocation stack, 0 for none.
    pub trace: u32,
    /// 0 unknown, 1 attached to a document, 2 detached.
    pub detachedness: u8,
}

const NAME_BITS: u32 = 29;
const NAME_MASK: u32 = (1 << NAME_BITS) - 1;

/// Objects × references. Nodes are numbered in file order, the root is node 0, a node's edges lie together in file order.
#[derive(Clone, Debug, Default)]
pub struct HeapGraph {
    pub(super) kinds: Vec<u8>,
    pub(super) names: Vec<u32>,
    pub(super) ids: IntColumn,
    pub(super) self_sizes: IntColumn,
    pub(super) traces_of_nodes: Vec<u32>,
    pub(super) detachedness: Option<Vec<u8>>,
    pub(super) first_edges: Vec<u32>,
    pub(super) edge_names: Vec<u32>,
    pub(super) edge_targets: Vec<u32>,
    pub(super) long_edge_names: HashMap<u32, u32>,
    pub(super) kind_names: Vec<Box<str>>,
    pub(super) kind_table: Vec<NodeKind>,
    pub(super) strings: StringPool,
    pub(super) locations: Vec<Location>,
    pub(super) traces: Traces,
    pub(super) extra_native_bytes: u64,
}

impl HeapGraph {
    /// Number of nodes.
    pub fn node_count(&self) -> usize {
        self.kinds.len()
    }

    /// Number of edges.
    pub fn edge_count(&self) -> usize {
        self.edge_targets.len()
    }

    /// All nodes in file order.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = NodeId> + ExactSizeIterator + use<> {
        (0..self.kinds.len() as u32).map(NodeId)
    }

    /// What `node` is.
    pub fn kind(&self, node: NodeId) -> NodeKind {
        self.kind_table.get(usize::from(self.kinds[node.index()])).copied().unwrap_or(NodeKind::Other)
    }

    /// What the writer calls the kind of `node`.
    pub fn kind_name(&self, node: NodeId) -> &str {
        self.kind_names.get(usize::from(self.kinds[node.index()])).map_or("", |name| name)
    }

    /// String index of the name of `node`.
    pub fn name_index(&self, node: NodeId) -> u32 {
        self.names[node.index()]
    }

    /// Name of `node` as the writer gave it.
    pub fn name(&self, node: NodeId) -> &str {
        self.strings.get(self.names[node.index()])
    }

    /// The runtime's number for the object: stable between snapshots of one process, meaningless across processes.
    pub fn id(&self, node: NodeId) -> u64 {
        self.ids.get(node.index())
    }

    /// Bytes of the object alone, as the writer measured them.
    pub fn self_size(&self, node: NodeId) -> u64 {
        self.self_sizes.get(node.index())
    }

    /// All self sizes in node order.
    pub fn self_sizes(&self) -> &IntColumn {
        &self.self_sizes
    }

    /// Allocation stack of `node`; `None` when it was not tracked.
    pub fn trace(&self, node: NodeId) -> Option<u32> {
        self.traces_of_nodes.get(node.index()).copied().filter(|&trace| trace != 0)
    }

    /// Whether a document holds the node: 0 unknown, 1 attached, 2 detached; `None` when the writer does not say.
    pub fn detachedness(&self, node: NodeId) -> Option<u8> {
        self.detachedness.as_ref().map(|column| column[node.index()])
    }

    /// Positions of the edges that leave `node`.
    pub fn edge_range(&self, node: NodeId) -> std::ops::Range<usize> {
        self.first_edges[node.index()] as usize..self.first_edges[node.index() + 1] as usize
    }

    /// Edges that leave `node`, in file order.
    pub fn edges(&self, node: NodeId) -> impl DoubleEndedIterator<Item = Edge> + ExactSizeIterator + Clone + '_ {
        self.edge_range(node).map(|index| self.edge(EdgeId(index as u32)))
    }

    /// The edge at `id`.
    pub fn edge(&self, id: EdgeId) -> Edge {
        let packed = self.edge_names[id.0 as usize];
        let mut name = packed & NAME_MASK;
        if name == NAME_MASK {
            name = self.long_edge_names.get(&id.0).copied().unwrap_or(name);
        }
        let kind = EdgeKind::ALL[(packed >> NAME_BITS) as usize];
        Edge { id, kind, name, to: NodeId(self.edge_targets[id.0 as usize]) }
    }

    /// Kind of the edge at position `index`, without the rest of it.
    pub fn edge_kind(&self, index: usize) -> EdgeKind {
        EdgeKind::ALL[(self.edge_names[index] >> NAME_BITS) as usize]
    }

    /// Target of the edge at position `index`, without the rest of it.
    pub fn edge_target(&self, index: usize) -> NodeId {
        NodeId(self.edge_targets[index])
    }

    /// The node that the edge at `id` leaves.
    pub fn edge_source(&self, id: EdgeId) -> NodeId {
        let after = self.first_edges.partition_point(|&first| first <= id.0);
        NodeId(after.saturating_sub(1) as u32)
    }

    /// The name of `edge`: its text, or its number in digits.
    pub fn edge_name(&self, edge: &Edge) -> std::borrow::Cow<'_, str> {
        if edge.kind.is_numbered() { edge.name.to_string().into() } else { self.strings.get(edge.name).into() }
    }

    /// The first edge of `node` with this kind and name.
    pub fn find_edge(&self, node: NodeId, kind: EdgeKind, name: &str) -> Option<Edge> {
        self.edges(node).find(|edge| edge.kind == kind && self.strings.get(edge.name) == name)
    }

    /// Strings that names refer to.
    pub fn strings(&self) -> &StringPool {
        &self.strings
    }

    /// Places of functions and constructors, sorted by node, one for a node.
    pub fn locations(&self) -> &[Location] {
        &self.locations
    }

    /// Where the function or the constructor of `node` is written.
    pub fn location(&self, node: NodeId) -> Option<Location> {
        self.locations.binary_search_by_key(&node, |place| place.node).ok().map(|index| self.locations[index])
    }

    /// Allocation stacks.
    pub fn traces(&self) -> &Traces {
        &self.traces
    }

    /// Native bytes that the writer counted beside the nodes.
    pub fn extra_native_bytes(&self) -> u64 {
        self.extra_native_bytes
    }
}

/// Fills a [`HeapGraph`]: kinds, then nodes, then their edges in the same order, the rest at any time.
#[derive(Debug, Default)]
pub struct HeapGraphBuilder {
    graph: HeapGraph,
    promised_edges: u64,
    damaged_edges: u64,
}

impl HeapGraphBuilder {
    /// A builder whose nodes use `kind_names`; `has_detachedness` tells whether rows carry that field.
    pub fn new(kind_names: Vec<Box<str>>, has_detachedness: bool) -> Self {
        let kind_table = kind_names.iter().map(|name| NodeKind::from_name(name)).collect();
        let detachedness = has_detachedness.then(Vec::new);
        let graph = HeapGraph { detachedness, kind_names, kind_table, ..HeapGraph::default() };
        Self { graph, promised_edges: 0, damaged_edges: 0 }
    }

    /// Makes room; a hint, never trusted beyond an allocation that is not touched.
    pub fn reserve(&mut self, nodes: usize, edges: usize) {
        self.graph.kinds.reserve_exact(nodes);
        self.graph.names.reserve_exact(nodes);
        self.graph.ids = IntColumn::with_capacity(nodes);
        self.graph.self_sizes = IntColumn::with_capacity(nodes);
        self.graph.first_edges.reserve_exact(nodes + 1);
        if let Some(column) = &mut self.graph.detachedness {
            column.reserve_exact(nodes);
        }
        self.graph.edge_names.reserve_exact(edges);
        self.graph.edge_targets.reserve_exact(edges);
    }

    /// Adds the next node; `false` when its edges would exceed what 32 bits can number.
    pub fn push_node(&mut self, row: NodeRow) -> bool {
        let graph = &mut self.graph;
        let Ok(first) = u32::try_from(self.promised_edges) else { return false };
        self.promised_edges += u64::from(row.edge_count);
        if row.trace != 0 || !graph.traces_of_nodes.is_empty() {
            graph.traces_of_nodes.resize(graph.kinds.len(), 0);
            graph.traces_of_nodes.push(row.trace);
        }
        graph.kinds.push(row.kind);
        graph.names.push(row.name);
        graph.ids.push(row.id);
        graph.self_sizes.push(row.self_size);
        graph.first_edges.push(first);
        if let Some(column) = &mut graph.detachedness {
            column.push(row.detachedness & 3);
        }
        true
    }

    /// Adds the next edge in node order. A `name` of a string or a number, `to` as node position; a target that does not
    /// exist makes the edge a damaged one, which [`finish`](Self::finish) drops.
    pub fn push_edge(&mut self, kind: EdgeKind, name: u32, to: u32) {
        let graph = &mut self.graph;
        let short = name.min(NAME_MASK);
        if short == NAME_MASK {
            graph.long_edge_names.insert(graph.edge_targets.len() as u32, name);
        }
        self.damaged_edges += u64::from(to as usize >= graph.kinds.len());
        graph.edge_names.push(((kind as u32) << NAME_BITS) | short);
        graph.edge_targets.push(to);
    }

    /// Number of nodes so far.
    pub fn node_count(&self) -> usize {
        self.graph.kinds.len()
    }

    /// Number of edges so far.
    pub fn edge_count(&self) -> usize {
        self.graph.edge_targets.len()
    }

    /// Number of edges that the nodes announce.
    pub fn promised_edges(&self) -> u64 {
        self.promised_edges
    }

    /// Sets the strings.
    pub fn set_strings(&mut self, strings: StringPool) {
        self.graph.strings = strings;
    }

    /// Sets the places, in any order; the last one of a node counts, places of nodes that do not exist are left out.
    pub fn set_locations(&mut self, mut locations: Vec<Location>) {
        locations.retain(|place| place.node.index() < self.graph.kinds.len());
        locations.reverse();
        locations.sort_by_key(|place| place.node);
        locations.dedup_by_key(|place| place.node);
        self.graph.locations = locations;
    }

    /// Sets the allocation stacks.
    pub fn set_traces(&mut self, traces: Traces) {
        self.graph.traces = traces;
    }

    /// Sets the native bytes counted beside the nodes.
    pub fn set_extra_native_bytes(&mut self, bytes: u64) {
        self.graph.extra_native_bytes = bytes;
    }

    /// The graph, and how many edges were dropped because their target does not exist.
    pub fn finish(mut self) -> (HeapGraph, u64) {
        let edges = self.graph.edge_targets.len() as u32;
        if u64::from(edges) < self.promised_edges {
            for first in &mut self.graph.first_edges {
                *first = (*first).min(edges);
            }
        } else {
            // Edges that no node announces belong to nobody.
            self.graph.edge_targets.truncate(self.promised_edges as usize);
            self.graph.edge_names.truncate(self.promised_edges as usize);
        }
        self.graph.first_edges.push(self.graph.edge_targets.len() as u32);
        if self.damaged_edges > 0 {
            self.drop_damaged_edges();
        }
        let graph = &mut self.graph;
        graph.kinds.shrink_to_fit();
        graph.names.shrink_to_fit();
        graph.ids.shrink_to_fit();
        graph.self_sizes.shrink_to_fit();
        graph.first_edges.shrink_to_fit();
        graph.edge_names.shrink_to_fit();
        graph.edge_targets.shrink_to_fit();
        graph.strings.shrink_to_fit();
        (self.graph, self.damaged_edges)
    }

    fn drop_damaged_edges(&mut self) {
        let graph = &mut self.graph;
        let nodes = graph.kinds.len();
        let (mut read, mut write) = (0, 0);
        let mut long_edge_names = HashMap::new();
        for node in 0..nodes {
            let end = graph.first_edges[node + 1] as usize;
            graph.first_edges[node] = write as u32;
            while read < end {
                if (graph.edge_targets[read] as usize) < nodes {
                    if let Some(&name) = graph.long_edge_names.get(&(read as u32)) {
                        long_edge_names.insert(write as u32, name);
                    }
                    graph.edge_targets[write] = graph.edge_targets[read];
                    graph.edge_names[write] = graph.edge_names[read];
                    write += 1;
                }
                read += 1;
            }
        }
        graph.first_edges[nodes] = write as u32;
        graph.edge_targets.truncate(write);
        graph.edge_names.truncate(write);
        graph.long_edge_names = long_edge_names;
    }
}
