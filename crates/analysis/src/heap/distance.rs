//! Steps from the program's roots to every node.

use super::document::DocumentState;
use super::ephemeron::Ephemerons;
use super::hash::FastSet;
use super::roots::{ROOT, is_user_root};
use super::{NO_DISTANCE, SYSTEM_DISTANCE};
use std::ops::{Range, RangeInclusive};

use brimline_profile::heap::{EdgeId, EdgeKind, HeapGraph, NodeId, NodeKind};

/// References of an object that is a dictionary near the roots: the global object, Node's and a program's own tables.
const SORTED: RangeInclusive<usize> = 32..=4096;
/// References that are sorted in all: what is near the roots comes first.
const MOST_SORTED: usize = 1 << 16;

/// Edge of a node that no edge led to.
pub(super) const NO_EDGE: u32 = u32::MAX;

/// How far every node is, and by which edge it was reached first.
#[derive(Debug)]
pub(super) struct Reach {
    pub(super) distances: Vec<i32>,
    pub(super) edges: Vec<u32>,
}

/// Breadth first from the user roots at 1, then from the root for what only the runtime holds.
pub(super) fn reach(graph: &HeapGraph, document: &DocumentState, ephemerons: &Ephemerons) -> Reach {
    let mut reach =
        Reach { distances: vec![NO_DISTANCE; graph.node_count()], edges: vec![NO_EDGE; graph.node_count()] };
    if graph.node_count() == 0 {
        return reach;
    }
    let mut queue = Vec::with_capacity(graph.node_count());
    let mut rules = Rules {
        graph,
        ephemerons,
        function_map: graph.strings().find("sloppy_function_map"),
        pending: FastSet::default(),
        left_to_sort: MOST_SORTED,
    };
    for edge in graph.edges(ROOT) {
        if is_user_root(graph, document, edge.to) {
            reach.distances[edge.to.index()] = 1;
            reach.edges[edge.to.index()] = edge.id.0;
            queue.push(edge.to);
        }
    }
    let has_roots = !queue.is_empty();
    rules.spread(&mut queue, &mut reach);
    reach.distances[ROOT.index()] = if has_roots { SYSTEM_DISTANCE } else { 0 };
    queue.clear();
    queue.push(ROOT);
    rules.spread(&mut queue, &mut reach);
    reach
}

struct Rules<'a> {
    graph: &'a HeapGraph,
    ephemerons: &'a Ephemerons,
    function_map: Option<u32>,
    /// Weak map entries of which one edge was met.
    pending: FastSet<u32>,
    /// References that may still be sorted by name.
    left_to_sort: usize,
}

/// How the edges of a node are followed.
#[derive(Clone, Copy, PartialEq)]
enum Source {
    Plain,
    NativeContext,
    MapDescriptors,
}

impl Rules<'_> {
    fn spread(&mut self, queue: &mut Vec<NodeId>, reach: &mut Reach) {
        let graph = self.graph;
        let Reach { distances, edges } = reach;
        let (mut next, mut by_name) = (0, Vec::new());
        while let Some(&node) = queue.get(next) {
            next += 1;
            let distance = distances[node.index()] + 1;
            let source = match graph.kind(node) {
                NodeKind::Hidden if graph.name(node) == "system / NativeContext" => Source::NativeContext,
                NodeKind::Array if graph.name(node) == "(map descriptors)" => Source::MapDescriptors,
                _ => Source::Plain,
            };
            let range = graph.edge_range(node);
            let is_sorted = graph.kind(node) == NodeKind::Object && self.sort(range.clone(), &mut by_name);
            for position in range.clone() {
                let index = if is_sorted { by_name[position - range.start] } else { position };
                let to = graph.edge_target(index);
                if distances[to.index()] != NO_DISTANCE {
                    continue;
                }
                let kind = graph.edge_kind(index);
                let special = source != Source::Plain || (kind == EdgeKind::Internal && !self.ephemerons.is_empty());
                if kind == EdgeKind::Weak || (special && !self.follows(source, index)) {
                    continue;
                }
                distances[to.index()] = distance;
                edges[to.index()] = index as u32;
                queue.push(to);
            }
        }
    }

    /// Puts the references of a dictionary into `by_name` by their names. V8 writes them in the order of a hash that each
    /// process seeds anew; which of several shortest ways is told must not depend on it. Distances do not.
    fn sort(&mut self, range: Range<usize>, by_name: &mut Vec<usize>) -> bool {
        if !SORTED.contains(&range.len()) || range.len() > self.left_to_sort {
            return false;
        }
        self.left_to_sort -= range.len();
        by_name.clear();
        by_name.extend(range);
        let graph = self.graph;
        by_name.sort_by_cached_key(|&index| {
            let edge = graph.edge(EdgeId(index as u32));
            let name = (!edge.kind.is_numbered()).then(|| graph.strings().get(edge.name));
            (edge.kind != EdgeKind::Property, name)
        });
        true
    }

    fn follows(&mut self, source: Source, index: usize) -> bool {
        let edge = self.graph.edge(EdgeId(index as u32));
        match source {
            Source::NativeContext if !edge.kind.is_numbered() && Some(edge.name) == self.function_map => return false,
            // Descriptor arrays are shared by maps: the links in them say nothing of one map. See crbug.com/413608.
            Source::MapDescriptors => {
                let number = if edge.kind.is_numbered() {
                    Some(u64::from(edge.name))
                } else {
                    leading_number(self.graph.strings().get(edge.name))
                };
                return number.is_none_or(|number| number < 2 || number % 3 != 1);
            }
            _ => {}
        }
        if edge.kind == EdgeKind::Internal
            && let Some(pair) = self.ephemerons.pair(edge.name)
        {
            // Only the second of the two edges counts: the value is as far as the farther of key and table.
            if !self.pending.remove(&pair.number) {
                self.pending.insert(pair.number);
                return false;
            }
        }
        true
    }
}

fn leading_number(text: &str) -> Option<u64> {
    let text = text.trim_start();
    let digits = text.len() - text.trim_start_matches(|character: char| character.is_ascii_digit()).len();
    text[..digits].parse().ok()
}
