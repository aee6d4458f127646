//! The graph as a drawing, without graphviz, and as SVG.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::Report;
use super::dot::color;
use super::layout::Layout;
use crate::graph::Edges;
use crate::measure::percentage;

/// Space around the drawing.
pub(super) const MARGIN: f64 = 12.0;
/// Space between layers.
const LAYER_GAP: f64 = 56.0;
const LINE: f64 = 15.0;
/// Names wider than this are cut; the whole one is in the tooltip.
const LONGEST_NAME: usize = 48;

/// Legible over curves.
const LABEL: &str = " fill=\"#555\" stroke=\"#fff\" stroke-width=\"3\" paint-order=\"stroke\"";

/// Boxes, curves and lines of text; units are CSS pixels, y grows downwards, a character is [`Drawing::CHARACTER`] wide.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    /// Of the whole.
    pub width: f64,
    /// Of the whole.
    pub height: f64,
    /// The legend.
    pub legend: Vec<Text>,
    /// Edges, below the boxes.
    pub curves: Vec<Curve>,
    /// Nodes.
    pub boxes: Vec<NodeBox>,
}

/// A line of text; `y` is its base line.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    /// Left end.
    pub x: f64,
    /// Base line.
    pub y: f64,
    /// What is written.
    pub text: String,
}

/// An edge: through its points vertically, with an arrow at one end.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// From the upper end to the lower one.
    pub points: Vec<(f64, f64)>,
    /// Of the stroke.
    pub width: f64,
    /// `#rrggbb`.
    pub stroke: String,
    /// Calls in between are left out.
    pub is_dashed: bool,
    /// Whether the arrow is at the upper end.
    pub is_upward: bool,
    /// Caller, callee and value.
    pub tip: String,
    /// The value beside the curve.
    pub label: Option<Text>,
}

/// A node.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeBox {
    /// Left end.
    pub x: f64,
    /// Upper end.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
    /// `#rrggbb`.
    pub fill: String,
    /// `#rrggbb`.
    pub stroke: String,
    /// The whole name.
    pub tip: String,
    /// Name and values.
    pub lines: [Text; 2],
}

impl Drawing {
    /// Width of a character.
    pub const CHARACTER: f64 = 7.0;
    /// Height of a capital letter with some room.
    pub const CAPITAL: f64 = 10.0;
    /// Dashes and the gaps between them.
    pub const DASH: f64 = 3.0;

    /// Writes it as SVG.
    pub(crate) fn svg(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { width, height, .. } = self;
        writeln!(
            out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>\n\
             <svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" \
             font-family=\"monospace\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>"
        )?;
        for line in &self.legend {
            line.svg("", out)?;
            writeln!(out)?;
        }
        for curve in &self.curves {
            let mut line = String::new();
            for [(x1, y1), (x2, y2)] in curve.pieces() {
                let middle = f64::midpoint(y1, y2);
                let start = if line.is_empty() { format!("M{x1:.1} {y1:.1}") } else { String::new() };
                // Writing to a String cannot fail.
                let _ = write!(line, "{start} C{x1:.1} {middle:.1} {x2:.1} {middle:.1} {x2:.1} {y2:.1}");
            }
            let end = if curve.is_upward { "marker-start" } else { "marker-end" };
            let dash =
                if curve.is_dashed { format!(" stroke-dasharray=\"{0} {0}\"", Self::DASH) } else { String::new() };
            write!(
                out,
                "<g><title>{}</title><path d=\"{line}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{:.1}\"{dash} {end}=\"url(#arrow)\"/>",
                escape_xml(&curve.tip),
                curve.stroke,
                curve.width
            )?;
            if let Some(label) = &curve.label {
                label.svg(LABEL, out)?;
            }
            writeln!(out, "</g>")?;
        }
        for node in &self.boxes {
            write!(
                out,
                "<g><title>{}</title><rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"3\" fill=\"{}\" stroke=\"{}\"/>",
                escape_xml(&node.tip),
                node.x,
                node.y,
                node.width,
                node.height,
                node.fill,
                node.stroke,
            )?;
            for line in &node.lines {
                line.svg("", out)?;
            }
            writeln!(out, "</g>")?;
        }
        writeln!(
            out,
            "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto-start-reverse\">\
             <path d=\"M0 0L8 4L0 8z\" fill=\"#555\"/></marker></defs>\n</svg>"
        )
    }
}

impl Curve {
    /// Its points two by two; between them it leaves and arrives vertically.
    pub fn pieces(&self) -> impl Iterator<Item = [(f64, f64); 2]> + '_ {
        self.points.windows(2).map(|pair| [pair[0], pair[1]])
    }
}

impl Text {
    fn svg(&self, attributes: &str, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "<text x=\"{:.1}\" y=\"{:.1}\"{attributes}>{}</text>", self.x, self.y, escape_xml(&self.text))
    }
}

impl Report<'_, '_> {
    /// The graph, laid out.
    pub(crate) fn drawing(&mut self) -> Drawing {
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
            texts[position].iter().map(|text| text.chars().count()).max().unwrap_or(0) as f64 * Drawing::CHARACTER
                + 16.0
        };
        let layout = Layout::new(graph, width_of);
        let labels = self.report_labels(&shown, true);
        // The last one points to graphviz's page on how to read its drawings.
        let legend: Vec<Text> = labels
            .iter()
            .map(|label| label.trim())
            .filter(|label| !label.starts_with("See "))
            .enumerate()
            .map(|(line, label)| Text { x: MARGIN, y: MARGIN + (line + 1) as f64 * LINE, text: label.to_owned() })
            .collect();
        let top = MARGIN + legend.len() as f64 * LINE + LAYER_GAP / 2.0;
        let height = 2.0 * LINE + 10.0;
        let y_of = |layer: usize| top + layer as f64 * (height + LAYER_GAP);
        let right = layout.cells.iter().map(|cell| cell.x + cell.width).fold(600.0, f64::max) + MARGIN;
        let bottom = y_of(layout.layers.len().max(1)) + MARGIN;
        let share_of = |value: i64| if self.total == 0 { 0.0 } else { value as f64 / self.total.wrapping_abs() as f64 };
        let curves = layout.paths.iter().map(|path| {
            let edge = graph.edge(path.edge);
            let name = |node: u32| &shown.names[graph.node(node).info as usize];
            let value = self.value(edge.value());
            let share = share_of(edge.value());
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
            let label = match points[..] {
                [.., (x1, y1), (x2, y2)] => {
                    Some(Text { x: f64::midpoint(x1, x2) + 3.0, y: f64::midpoint(y1, y2), text: value.clone() })
                }
                _ => None,
            };
            Curve {
                points,
                width: 1.0 + 4.0 * share.abs().min(1.0),
                stroke: color(share, false),
                is_dashed: edge.residual,
                is_upward: path.back,
                tip: format!("{} → {} ({value})", name(edge.from), name(edge.to)),
                label,
            }
        });
        let boxes = graph.order.iter().enumerate().zip(&texts).map(|((position, &index), text)| {
            let (cell, node) = (&layout.cells[position], graph.node(index));
            let share = share_of(node.cum_value());
            let (x, y) = (cell.x, y_of(layout.layer_of[position]));
            let line =
                |number: usize| Text { x: x + 8.0, y: y + (number + 1) as f64 * LINE, text: text[number].clone() };
            NodeBox {
                x,
                y,
                width: cell.width,
                height,
                fill: color(share, true),
                stroke: color(share, false),
                tip: shown.names[node.info as usize].clone(),
                lines: [line(0), line(1)],
            }
        });
        Drawing { width: right, height: bottom, legend, curves: curves.collect(), boxes: boxes.collect() }
    }
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
