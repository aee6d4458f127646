//! Leaving out what weighs little.

use std::collections::{HashSet, VecDeque};

use super::{Edges, Graph, MAX_TAGS, Order, Plan, Skeleton, sort_edges};
use crate::model::View;

/// What to show of a graph.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Selection {
    /// Largest number of places, 0 for all.
    pub(crate) nodes: i64,
    /// Share of the total below which places and labels are left out.
    pub(crate) node_fraction: f64,
    /// Share of the total below which calls are left out.
    pub(crate) edge_fraction: f64,
    /// Order of the places.
    pub(crate) order: Order,
}

/// A graph cut down, with the numbers its legend tells.
#[derive(Debug)]
pub(crate) struct Trimmed {
    pub(crate) graph: Graph,
    /// Places before the number was limited.
    pub(crate) nodes_before: usize,
    pub(crate) dropped_nodes: usize,
    pub(crate) dropped_edges: usize,
}

/// From here on the table of all calls is likely to be larger than a processor's cache.
const MANY_SAMPLES: usize = 1 << 15;

impl Skeleton {
    /// Builds the graph in passes: light places cannot be cut from a finished graph, since the calls around them
    /// have to be joined sample by sample.
    pub(crate) fn trimmed(&self, view: &View<'_>, plan: Plan<'_>, selection: Selection) -> Trimmed {
        let visual = selection.order == Order::Entropy;
        let cuts = selection.node_fraction != 0.0 && !plan.call_tree;
        // The first pass only weighs places if a second one follows anyway.
        let weigh = if cuts { Plan { edges: Edges::None, tags: None, ..plan } } else { plan };
        let mut graph = self.graph(view, weigh, None);
        let total: i64 = graph.order.iter().fold(0, |sum, &node| sum.wrapping_add(graph.node(node).flat));
        let cutoff = |fraction: f64| ((total as f64 * fraction) as i64).wrapping_abs();
        let (node_cutoff, edge_cutoff) = (cutoff(selection.node_fraction), cutoff(selection.edge_fraction));

        // Calls below the cutoff go in the end; drawings are laid out by all of them, and tell how many they were.
        let light_calls_matter = visual || plan.call_tree || edge_cutoff <= 0 || plan.edges == Edges::None;
        let whole_graph = |kept: Option<&[bool]>| {
            if light_calls_matter || view.samples.len() < MANY_SAMPLES {
                self.graph(view, plan, kept)
            } else {
                self.graph_of_heavy_calls(view, plan, kept, edge_cutoff)
            }
        };

        let before = graph.order.len();
        let mut dropped_nodes = 0;
        let heavy = |graph: &Graph, node: u32| graph.node(node).cum.wrapping_abs() >= node_cutoff;
        if plan.call_tree {
            let kept: HashSet<u32> = graph.order.iter().copied().filter(|&node| heavy(&graph, node)).collect();
            if node_cutoff > 0 && kept.len() != before {
                dropped_nodes = before - kept.len();
                graph.trim_tree(self, &kept);
            }
        } else if cuts {
            let mut kept = vec![false; self.infos.len()];
            let mut count = 0;
            for &node in graph.order.iter().filter(|&&node| node_cutoff <= 0 || heavy(&graph, node)) {
                kept[node as usize] = true;
                count += 1;
            }
            dropped_nodes = before - count;
            graph = whole_graph((dropped_nodes > 0).then_some(&kept));
        }
        let nodes_before = graph.order.len();

        graph.sort(self, selection.order);
        if selection.nodes > 0 {
            graph.trim_tags(node_cutoff);
            graph.trim_edges(edge_cutoff);
            let limit = graph.limit(selection.nodes as usize, visual);
            if limit < graph.order.len() {
                if plan.call_tree {
                    let kept: HashSet<u32> = graph.order[..limit].iter().copied().collect();
                    graph.trim_tree(self, &kept);
                } else {
                    let mut kept = vec![false; self.infos.len()];
                    graph.order[..limit].iter().for_each(|&node| kept[node as usize] = true);
                    graph = whole_graph(Some(&kept));
                }
                graph.sort(self, selection.order);
            }
        }
        graph.trim_tags(node_cutoff);
        let dropped_edges = graph.trim_edges(edge_cutoff);
        if visual {
            graph.remove_redundant_edges(self);
        }
        Trimmed { graph, nodes_before, dropped_nodes, dropped_edges }
    }
}

impl Graph {
    fn trim_tags(&mut self, cutoff: i64) {
        for &node in &self.order {
            if let Some(tags) = self.tags.get_mut(node as usize) {
                tags.trim(cutoff);
            }
        }
    }

    fn trim_edges(&mut self, cutoff: i64) -> usize {
        let Self { nodes, edges, order, .. } = self;
        let mut dropped = 0;
        let mut light = vec![false; edges.len()];
        for &node in &*order {
            nodes[node as usize].callers.retain(|&edge| {
                let heavy = edges[edge as usize].weight.wrapping_abs() >= cutoff;
                light[edge as usize] = !heavy;
                dropped += usize::from(!heavy);
                heavy
            });
        }
        if dropped > 0 {
            for node in nodes {
                node.callees.retain(|&edge| !light[edge as usize]);
            }
        }
        dropped
    }

    /// How many places fit; a drawing counts their labels too.
    fn limit(&self, nodes: usize, visual: bool) -> usize {
        if visual {
            let mut count = 0;
            for (index, &node) in self.order.iter().enumerate() {
                count += 1 + self.tags.get(node as usize).map_or(0, |tags| tags.count().min(MAX_TAGS));
                if count >= nodes {
                    return index + 1;
                }
            }
        }
        nodes.min(self.order.len())
    }

    /// Takes nodes out of a call tree and hangs their children on their parents.
    fn trim_tree(&mut self, skeleton: &Skeleton, kept: &HashSet<u32>) {
        for node in std::mem::take(&mut self.order) {
            if kept.contains(&node) {
                self.order.push(node);
                continue;
            }
            let callees = std::mem::take(&mut self.nodes[node as usize].callees);
            let Some(&caller) = self.nodes[node as usize].callers.first() else {
                for edge in callees {
                    let to = self.edge(edge).to as usize;
                    self.nodes[to].callers.clear();
                }
                continue;
            };
            let Self { nodes, edges, .. } = self;
            let (parent, inline) = (edges[caller as usize].from, edges[caller as usize].inline);
            nodes[parent as usize].callees.retain(|&edge| edge != caller);
            for edge in callees {
                let row = &mut edges[edge as usize];
                row.from = parent;
                row.residual = true;
                row.inline &= inline;
                nodes[parent as usize].callees.push(edge);
            }
        }
        self.remove_redundant_edges(skeleton);
    }

    /// Removes joined calls whose ends are connected through other places, lightest first.
    fn remove_redundant_edges(&mut self, skeleton: &Skeleton) {
        let names = skeleton.names();
        for index in (0..self.order.len()).rev() {
            let node = self.order[index];
            let mut callers = self.node(node).callers.clone();
            sort_edges(self, &names, &mut callers);
            for &edge in callers.iter().rev() {
                if !self.edge(edge).residual {
                    break;
                }
                if self.is_redundant(edge) {
                    let from = self.edge(edge).from as usize;
                    self.nodes[from].callees.retain(|&other| other != edge);
                    self.nodes[node as usize].callers.retain(|&other| other != edge);
                }
            }
        }
    }

    fn is_redundant(&self, edge: u32) -> bool {
        let (from, to) = (self.edge(edge).from, self.edge(edge).to);
        let mut seen = HashSet::from([to]);
        let mut queue = VecDeque::from([to]);
        while let Some(node) = queue.pop_front() {
            for &other in &self.node(node).callers {
                let caller = self.edge(other).from;
                if other == edge || seen.contains(&caller) {
                    continue;
                }
                if caller == from {
                    return true;
                }
                seen.insert(caller);
                queue.push_back(caller);
            }
        }
        false
    }
}
