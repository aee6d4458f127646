//! Where the boxes of a graph's drawing stand: callers above callees, in layers, edges bent where they cross layers.

use super::drawing::MARGIN;
use crate::graph::Graph;

/// Space between boxes of a layer.
const GAP: f64 = 24.0;
/// Rounds of sorting layers by the middle of their neighbours.
const SWEEPS: usize = 8;

/// A box, or a bend of an edge that crosses layers.
pub(super) struct Cell {
    /// Node of the graph; `None` for a bend.
    node: Option<u32>,
    pub(super) width: f64,
    pub(super) x: f64,
    /// Neighbours in the layers above and below.
    near: [Vec<usize>; 2],
}

/// An edge as the cells it passes.
pub(super) struct Path {
    pub(super) edge: u32,
    pub(super) cells: Vec<usize>,
    /// Against the layers: drawn from below to above.
    pub(super) back: bool,
}

/// The cells, the layers they stand in, and the ways of the edges.
pub(super) struct Layout {
    pub(super) cells: Vec<Cell>,
    pub(super) layers: Vec<Vec<usize>>,
    pub(super) layer_of: Vec<usize>,
    pub(super) paths: Vec<Path>,
}

impl Layout {
    /// Layers by the longest way from a root, without the edges that would close a cycle; cells of one layer in the
    /// order of the middle of their neighbours.
    pub(super) fn new(graph: &Graph, width_of: impl Fn(usize) -> f64) -> Self {
        let mut position = vec![usize::MAX; graph.nodes.len()];
        for (at, &node) in graph.order.iter().enumerate() {
            position[node as usize] = at;
        }
        let count = graph.order.len();
        let mut callees: Vec<Vec<(u32, usize)>> = Vec::with_capacity(count);
        for &node in &graph.order {
            let out = graph.node(node).callees.iter().map(|&edge| (edge, position[graph.edge(edge).to as usize]));
            callees.push(out.filter(|&(_, to)| to != usize::MAX).collect());
        }
        let (finish, back) = depth_first(&callees, count);
        let mut layer_of = vec![0; count];
        for &from in finish.iter().rev() {
            for &(edge, to) in &callees[from] {
                if to != from && !back.contains(&edge) {
                    layer_of[to] = layer_of[to].max(layer_of[from] + 1);
                }
            }
        }
        let mut cells: Vec<Cell> = (0..count)
            .map(|at| Cell { node: Some(graph.order[at]), width: width_of(at), x: 0.0, near: [Vec::new(), Vec::new()] })
            .collect();
        let mut paths = Vec::new();
        for (from, edges) in callees.iter().enumerate() {
            for &(edge, to) in edges.iter().filter(|&&(_, to)| to != from) {
                let is_back = layer_of[to] <= layer_of[from];
                let (upper, lower) = if is_back { (to, from) } else { (from, to) };
                let mut way = vec![upper];
                for layer in layer_of[upper] + 1..layer_of[lower] {
                    cells.push(Cell { node: None, width: 6.0, x: 0.0, near: [Vec::new(), Vec::new()] });
                    layer_of.push(layer);
                    way.push(cells.len() - 1);
                }
                way.push(lower);
                for pair in way.windows(2) {
                    cells[pair[0]].near[1].push(pair[1]);
                    cells[pair[1]].near[0].push(pair[0]);
                }
                paths.push(Path { edge, cells: way, back: is_back });
            }
        }
        let mut layers = vec![Vec::new(); layer_of.iter().max().map_or(0, |last| last + 1)];
        for (cell, &layer) in layer_of.iter().enumerate() {
            layers[layer].push(cell);
        }
        let mut layout = Self { cells, layers, layer_of, paths };
        layout.order_and_place();
        layout
    }

    fn order_and_place(&mut self) {
        for sweep in 0..=SWEEPS {
            for index in 0..self.layers.len() {
                let layer = if sweep % 2 == 0 { index } else { self.layers.len() - 1 - index };
                let side = sweep % 2;
                let middle = |cells: &[Cell], at: usize| {
                    let near = &cells[at].near[side];
                    let sum: f64 = near.iter().map(|&other| cells[other].x + cells[other].width / 2.0).sum();
                    if near.is_empty() { cells[at].x + cells[at].width / 2.0 } else { sum / near.len() as f64 }
                };
                let mut order: Vec<(f64, usize)> =
                    self.layers[layer].iter().map(|&cell| (middle(&self.cells, cell), cell)).collect();
                order.sort_by(|one, other| one.0.total_cmp(&other.0));
                // Each as near to its middle as its left neighbour allows, then the row is shifted to fit on average.
                let mut left = MARGIN;
                let mut off = 0.0;
                for &(wanted, cell) in &order {
                    let x = (wanted - self.cells[cell].width / 2.0).max(left);
                    off += x + self.cells[cell].width / 2.0 - wanted;
                    self.cells[cell].x = x;
                    left = x + self.cells[cell].width + GAP;
                }
                let first = order.first().map_or(MARGIN, |&(_, cell)| self.cells[cell].x);
                let shift = (off / order.len().max(1) as f64).min(first - MARGIN).max(0.0);
                for &(_, cell) in &order {
                    self.cells[cell].x -= shift;
                }
                self.layers[layer] = order.into_iter().map(|(_, cell)| cell).collect();
            }
        }
        debug_assert!(self.cells.iter().all(|cell| cell.node.is_none() || cell.width > 0.0));
    }
}

/// Nodes in the order they are finished with, and the edges that lead back to an open one. Own stack: call chains in
/// profiles can be thousands deep.
fn depth_first(callees: &[Vec<(u32, usize)>], count: usize) -> (Vec<usize>, std::collections::HashSet<u32>) {
    let mut called = vec![false; count];
    callees.iter().enumerate().for_each(|(from, edges)| {
        edges.iter().filter(|&&(_, to)| to != from).for_each(|&(_, to)| called[to] = true);
    });
    let mut state = vec![0_u8; count];
    let (mut finish, mut back) = (Vec::with_capacity(count), std::collections::HashSet::new());
    let roots = (0..count).filter(|&at| !called[at]).chain(0..count);
    for root in roots {
        if state[root] != 0 {
            continue;
        }
        let mut open = vec![(root, 0)];
        state[root] = 1;
        while let Some(&mut (at, ref mut next)) = open.last_mut() {
            let Some(&(edge, to)) = callees[at].get(*next) else {
                state[at] = 2;
                finish.push(at);
                open.pop();
                continue;
            };
            *next += 1;
            match state[to] {
                0 => {
                    state[to] = 1;
                    open.push((to, 0));
                }
                1 => drop(back.insert(edge)),
                _ => {}
            }
        }
    }
    (finish, back)
}
