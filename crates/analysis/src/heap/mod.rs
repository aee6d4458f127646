//! Who holds memory in a heap graph.
//!
//! [`Heap::new`] computes, for every node, its self size, retained size, dominator, distance, detachedness and class
//! by the rules of Chrome DevTools, so that the numbers can be compared one to one. Everything else is a question to
//! a [`Heap`]: the class table ([`table`]), statistics, duplicate strings, retaining paths, comparison.

pub mod allocation;
mod bits;
mod class;
pub mod compare;
mod distance;
mod document;
pub mod dominators;
pub mod duplicates;
mod ephemeron;
mod essential;
mod hash;
mod interface;
pub mod leak;
pub mod listing;
pub mod path;
pub mod path_profile;
pub mod retainer;
mod roots;
mod shallow;
pub mod source;
pub mod statistics;
mod stored;
pub mod summary;
pub mod table;
pub mod treemap;

pub use bits::BitSet;
pub use class::ClassId;
pub use interface::Interface;
pub use stored::STORED_VERSION;

use brimline_profile::heap::{EdgeId, HeapGraph, IntColumn, NodeId};

/// Distance of the root from itself, and the base of what only the runtime holds.
pub const SYSTEM_DISTANCE: i32 = 100_000_000;
/// Distance of what cannot be reached.
pub const NO_DISTANCE: i32 = -5;

/// A heap graph with the numbers that every view needs.
#[derive(Debug)]
pub struct Heap {
    graph: HeapGraph,
    self_sizes: IntColumn,
    dominators: Vec<u32>,
    retained: Vec<u64>,
    reach: distance::Reach,
    document: document::DocumentState,
    classes: class::Classes,
    interfaces: Vec<Interface>,
}

impl Heap {
    /// Computes all numbers of `graph`.
    pub fn new(graph: HeapGraph) -> Self {
        let document = document::propagate(&graph);
        let ephemerons = ephemeron::Ephemerons::find(&graph);
        let reach = distance::reach(&graph, &document, &ephemerons);
        let dominators::Tree { dominators, retained, self_sizes } = {
            let owned = roots::page_owned(&graph, &document, &reach);
            let self_sizes = shallow::transfer(&graph, &document);
            let essential = essential::edges(&graph, &owned, &ephemerons);
            dominators::tree(&graph, &essential, self_sizes)
        };
        let mut classes = class::Classes::of(&graph, &document);
        let shapes = interface::Shapes::of(&graph);
        let interfaces = shapes.infer(&graph);
        shapes.apply(&graph, &interfaces, &mut classes);
        Self { graph, self_sizes, dominators, retained, reach, document, classes, interfaces }
    }

    /// The graph itself.
    pub fn graph(&self) -> &HeapGraph {
        &self.graph
    }

    /// Bytes of `node` alone, with what only it uses inside the runtime.
    pub fn self_size(&self, node: NodeId) -> u64 {
        self.self_sizes.get(node.index())
    }

    /// Bytes that would go with `node`.
    pub fn retained_size(&self, node: NodeId) -> u64 {
        self.retained[node.index()]
    }

    /// The nearest node that every path from the root to `node` goes through; the root's is the root.
    pub fn dominator(&self, node: NodeId) -> NodeId {
        NodeId(self.dominators[node.index()])
    }

    /// Steps from the program's roots; from [`SYSTEM_DISTANCE`] on only the runtime holds it, [`NO_DISTANCE`] nothing does.
    pub fn distance(&self, node: NodeId) -> i32 {
        self.reach.distances[node.index()]
    }

    /// The edge by which a shortest path from the program's roots (else from the root) comes to `node`.
    pub fn first_edge_to(&self, node: NodeId) -> Option<EdgeId> {
        Some(self.reach.edges[node.index()]).filter(|&edge| edge != distance::NO_EDGE).map(EdgeId)
    }

    /// 0 unknown, 1 attached to a document, 2 detached.
    pub fn detachedness(&self, node: NodeId) -> u8 {
        self.document.state(node)
    }

    /// Number of the class of `node` in this heap.
    pub fn class(&self, node: NodeId) -> ClassId {
        self.classes.class(node)
    }

    /// Name of a class.
    pub fn class_name(&self, class: ClassId) -> &str {
        self.classes.name(&self.graph, class)
    }

    /// Interfaces inferred for plain objects, the most frequent first.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// Name of `node`: the writer's, with `Detached ` before that of a node that left its document.
    pub fn name(&self, node: NodeId) -> &str {
        self.document.name(&self.graph, node)
    }

    /// Bytes of the whole heap, with native bytes counted beside it.
    pub fn total_size(&self) -> u64 {
        self.retained.first().copied().unwrap_or(0) + self.graph.extra_native_bytes()
    }
}
