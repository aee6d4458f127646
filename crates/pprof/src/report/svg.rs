//! The graph as a drawing, without graphviz: callers above callees, boxes in layers, edges as curves.

use std::fmt::Write as _;
use std::io::Write;

use super::dot::color;
use super::{Report, ReportError};
use crate::graph::{Edges, Graph};
use crate::measure::percentage;

/// Space between boxes of a layer and between layers.
const GAP: f64 = 24.0;
const LAYER_GAP: f64 = 56.0;
const MARGIN: f64 = 12.0;
const LINE: f64 = 15.0;
/// Names wider than this are cut; the whole one is in the tooltip.
const LONGEST_NAME: usize = 48;
/// Rounds of sorting layers by the middle of their neighbours.
const SWEEPS: usize = 8;

/// A box, or a bend of an edge that crosses layers.
struct Cell {
    /// Node of the graph; `None` for a bend.
    node: Option<u32>,
    width: f64,
    x: f64,
    /// Neighbours in the layers above and below.
    near: [Vec<usize>; 2],
}

/// An edge as the cells it passes.
struct Path {
    edge: u32,
    cells: Vec<usize>,
    /// Against the layers: drawn from below to above.
    back: bool,
}

struct Layout {
    cells: Vec<Cell>,
    layers: Vec<Vec<usize>>,
    layer_of: Vec<usize>,
    paths: Vec<Path>,
}

impl Report<'_, '_> {
    pub(super) fn svg(&mut self, out: &mut dyn Write) -> Result<(), ReportError> {
        let shown = self.shown(Edges::All);
        let graph = &shown.trimmed.graph;
        let texts: Vec<[String; 2]> = graph
            .order
            .iter()
            .map(|&index| {
                let node = graph.node(index);
                let name: String = {
                    let full = &shown.names[node.info as usize];
                    let length = full.chars().count();
                    let cut: String = full.chars().skip(length.saturating_sub(LONGEST_NAME)).collect();
                    if length > LONGEST_NAME { format!("…{cut}") } else { cut }
                };
                let (flat, cum) = (node.flat_value(), node.cum_value());
                let share = |value: i64| format!("{} ({})", self.value(value), percentage(value, self.total).trim());
                let value = match (flat, cum) {
                    (flat, cum) if flat == cum => share(flat),
                    (0, cum) => format!("0 of {}", share(cum)),
                    (flat, cum) => format!("{} of {}", share(flat), share(cum)),
                };
                [name, value]
            })
            .collect();
        let width_of = |position: usize| {
            texts[position].iter().map(|text| text.chars().count()).max().unwrap_or(0) as f64 * 7.0 + 16.0
        };
        let layout = Layout::new(graph, width_of);
        let labels = self.report_labels(&shown, true);
        let top = MARGIN + labels.len() as f64 * LINE + LAYER_GAP / 2.0;
        let height = 2.0 * LINE + 10.0;
        let y_of = |layer: usize| top + layer as f64 * (height + LAYER_GAP);
        let right = layout.cells.iter().map(|cell| cell.x + cell.width).fold(600.0, f64::max) + MARGIN;
        let bottom = y_of(layout.layers.len().max(1)) + MARGIN;
        writeln!(
            out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>\n\
             <svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {right:.0} {bottom:.0}\" width=\"{right:.0}\" height=\"{bottom:.0}\" \
             font-family=\"monospace\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>"
        )?;
        for (line, label) in labels.iter().enumerate() {
            writeln!(
                out,
                "<text x=\"{MARGIN}\" y=\"{:.1}\">{}</text>",
                MARGIN + (line + 1) as f64 * LINE,
                escape_xml(label)
            )?;
        }
        for path in &layout.paths {
            let edge = graph.edge(path.edge);
            let name = |node: u32| &shown.names[graph.node(node).info as usize];
            let value = self.value(edge.value());
            let share = if self.total == 0 { 0.0 } else { edge.value() as f64 / self.total.wrapping_abs() as f64 };
            let points: Vec<(f64, f64)> = path
                .cells
                .iter()
                .enumerate()
                .flat_map(|(index, &cell)| {
                    let (x, y) = (layout.cells[cell].x + layout.cells[cell].width / 2.0, y_of(layout.layer_of[cell]));
                    let (first, last) = (index == 0, index + 1 == path.cells.len());
                    // Edges leave at the lower side and arrive at the upper one; bends pass straight through.
                    [(!first).then_some((x, y)), (!last).then_some((x, y + height))].into_iter().flatten()
                })
                .collect();
            let mut line = String::new();
            for pair in points.windows(2).step_by(1) {
                let ((x1, y1), (x2, y2)) = (pair[0], pair[1]);
                let middle = f64::midpoint(y1, y2);
                let start = if line.is_empty() { format!("M{x1:.1} {y1:.1}") } else { String::new() };
                // Writing to a String cannot fail.
                let _ = write!(line, "{start} C{x1:.1} {middle:.1} {x2:.1} {middle:.1} {x2:.1} {y2:.1}");
            }
            let ends = if path.back { "marker-start" } else { "marker-end" };
            let tip = escape_xml(&format!("{} → {} ({value})", name(edge.from), name(edge.to)));
            let dash = if edge.residual { " stroke-dasharray=\"3 3\"" } else { "" };
            let stroke = color(share, false);
            writeln!(
                out,
                "<g><title>{tip}</title><path d=\"{line}\" fill=\"none\" stroke=\"{stroke}\" stroke-width=\"{:.1}\"{dash} {ends}=\"url(#arrow)\"/>",
                1.0 + 4.0 * share.abs().min(1.0)
            )?;
            if let [.., (x1, y1), (x2, y2)] = points[..] {
                let (x, y) = (f64::midpoint(x1, x2) + 3.0, f64::midpoint(y1, y2));
                writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"#555\">{}</text></g>", escape_xml(&value))?;
            } else {
                writeln!(out, "</g>")?;
            }
        }
        for (position, &index) in graph.order.iter().enumerate() {
            let (cell, node) = (&layout.cells[position], graph.node(index));
            let share = if self.total == 0 { 0.0 } else { node.cum_value() as f64 / self.total.wrapping_abs() as f64 };
            let (x, y) = (cell.x, y_of(layout.layer_of[position]));
            writeln!(
                out,
                "<g><title>{}</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\" rx=\"3\" fill=\"{}\" stroke=\"{}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\">{}</text><text x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
                escape_xml(&shown.names[node.info as usize]),
                cell.width,
                color(share, true),
                color(share, false),
                x + 8.0,
                y + LINE,
                escape_xml(&texts[position][0]),
                x + 8.0,
                y + 2.0 * LINE,
                escape_xml(&texts[position][1]),
            )?;
        }
        writeln!(
            out,
            "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto-start-reverse\">\
             <path d=\"M0 0L8 4L0 8z\" fill=\"#555\"/></marker></defs>\n</svg>"
        )?;
        Ok(())
    }
}

impl Layout {
    /// Layers by the longest way from a root, without the edges that would close a cycle; cells of one layer in the
    /// order of the middle of their neighbours.
    fn new(graph: &Graph, width_of: impl Fn(usize) -> f64) -> Self {
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

/// Text that is only text in XML.
fn escape_xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
