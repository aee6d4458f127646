//! The usual shapes of leaks, named: who holds, how many, how many bytes, which function, where.

use super::Heap;
use super::source::{Place, Scripts};
use brimline_profile::heap::{EdgeKind, HeapGraph, NodeId, NodeKind};
use std::collections::HashMap;

/// A shape of a leak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shape {
    /// Many listeners of one event on one emitter.
    ListenerAccumulation,
    /// A `Map` or `WeakMap` with many entries.
    MapGrowth,
    /// A `Set` or `WeakSet` with many entries.
    SetGrowth,
    /// An array with many elements.
    ArrayGrowth,
    /// An object used as a dictionary, with many keys.
    ObjectGrowth,
    /// A variable of a function's context that holds many bytes.
    ClosureVariable,
    /// Timers that wait, by callback.
    PendingTimers,
    /// Promises that are not settled, by handler.
    PendingPromises,
    /// Memory of array buffers outside the heap.
    OffHeapBuffers,
    /// Nodes that left their document and are still held.
    DetachedDocument,
}

/// One holder, or one group of equal ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// What it looks like.
    pub shape: Shape,
    /// The object that holds; of a group the one with most bytes.
    pub owner: NodeId,
    /// Event, variable, class or function, whatever names the holder best.
    pub label: String,
    /// Listeners, entries, timers…
    pub count: u64,
    /// Bytes held: retained sizes of the owner, or of what a group's members hold one by one.
    pub bytes: u64,
    /// The function that listens, waits or closes over, if one stands out.
    pub function: Option<String>,
    /// Where that function, or the owner's constructor, is written.
    pub place: Option<Place>,
}

/// From which size on a holder is worth a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Least number of listeners, entries, timers or promises.
    pub count: u64,
    /// Least bytes of closure variables and buffers.
    pub bytes: u64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { count: 100, bytes: 64 << 10 }
    }
}

/// Holders of all shapes, most bytes first.
pub fn holders(heap: &Heap, scripts: &Scripts, least: Thresholds) -> Vec<Holder> {
    let mut finder = Finder { heap, graph: heap.graph(), scripts, groups: HashMap::new(), found: Vec::new() };
    for node in heap.graph().nodes() {
        finder.visit(node, least);
    }
    let Finder { groups, mut found, .. } = finder;
    found.extend(groups.into_values().filter(|holder| match holder.shape {
        Shape::OffHeapBuffers => holder.bytes >= least.bytes,
        Shape::DetachedDocument => true,
        _ => holder.count >= least.count,
    }));
    found.sort_by(|a, b| b.bytes.cmp(&a.bytes).then(a.shape.cmp(&b.shape)).then(a.owner.cmp(&b.owner)));
    found
}

struct Finder<'a> {
    heap: &'a Heap,
    graph: &'a HeapGraph,
    scripts: &'a Scripts,
    groups: HashMap<(Shape, String, Option<Place>), Holder>,
    found: Vec<Holder>,
}

impl Finder<'_> {
    fn visit(&mut self, node: NodeId, least: Thresholds) {
        let graph = self.graph;
        match (graph.kind(node), graph.name(node)) {
            (_, "system / Context") => self.context(node, least),
            (NodeKind::Object, name) if name.starts_with("system / ") => {}
            (NodeKind::Object, "Map" | "WeakMap") => self.table(node, Shape::MapGrowth, least),
            (NodeKind::Object, "Set" | "WeakSet") => self.table(node, Shape::SetGrowth, least),
            (NodeKind::Object, "Timeout" | "Immediate") => self.timer(node),
            (NodeKind::Object, "Promise") => self.promise(node),
            (NodeKind::Object, name) => {
                let is_array = name == "Array";
                self.emitter(node, least);
                let kind = if is_array { EdgeKind::Element } else { EdgeKind::Property };
                let shape = if is_array { Shape::ArrayGrowth } else { Shape::ObjectGrowth };
                let count = graph.edge_range(node).filter(|&index| graph.edge_kind(index) == kind).count() as u64;
                if count >= least.count && self.heap.distance(node) < super::SYSTEM_DISTANCE {
                    self.push(shape, node, name.to_owned(), count);
                }
            }
            (NodeKind::Native, "system / JSArrayBufferData") => {
                let bytes = self.heap.self_size(node);
                self.group(Shape::OffHeapBuffers, node, "ArrayBuffer".to_owned(), None, bytes);
            }
            (NodeKind::Native, _) if self.heap.detachedness(node) == 2 => {
                let class = self.heap.class_name(self.heap.class(node)).to_owned();
                self.group(Shape::DetachedDocument, node, class, None, self.heap.self_size(node));
            }
            _ => {}
        }
    }

    fn push(&mut self, shape: Shape, owner: NodeId, label: String, count: u64) {
        let (bytes, place) = (self.heap.retained_size(owner), self.scripts.place(self.heap, owner));
        self.found.push(Holder { shape, owner, label, count, bytes, function: None, place });
    }

    fn group(&mut self, shape: Shape, owner: NodeId, label: String, function: Option<NodeId>, bytes: u64) {
        let place = function.and_then(|function| self.scripts.place(self.heap, function));
        let name = function.map(|function| self.function_name(function));
        let group = self.groups.entry((shape, label.clone(), place.clone())).or_insert_with(|| Holder {
            shape,
            owner,
            label,
            count: 0,
            bytes: 0,
            function: name,
            place,
        });
        if self.heap.retained_size(owner) > self.heap.retained_size(group.owner) {
            group.owner = owner;
        }
        group.count += 1;
        group.bytes += bytes;
    }

    fn function_name(&self, function: NodeId) -> String {
        let name = self.graph.name(function);
        if name.is_empty() { "(anonymous)".to_owned() } else { name.to_owned() }
    }

    /// Entries of a hash table: V8 writes about two edges for an entry of a map, one for one of a set.
    fn table(&mut self, node: NodeId, shape: Shape, least: Thresholds) {
        let Some(table) = self.graph.find_edge(node, EdgeKind::Internal, "table") else { return };
        // Deleted entries refer to the hole; one edge is the table's own map.
        let edges = self.graph.edges(table.to).filter(|edge| self.graph.name(edge.to) != "system / Hole").count();
        let edges = edges.saturating_sub(1) as u64;
        let count = if shape == Shape::MapGrowth { edges / 2 } else { edges };
        if count >= least.count && self.heap.distance(node) < super::SYSTEM_DISTANCE {
            self.push(shape, node, self.graph.name(node).to_owned(), count);
        }
    }

    fn emitter(&mut self, node: NodeId, least: Thresholds) {
        let Some(events) = self.graph.find_edge(node, EdgeKind::Property, "_events") else { return };
        for event in self.graph.edges(events.to) {
            if event.kind != EdgeKind::Property || self.graph.name(event.to) != "Array" {
                continue;
            }
            let listeners: Vec<NodeId> = self
                .graph
                .edges(event.to)
                .filter(|edge| edge.kind == EdgeKind::Element && self.graph.kind(edge.to) == NodeKind::Closure)
                .map(|edge| edge.to)
                .collect();
            if (listeners.len() as u64) < least.count {
                continue;
            }
            let bytes = self.heap.retained_size(event.to);
            let label = format!("{} '{}'", self.graph.name(node), self.graph.edge_name(&event));
            // The function that most of the listeners are.
            let mut functions: HashMap<(String, Option<Place>), usize> = HashMap::new();
            for &listener in &listeners {
                let place = self.scripts.place(self.heap, listener);
                *functions.entry((self.function_name(listener), place)).or_default() += 1;
            }
            let top = functions.into_iter().max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(&a.0)));
            let (function, place) = top.map_or((None, None), |((name, place), _)| (Some(name), place));
            let count = listeners.len() as u64;
            let shape = Shape::ListenerAccumulation;
            self.found.push(Holder { shape, owner: node, label, count, bytes, function, place });
        }
    }

    /// A timer holds its callback; the ring of timers it is in holds nothing that matters.
    fn timer(&mut self, node: NodeId) {
        let callback = ["_onTimeout", "_onImmediate"]
            .into_iter()
            .find_map(|name| self.graph.find_edge(node, EdgeKind::Property, name))
            .filter(|edge| self.graph.kind(edge.to) == NodeKind::Closure);
        if let Some(callback) = callback {
            let bytes = self.heap.self_size(node) + self.heap.retained_size(callback.to);
            let label = self.function_name(callback.to);
            self.group(Shape::PendingTimers, node, label, Some(callback.to), bytes);
        }
    }

    fn promise(&mut self, node: NodeId) {
        let mut next = self.graph.find_edge(node, EdgeKind::Internal, "reactions_or_result").map(|edge| edge.to);
        let mut bytes = self.heap.retained_size(node);
        // Reactions form a list; a longer one than this is a cycle in a damaged file.
        for _ in 0..1 << 20 {
            let Some(reaction) = next.filter(|&node| self.graph.name(node) == "system / PromiseReaction") else {
                return;
            };
            // V8 names none of a reaction's references: its handlers are the functions among them.
            let mut targets =
                self.graph.edges(reaction).filter(|edge| edge.kind == EdgeKind::Hidden).map(|edge| edge.to);
            let handler = targets.clone().find(|&node| self.graph.kind(node) == NodeKind::Closure);
            let label = handler.map_or_else(|| "await".to_owned(), |handler| self.function_name(handler));
            self.group(Shape::PendingPromises, node, label, handler, std::mem::take(&mut bytes));
            next = targets.find(|&node| self.graph.name(node) == "system / PromiseReaction");
        }
    }

    fn context(&mut self, node: NodeId, least: Thresholds) {
        if self.heap.retained_size(node) < least.bytes {
            return;
        }
        let variables = self.graph.edges(node).filter(|edge| edge.kind == EdgeKind::Context);
        let top = variables
            .filter(|edge| self.heap.dominator(edge.to) == node)
            .max_by_key(|edge| self.heap.retained_size(edge.to));
        let Some(top) = top.filter(|edge| self.heap.retained_size(edge.to) >= least.bytes) else { return };
        let (label, bytes) = (self.graph.edge_name(&top).into_owned(), self.heap.retained_size(top.to));
        let shape = Shape::ClosureVariable;
        self.found.push(Holder { shape, owner: node, label, count: 1, bytes, function: None, place: None });
    }
}
