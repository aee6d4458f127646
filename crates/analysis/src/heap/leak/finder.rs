//! One pass over the nodes that knows how each shape of a leak looks in the graph.

use super::{Holder, Shape, Thresholds};
use crate::heap::Heap;
use crate::heap::path::{self, Detail};
use crate::heap::source::{Place, Scripts};
use brimline_profile::heap::{Edge, EdgeKind, HeapGraph, NodeId, NodeKind};
use std::collections::{HashMap, HashSet};

/// Lists longer than this are cycles in a damaged file.
const LONGEST_LIST: usize = 1 << 20;

/// Steps from a buffer back to the array that it may be in.
const STEPS_TO_ARRAY: usize = 4;

/// Steps from the roots that tell where a buffer is held.
const LONGEST_WAY: usize = 64;

/// Kind and name of an edge, and the name of the object it is of.
type StepNumbers = (EdgeKind, u32, u32);

/// Holders from `least` on; of `owners` those of any size.
pub(super) fn find(heap: &Heap, scripts: &Scripts, least: Thresholds, owners: &HashSet<NodeId>) -> Vec<Holder> {
    let mut finder = Finder {
        heap,
        graph: heap.graph(),
        scripts,
        groups: HashMap::new(),
        found: Vec::new(),
        lists_of_listeners: HashSet::new(),
        ways: HashMap::new(),
    };
    for node in heap.graph().nodes() {
        finder.visit(node, if owners.contains(&node) { Thresholds::NONE } else { least });
    }
    let Finder { groups, mut found, lists_of_listeners, .. } = finder;
    found.retain(|holder| !lists_of_listeners.contains(&holder.owner));
    found.extend(groups.into_values());
    found
}

struct Finder<'a> {
    heap: &'a Heap,
    graph: &'a HeapGraph,
    scripts: &'a Scripts,
    groups: HashMap<(Shape, String, Option<Place>), Holder>,
    found: Vec<Holder>,
    /// Arrays that are told of as listeners of their emitter.
    lists_of_listeners: HashSet<NodeId>,
    /// Ways of buffers by the array they are in and the steps from there.
    ways: HashMap<(NodeId, Vec<StepNumbers>), String>,
}

impl Finder<'_> {
    fn visit(&mut self, node: NodeId, least: Thresholds) {
        let graph = self.graph;
        match (graph.kind(node), graph.name(node)) {
            (_, "system / Context") => self.context(node, least),
            (NodeKind::Object, name) if name.starts_with("system / ") || is_global(name) => {}
            (NodeKind::Object, "Map" | "WeakMap") => self.table(node, Shape::MapGrowth, least),
            (NodeKind::Object, "Set" | "WeakSet") => self.table(node, Shape::SetGrowth, least),
            (NodeKind::Object, "Timeout" | "Immediate") => self.timer(node),
            (NodeKind::Object, "Promise") => self.promise(node),
            (NodeKind::Object, "Module") => self.module(node, "filename"),
            (NodeKind::Object, "ModuleWrap") => self.module(node, "url"),
            (NodeKind::Object, name) => {
                let is_array = name == "Array";
                self.emitter(node, least);
                self.event_target(node, least);
                let shape = if is_array { Shape::ArrayGrowth } else { Shape::ObjectGrowth };
                // Keys of an object that are integers are elements.
                let counts = |kind| kind == EdgeKind::Element || !is_array && kind == EdgeKind::Property;
                let edges = graph.edge_range(node).filter(|&index| counts(graph.edge_kind(index))).count() as u64;
                // One property of an object is its prototype.
                let count = edges.saturating_sub(u64::from(!is_array));
                if count >= least.count {
                    self.push(shape, node, name.to_owned(), count);
                }
            }
            (NodeKind::Native, "system / JSArrayBufferData") => {
                let label = self.way_of_buffer(node);
                self.group(Shape::OffHeapBuffers, node, label, None, self.heap.self_size(node));
            }
            // Node's own native objects carry that mark too, without a document to leave.
            (NodeKind::Native, name) if self.heap.detachedness(node) == 2 && !name.starts_with("Node /") => {
                let class = self.heap.class_name(self.heap.class(node)).to_owned();
                self.group(Shape::DetachedDocument, node, class, None, self.heap.self_size(node));
            }
            _ => {}
        }
    }

    fn push(&mut self, shape: Shape, owner: NodeId, label: String, count: u64) {
        let (bytes, place) = (self.heap.retained_size(owner), self.scripts.place(self.heap, owner));
        self.found.push(Holder { bytes, place, ..holder(shape, owner, label, count) });
    }

    fn group(&mut self, shape: Shape, owner: NodeId, label: String, function: Option<NodeId>, bytes: u64) {
        let place = function.and_then(|function| self.scripts.place(self.heap, function));
        let name = function.map(|function| self.function_name(function));
        let group = self.groups.entry((shape, label.clone(), place.clone())).or_insert_with(|| Holder {
            function: name,
            place,
            ..holder(shape, owner, label, 0)
        });
        if self.heap.retained_size(owner) > self.heap.retained_size(group.owner) {
            group.owner = owner;
        }
        group.count += 1;
        group.function_count += u64::from(group.function.is_some());
        group.bytes += bytes;
    }

    fn function_name(&self, function: NodeId) -> String {
        let name = self.graph.name(function);
        if name.is_empty() { "(anonymous)".to_owned() } else { name.to_owned() }
    }

    /// The function of the program that is called in the end: behind `bind`, behind the wrapper of `once`, and of a
    /// function that goes on after `await` that function.
    fn callee(&self, function: NodeId) -> NodeId {
        let internal = |node, name| Some(self.graph.find_edge(node, EdgeKind::Internal, name)?.to);
        let property = |node, name| Some(self.graph.find_edge(node, EdgeKind::Property, name)?.to);
        let is_closure = |&node: &NodeId| self.graph.kind(node) == NodeKind::Closure;
        let bound = || {
            let target = internal(function, "bound_function").filter(is_closure)?;
            let once = || property(internal(function, "bound_this")?, "listener").filter(is_closure);
            (self.graph.name(target) == "onceWrapper").then(once).flatten().or(Some(target))
        };
        let awaits = || {
            let context = internal(function, "context").filter(|_| self.graph.location(function).is_none())?;
            internal(internal(context, "extension")?, "function").filter(is_closure)
        };
        bound().or_else(awaits).unwrap_or(function)
    }

    /// Entries of a hash table; V8 writes an edge for each key and value that is an object.
    fn table(&mut self, node: NodeId, shape: Shape, least: Thresholds) {
        let Some(table) = self.graph.find_edge(node, EdgeKind::Internal, "table") else { return };
        let count = match shape {
            Shape::MapGrowth => self.map_entries(table.to).unwrap_or(self.filled(table.to).count() as u64 / 2),
            _ => self.filled(table.to).count() as u64,
        };
        if count >= least.count {
            self.push(shape, node, self.graph.name(node).to_owned(), count);
            // While the table is walked or grows, an iterator or the stack holds it too, and the owner retains it no more.
            if let Some(holder) = self.found.last_mut() {
                holder.bytes = holder.bytes.max(self.heap.retained_size(table.to));
            }
        }
    }

    /// Edges of a table to what it holds: not to its own map, and not to the hole that deleted entries refer to.
    fn filled(&self, table: NodeId) -> impl Iterator<Item = Edge> + '_ {
        let is_entry = |edge: &Edge| {
            self.graph.name(edge.to) != "system / Hole"
                && !(edge.kind == EdgeKind::Internal && self.graph.edge_name(edge) == "map")
        };
        self.graph.edges(table).filter(is_entry)
    }

    /// Entries of a `Map`, of which small integers have no edges. Its table has three slots, one for each bucket, and
    /// three for each of two entries to a bucket: key, value, next. V8's `src/objects/ordered-hash-table.h`.
    fn map_entries(&self, table: NodeId) -> Option<u64> {
        let size = self.graph.self_size(table);
        // Words are half as long where V8 compresses pointers, as in Chrome; the object begins with two of its own.
        let buckets = [8, 4].into_iter().find_map(|word| {
            let slots = (size / word).checked_sub(2 + 3)?;
            (size.is_multiple_of(word) && slots.is_multiple_of(7) && (slots / 7).is_power_of_two()).then_some(slots / 7)
        })?;
        let entry =
            |edge: Edge| self.graph.edge_name(&edge).parse::<u64>().ok()?.checked_sub(3 + buckets).map(|slot| slot / 3);
        let (mut count, mut last) = (0, None);
        for found in self.filled(table).map(entry) {
            let found = Some(found?);
            count += u64::from(found != last);
            last = found;
        }
        Some(count)
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
            self.lists_of_listeners.insert(event.to);
            let label = format!("{} '{}'", self.graph.name(node), self.graph.edge_name(&event));
            self.listeners(node, label, &listeners, self.heap.retained_size(event.to));
        }
    }

    /// Listeners of one event, with the function that most of them are.
    fn listeners(&mut self, owner: NodeId, label: String, listeners: &[NodeId], bytes: u64) {
        // By name and place as numbers: there may be millions.
        let mut functions: HashMap<_, (u64, NodeId)> = HashMap::new();
        for listener in listeners.iter().map(|&listener| self.callee(listener)) {
            let place = self.graph.location(listener).map(|place| (place.script_id, place.line, place.column));
            functions.entry((self.graph.name_index(listener), place)).or_insert((0, listener)).0 += 1;
        }
        let top = functions.into_values().max_by_key(|&(count, listener)| (count, std::cmp::Reverse(listener)));
        let function = top.map(|(_, listener)| self.function_name(listener));
        let place = top.and_then(|(_, listener)| self.scripts.place(self.heap, listener));
        let function_count = top.map_or(0, |(count, _)| count);
        let count = listeners.len() as u64;
        let base = holder(Shape::ListenerAccumulation, owner, label, count);
        self.found.push(Holder { bytes, function, function_count, place, ..base });
    }

    /// Node's `EventTarget` (`AbortSignal`, `MessagePort`, …): a map from event to a list of listeners.
    fn event_target(&mut self, node: NodeId, least: Thresholds) {
        let Some(events) = self.graph.find_edge(node, EdgeKind::Property, "<symbol kEvents>") else { return };
        let Some(table) = self.graph.find_edge(events.to, EdgeKind::Internal, "table") else { return };
        let mut event = String::new();
        for entry in self.graph.edges(table.to) {
            if matches!(self.graph.kind(entry.to), NodeKind::String) {
                self.graph.name(entry.to).clone_into(&mut event);
            }
            let (mut listeners, mut bytes, mut at) = (Vec::new(), 0, Some(entry.to));
            for _ in 0..LONGEST_LIST {
                at = at.and_then(|at| self.graph.find_edge(at, EdgeKind::Property, "next")).map(|edge| edge.to);
                let Some(listener) = at else { break };
                let callback = ["callback", "listener"]
                    .into_iter()
                    .filter_map(|name| self.graph.find_edge(listener, EdgeKind::Property, name))
                    .find(|edge| self.graph.kind(edge.to) == NodeKind::Closure);
                let Some(callback) = callback else { continue };
                listeners.push(callback.to);
                bytes += self.heap.self_size(listener) + self.heap.retained_size(callback.to);
            }
            if listeners.len() as u64 >= least.count {
                self.listeners(node, format!("{} '{event}'", self.graph.name(node)), &listeners, bytes);
            }
        }
    }

    /// How the program reaches a buffer, positions left open. Those in one array are on one way, which is told once.
    fn way_of_buffer(&mut self, node: NodeId) -> String {
        let (mut at, mut tail) = (node, Vec::new());
        for _ in 0..STEPS_TO_ARRAY {
            let Some(edge) = self.heap.first_edge_to(at) else { break };
            at = self.graph.edge_source(edge);
            let edge = self.graph.edge(edge);
            if edge.kind == EdgeKind::Element {
                let key = (at, tail);
                if let Some(way) = self.ways.get(&key) {
                    return way.clone();
                }
                let way = self.describe_way(node);
                self.ways.insert(key, way.clone());
                return way;
            }
            tail.push((edge.kind, edge.name, self.graph.name_index(at)));
        }
        self.describe_way(node)
    }

    fn describe_way(&self, node: NodeId) -> String {
        let way = path::shortest_path(self.heap, node);
        // Buffers in a list are all on one way, which is long to tell for each.
        path::describe(self.heap, self.scripts, &way[..way.len().min(LONGEST_WAY)], Detail::Shape)
    }

    /// Copies of one module count together, whatever query its address carries.
    fn module(&mut self, node: NodeId, property: &str) {
        let Some(name) = self.graph.find_edge(node, EdgeKind::Property, property) else { return };
        if self.graph.kind(name.to) != NodeKind::String {
            return;
        }
        let path = self.graph.name(name.to);
        let path = path.split(['?', '#']).next().unwrap_or(path).to_owned();
        // A redacted name says nothing about which modules are copies of one.
        if path.is_empty() {
            return;
        }
        let (bytes, place) = (self.heap.retained_size(node), Place { script: path.clone(), line: 1, column: 1 });
        let group = self
            .groups
            .entry((Shape::ModuleCache, path.clone(), None))
            .or_insert_with(|| Holder { place: Some(place), ..holder(Shape::ModuleCache, node, path, 0) });
        if bytes > self.heap.retained_size(group.owner) {
            group.owner = node;
        }
        group.count += 1;
        group.bytes += bytes;
    }

    /// A timer holds its callback; the ring of timers it is in holds nothing that matters.
    fn timer(&mut self, node: NodeId) {
        let callback = ["_onTimeout", "_onImmediate"]
            .into_iter()
            .find_map(|name| self.graph.find_edge(node, EdgeKind::Property, name))
            .filter(|edge| self.graph.kind(edge.to) == NodeKind::Closure);
        if let Some(callback) = callback {
            let bytes = self.heap.self_size(node) + self.heap.retained_size(callback.to);
            let function = self.callee(callback.to);
            self.group(Shape::PendingTimers, node, self.function_name(function), Some(function), bytes);
        }
    }

    fn promise(&mut self, node: NodeId) {
        let mut next = self.graph.find_edge(node, EdgeKind::Internal, "reactions_or_result").map(|edge| edge.to);
        let mut bytes = self.heap.retained_size(node);
        for _ in 0..LONGEST_LIST {
            let Some(reaction) = next.filter(|&node| self.graph.name(node) == "system / PromiseReaction") else {
                return;
            };
            // V8 names none of a reaction's references: its handlers are the functions among them.
            let mut targets =
                self.graph.edges(reaction).filter(|edge| edge.kind == EdgeKind::Hidden).map(|edge| edge.to);
            let handler = targets.clone().find(|&node| self.graph.kind(node) == NodeKind::Closure);
            let handler = handler.map(|handler| self.callee(handler));
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
        let closure = self.scripts.closure_of_context(node);
        let function = closure.map(|closure| self.function_name(closure));
        let place = closure.and_then(|closure| self.scripts.place(self.heap, closure));
        let function_count = u64::from(function.is_some());
        let base = holder(Shape::ClosureVariable, node, label, 1);
        self.found.push(Holder { bytes, function, function_count, place, ..base });
    }
}

/// The program's global object has hundreds of properties from the start.
fn is_global(name: &str) -> bool {
    name == "global" || name.starts_with("global ") || name == "Window" || name.starts_with("Window ")
}

fn holder(shape: Shape, owner: NodeId, label: String, count: u64) -> Holder {
    Holder {
        shape,
        owner,
        label,
        count,
        bytes: 0,
        function: None,
        function_count: 0,
        place: None,
        path: String::new(),
        is_runtime: false,
    }
}
