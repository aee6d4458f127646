//! Dominators by semi-NCA (Georgiadis, Tarjan: "Dominator Tree Certification and Divergent Spanning Trees", 2016) and
//! retained sizes by one sweep. All passes run in depth-first order, so that memory is walked rather than jumped over.

use super::bits::BitSet;
use super::roots::ROOT;
use brimline_profile::heap::{HeapGraph, IntColumn, NodeId};

const NONE: u32 = u32::MAX;
/// No heap is as large.
const UNREACHED: u64 = u64::MAX;

/// The dominator tree with sizes.
#[derive(Debug)]
pub struct Tree {
    /// Immediate dominator of each node; the root's is the root.
    pub dominators: Vec<u32>,
    /// Retained bytes of each node.
    pub retained: Vec<u64>,
    /// The self sizes it was made with.
    pub self_sizes: IntColumn,
}

/// Dominators and retained sizes over the `essential` edges from node 0. A node without an essential edge to it counts
/// as a child of the root; so does what is left over in cycles that nothing else reaches.
pub fn tree(graph: &HeapGraph, essential: &BitSet, self_sizes: IntColumn) -> Tree {
    let nodes = graph.node_count();
    if nodes == 0 {
        return Tree { dominators: Vec::new(), retained: Vec::new(), self_sizes };
    }
    let mut order = Order::search(graph, essential);
    let (offsets, sources) = order.predecessors(graph, essential);
    let Order { slots, vertices, parents } = order;
    drop(slots);
    let dominators = semi_nca(parents, offsets, sources);
    let mut retained = Vec::with_capacity(nodes);
    retained.extend(vertices.iter().map(|&node| self_sizes.get(node as usize)));
    for at in (1..vertices.len()).rev() {
        let size = retained[at];
        retained[dominators[at] as usize] += size;
    }
    let mut result = Tree { dominators: vec![ROOT.0; nodes], retained: vec![UNREACHED; nodes], self_sizes };
    for (at, &node) in vertices.iter().enumerate() {
        result.dominators[node as usize] = vertices[dominators[at] as usize];
        result.retained[node as usize] = retained[at];
    }
    // Left-over cycles: each node a child of the root.
    for node in 0..nodes {
        if result.retained[node] == UNREACHED {
            let size = result.self_sizes.get(node);
            result.retained[node] = size;
            result.retained[ROOT.index()] += size;
        }
    }
    result
}

/// Depth-first numbers.
struct Order {
    /// Of each node its number, or `NONE`, and how many edges lead to it beside the one it was found by: side by side,
    /// because both are wanted at every edge.
    slots: Vec<[u32; 2]>,
    /// Node of each number.
    vertices: Vec<u32>,
    /// Number of each number's parent.
    parents: Vec<u32>,
}

impl Order {
    fn search(graph: &HeapGraph, essential: &BitSet) -> Self {
        let nodes = graph.node_count();
        let mut order = Self {
            slots: vec![[NONE, 0]; nodes],
            vertices: Vec::with_capacity(nodes),
            parents: Vec::with_capacity(nodes),
        };
        order.descend(graph, essential, ROOT.0);
        if order.vertices.len() < nodes {
            let mut has_retainer = BitSet::new(nodes);
            for index in 0..graph.edge_count() {
                if essential.contains(index) {
                    has_retainer.insert(graph.edge_target(index).index());
                }
            }
            for node in 0..nodes {
                if order.slots[node][0] == NONE && !has_retainer.contains(node) {
                    order.descend(graph, essential, node as u32);
                }
            }
        }
        order
    }

    /// Visits what `start` reaches, as a child of the root.
    fn descend(&mut self, graph: &HeapGraph, essential: &BitSet, start: u32) {
        let mut stack = Vec::new();
        self.number(start, 0);
        stack.push((self.slots[start as usize][0], graph.edge_range(NodeId(start))));
        while let Some((number, edges)) = stack.last_mut() {
            let number = *number;
            let Some(index) = edges.next() else {
                stack.pop();
                continue;
            };
            if !essential.contains(index) {
                continue;
            }
            let to = graph.edge_target(index);
            let slot = &mut self.slots[to.index()];
            if slot[0] != NONE {
                slot[1] += 1;
                continue;
            }
            self.number(to.0, number);
            let edges = graph.edge_range(to);
            if !edges.is_empty() {
                stack.push((self.slots[to.index()][0], edges));
            }
        }
    }

    fn number(&mut self, node: u32, parent: u32) {
        self.slots[node as usize][0] = self.vertices.len() as u32;
        self.vertices.push(node);
        self.parents.push(parent);
    }

    /// Essential edges backwards, in numbers: offsets and sources. The edge from the parent is left out, it is known, and
    /// so are edges to the root.
    fn predecessors(&mut self, graph: &HeapGraph, essential: &BitSet) -> (Vec<u32>, Vec<u32>) {
        let mut offsets = Vec::with_capacity(self.vertices.len() + 1);
        let mut total = 0;
        for (at, &node) in self.vertices.iter().enumerate() {
            let slot = &mut self.slots[node as usize];
            total += if at == 0 { 0 } else { slot[1] };
            offsets.push(total);
            // From here on the parent, until the edge from it was met.
            slot[1] = self.parents[at];
        }
        offsets.push(total);
        let mut sources = vec![0_u32; total as usize];
        for (from, &node) in self.vertices.iter().enumerate() {
            for index in graph.edge_range(NodeId(node)) {
                if !essential.contains(index) {
                    continue;
                }
                let slot = &mut self.slots[graph.edge_target(index).index()];
                let to = slot[0];
                if to == 0 {
                    continue;
                }
                if slot[1] == from as u32 {
                    slot[1] = NONE;
                    continue;
                }
                let offset = &mut offsets[to as usize];
                *offset -= 1;
                sources[*offset as usize] = from as u32;
            }
        }
        (offsets, sources)
    }
}

/// Immediate dominators in numbers, from the parents in the depth-first tree and the other edges backwards.
fn semi_nca(parents: Vec<u32>, offsets: Vec<u32>, sources: Vec<u32>) -> Vec<u32> {
    let count = parents.len();
    let mut semi = vec![0; count];
    // Least semidominator on the way to the ancestor, itself included; set when a vertex is linked.
    let mut least = vec![0; count];
    let mut ancestors = parents.clone();
    let mut path = Vec::new();
    for at in (1..count).rev() {
        let mut best = parents[at];
        for &from in &sources[offsets[at] as usize..offsets[at + 1] as usize] {
            // A source with a smaller number is not linked yet and stands for itself.
            let candidate = if from as usize <= at {
                from
            } else {
                compress(from, at as u32, &mut ancestors, &mut least, &mut path);
                least[from as usize]
            };
            best = best.min(candidate);
        }
        semi[at] = best;
        least[at] = best;
    }
    drop((least, ancestors, offsets, sources));
    let mut dominators = parents;
    for at in 1..count {
        let mut dominator = dominators[at];
        while dominator > semi[at] {
            dominator = dominators[dominator as usize];
        }
        dominators[at] = dominator;
    }
    dominators
}

/// Shortens the path from `vertex` to the last vertex linked (those above `linked`), keeping the least semidominator.
fn compress(vertex: u32, linked: u32, ancestors: &mut [u32], least: &mut [u32], path: &mut Vec<u32>) {
    let mut at = vertex;
    while ancestors[at as usize] > linked {
        path.push(at);
        at = ancestors[at as usize];
    }
    while let Some(at) = path.pop() {
        let above = ancestors[at as usize] as usize;
        least[at as usize] = least[at as usize].min(least[above]);
        ancestors[at as usize] = ancestors[above];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use brimline_profile::heap::{EdgeKind, HeapGraphBuilder, NodeRow};

    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 16) as usize % limit
        }
    }

    /// What the root reaches when `without` is taken away; nodes that nothing refers to count as its children.
    fn reached(edges: &[Vec<usize>], orphans: &[bool], without: Option<usize>) -> Vec<bool> {
        let mut seen = vec![false; edges.len()];
        let mut stack: Vec<usize> = (0..edges.len()).filter(|&node| node == 0 || orphans[node]).collect();
        while let Some(node) = stack.pop() {
            if Some(node) != without && !std::mem::replace(&mut seen[node], true) {
                stack.extend(&edges[node]);
            }
        }
        seen
    }

    #[test]
    fn agrees_with_taking_each_node_away() {
        let mut random = Random(0x1234_5678_9ABC_DEF1);
        for round in 0..600 {
            let nodes = 1 + random.below(24);
            let count = random.below(3 * nodes);
            let mut edges = vec![Vec::new(); nodes];
            for _ in 0..count {
                let (from, to) = (random.below(nodes), random.below(nodes));
                if from != to {
                    edges[from].push(to);
                }
            }
            let mut builder = HeapGraphBuilder::new(vec!["object".into()], false);
            for (node, out) in edges.iter().enumerate() {
                let self_size = 1 + random.below(100) as u64;
                builder.push_node(NodeRow {
                    id: node as u64,
                    self_size,
                    edge_count: out.len() as u32,
                    ..NodeRow::default()
                });
            }
            for &to in edges.iter().flatten() {
                builder.push_edge(EdgeKind::Property, 0, to as u32);
            }
            let (graph, _) = builder.finish();
            let mut essential = BitSet::new(graph.edge_count());
            for index in 0..graph.edge_count() {
                essential.insert(index);
            }
            let result = tree(&graph, &essential, graph.self_sizes().clone());

            let mut orphans = vec![true; nodes];
            edges.iter().flatten().for_each(|&to| orphans[to] = false);
            let all = reached(&edges, &orphans, None);
            // Bytes that go with each node, and of each node how many nodes dominate it.
            let mut retained = vec![0; nodes];
            let mut depth = vec![0; nodes];
            let mut dominates = vec![vec![false; nodes]; nodes];
            for (node, dominated) in dominates.iter_mut().enumerate().skip(1) {
                let left = reached(&edges, &orphans, Some(node));
                for (other, is_dominated) in dominated.iter_mut().enumerate() {
                    // What nothing reaches stands for itself.
                    *is_dominated = if all[node] { all[other] && !left[other] } else { other == node };
                    if *is_dominated {
                        retained[node] += graph.self_sizes().get(other);
                        depth[other] += 1;
                    }
                }
            }
            retained[0] = graph.self_sizes().iter().sum();
            assert_eq!(result.retained, retained, "round {round}");
            for (node, &found) in result.dominators.iter().enumerate().skip(1) {
                let dominators = (1..nodes).filter(|&other| other != node && dominates[other][node]);
                let dominator = dominators.max_by_key(|&other| depth[other]).unwrap_or(0);
                assert_eq!(found as usize, dominator, "node {node} in round {round}");
            }
        }
    }
}
