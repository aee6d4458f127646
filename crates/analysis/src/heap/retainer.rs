//! Edges backwards: who refers to a node.

use brimline_profile::heap::{Edge, EdgeId, HeapGraph, NodeId};

/// All edges by their target.
#[derive(Debug)]
pub struct Retainers {
    first: Vec<u32>,
    sources: Vec<u32>,
    edges: Vec<u32>,
}

impl Retainers {
    /// Turns the edges of `graph` round; 12 bytes for each.
    pub fn of(graph: &HeapGraph) -> Self {
        let mut first = vec![0_u32; graph.node_count() + 1];
        for index in 0..graph.edge_count() {
            first[graph.edge_target(index).index()] += 1;
        }
        let mut total = 0;
        for offset in &mut first {
            total += *offset;
            *offset = total;
        }
        let (mut sources, mut edges) = (vec![0; graph.edge_count()], vec![0; graph.edge_count()]);
        for node in graph.nodes().rev() {
            for index in graph.edge_range(node).rev() {
                let offset = &mut first[graph.edge_target(index).index()];
                *offset -= 1;
                sources[*offset as usize] = node.0;
                edges[*offset as usize] = index as u32;
            }
        }
        Self { first, sources, edges }
    }

    /// Who refers to `node` and by which edge, in file order.
    pub fn of_node<'a>(&'a self, graph: &'a HeapGraph, node: NodeId) -> impl Iterator<Item = (NodeId, Edge)> + 'a {
        let range = self.first[node.index()] as usize..self.first[node.index() + 1] as usize;
        range.map(|at| (NodeId(self.sources[at]), graph.edge(EdgeId(self.edges[at]))))
    }
}
