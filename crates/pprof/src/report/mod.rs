//! The reports of `go tool pprof`, byte for byte.

mod call_tree;
mod callgrind;
mod dot;
mod drawing;
mod go_sources;
mod json;
mod layout;
mod legend;
mod list;
mod proto;
mod raw;
mod tags;
mod text;
mod time;
mod traces;
mod tree;

use std::collections::HashMap;
use std::io::{self, Write};

use regex::Regex;
use thiserror::Error;

pub use call_tree::{CallNode, CallTree};
pub use drawing::{Curve, Drawing, NodeBox, Text};
pub use go_sources::{GoFolders, read as read_go_source};
pub use list::Sources;
pub use time::Zone;

use crate::graph::{Edges, Order, Plan, Selection, Skeleton};
use crate::measure::{scale, scaled_label};
use crate::model::View;

/// A kind of report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Callgrind,
    Comments,
    Dot,
    Flame,
    Json,
    List,
    Proto,
    Raw,
    Svg,
    Tags,
    Text,
    TopProto,
    Traces,
    Tree,
}

/// A report that cannot be written.
#[derive(Debug, Error)]
pub enum ReportError {
    /// The output failed.
    #[error("failed to write the report: {0}")]
    Write(#[from] io::Error),
    /// Nothing is called as asked.
    #[error("no matches found for regexp: {0}")]
    NoMatches(String),
}

/// What to report and how.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "the options of the reference, one field each")]
pub(crate) struct Options {
    pub(crate) format: Format,
    pub(crate) cum_sort: bool,
    /// Whether the profile is a difference with the base's samples marked.
    pub(crate) compared: bool,
    pub(crate) call_tree: bool,
    pub(crate) drop_negative: bool,
    pub(crate) compact_labels: bool,
    /// Values are multiplied by this when shown.
    pub(crate) ratio: f64,
    pub(crate) active_filters: Vec<String>,
    /// Units of the numeric labels.
    pub(crate) label_units: HashMap<String, String>,
    pub(crate) node_count: i64,
    pub(crate) node_fraction: f64,
    pub(crate) edge_fraction: f64,
    /// Column shown.
    pub(crate) value: usize,
    pub(crate) mean: bool,
    pub(crate) sample_type: String,
    pub(crate) sample_unit: String,
    /// Unit shown; `minimum` until the report chose one.
    pub(crate) output_unit: String,
    /// Functions to list or peek at.
    pub(crate) symbol: Option<Symbol>,
    pub(crate) source_path: String,
    pub(crate) trim_path: String,
    /// In which times are shown.
    pub(crate) zone: Zone,
}

/// An expression for names of functions, and as it was typed.
#[derive(Clone, Debug)]
pub(crate) struct Symbol {
    pub(crate) text: String,
    pub(crate) regex: Regex,
}

/// A profile about to be reported. The total is taken when it is made, filters may follow.
#[derive(Debug)]
pub(crate) struct Report<'r, 'a> {
    pub(crate) view: &'r mut View<'a>,
    pub(crate) total: i64,
    pub(crate) options: Options,
}

/// A trimmed graph with what its legend tells.
#[derive(Debug)]
pub(crate) struct Shown {
    skeleton: Skeleton,
    names: Vec<String>,
    trimmed: crate::graph::Trimmed,
}

impl<'r, 'a> Report<'r, 'a> {
    pub(crate) fn new(view: &'r mut View<'a>, options: Options) -> Self {
        let total = total(view, options.value, options.mean);
        Self { view, total, options }
    }

    /// Writes the report.
    pub(crate) fn write(&mut self, out: &mut dyn Write, sources: &dyn Sources) -> Result<(), ReportError> {
        match self.options.format {
            Format::Comments => {
                for comment in &self.view.comments {
                    writeln!(out, "{comment}")?;
                }
                Ok(())
            }
            Format::Callgrind => self.callgrind(out),
            Format::Dot => self.dot(out),
            Format::Flame => Err(io::Error::other("flame graphs are drawn by the host").into()),
            Format::Json => self.json(out),
            Format::List => self.list(out, sources),
            Format::Proto => self.proto(out),
            Format::Raw => self.raw(out),
            Format::Svg => Ok(self.drawing().svg(out)?),
            Format::Tags => self.tags(out),
            Format::Text => self.text(out),
            Format::TopProto => self.top_proto(out),
            Format::Traces => self.traces(out),
            Format::Tree => self.tree(out),
        }
    }

    /// A value with its unit.
    pub(crate) fn value(&self, value: i64) -> String {
        let ratio = self.options.ratio;
        let value = if ratio > 0.0 && ratio != 1.0 { (value as f64 * ratio) as i64 } else { value };
        scaled_label(value, &self.options.sample_unit, &self.options.output_unit)
    }

    /// The graph cut down to what is worth showing, and the output unit that suits it.
    fn shown(&mut self, edges: Edges<'_>) -> Shown {
        self.trim_files();
        let options = &self.options;
        let visual = matches!(options.format, Format::Dot | Format::Svg);
        let skeleton = Skeleton::new(self.view, matches!(options.format, Format::List | Format::Callgrind));
        let names = skeleton.names();
        // Where nothing is trimmed, a peek shows no call but those of its places.
        let trims = options.node_count > 0 || options.node_fraction != 0.0 || options.edge_fraction != 0.0;
        let touched: Vec<bool> = match &options.symbol {
            Some(symbol) if !trims => names.iter().map(|name| symbol.regex.is_match(name)).collect(),
            _ => Vec::new(),
        };
        let edges = if touched.is_empty() { edges } else { Edges::Touching(&touched) };
        let unit = options.label_units.get("bytes").map_or("", String::as_str);
        let plan = Plan {
            value: options.value,
            mean: options.mean,
            call_tree: options.call_tree && matches!(options.format, Format::Dot | Format::Svg | Format::Callgrind),
            drop_negative: options.drop_negative,
            edges,
            tags: (options.format == Format::Dot).then_some((unit, options.output_unit.as_str())),
        };
        let order = match (visual, options.cum_sort) {
            (true, _) => Order::Entropy,
            (false, true) => Order::Cum,
            (false, false) => Order::Flat,
        };
        let selection = Selection {
            nodes: options.node_count,
            node_fraction: options.node_fraction,
            edge_fraction: options.edge_fraction,
            order,
        };
        let trimmed = skeleton.trimmed(self.view, plan, selection);
        let shown = Shown { skeleton, names, trimmed };
        self.choose_unit(&shown);
        shown
    }

    /// Cuts the source paths as asked.
    fn trim_files(&mut self) {
        let (trim, search) = (&self.options.trim_path, &self.options.source_path);
        for index in 0..self.view.functions.len() {
            let file = self.view.texts.get(self.view.functions[index].file);
            let cut = crate::paths::trim_source(file, trim, search);
            if cut.len() != file.len() {
                let cut = cut.to_owned();
                self.view.functions[index].file = self.view.texts.intern(&cut);
            }
        }
    }

    /// `minimum` becomes the unit of the smallest value shown, or one about a hundred times larger where that still
    /// shows it.
    fn choose_unit(&mut self, shown: &Shown) {
        let graph = &shown.trimmed.graph;
        if self.options.output_unit != "minimum" || graph.order.is_empty() {
            return;
        }
        let values = graph.order.iter().map(|&node| {
            let node = graph.node(node);
            let flat = node.flat_value().wrapping_abs();
            if flat == 0 { node.cum_value().wrapping_abs() } else { flat }
        });
        let mut largest = self.total;
        let mut smallest = values.filter(|&value| value > 0).min().unwrap_or(largest);
        let ratio = self.options.ratio;
        if ratio > 0.0 && ratio != 1.0 {
            smallest = (smallest as f64 * ratio) as i64;
            largest = (largest as f64 * ratio) as i64;
        }
        let unit_of = |value: i64| scale(value, &self.options.sample_unit, "minimum").1;
        let mut unit = unit_of(smallest);
        let far = unit != unit_of(largest) && smallest.wrapping_mul(100) < largest;
        // Callgrind has whole numbers only, so it keeps the unit of the smallest.
        if far && self.options.format != Format::Callgrind {
            unit = unit_of(smallest.wrapping_mul(100));
        }
        self.options.output_unit = if unit.is_empty() { self.options.sample_unit.clone() } else { unit };
    }
}

/// Sum of the absolute values, of the base profile alone if there is one.
fn total(view: &View<'_>, value: usize, mean: bool) -> i64 {
    let (mut all, mut base) = ((0_i64, 0_i64), (0_i64, 0_i64));
    let mark = view.texts.find("pprof::base").zip(view.texts.find("true"));
    view.samples.for_each_without_stack(|sample| {
        let amount = sample.values[value].wrapping_abs();
        let divisor = if mean { sample.values[0] } else { 0 };
        let in_base = mark.is_some_and(|mark| sample.labels.iter().any(|label| (label.key, label.text) == mark));
        let sums = if in_base { [Some(&mut all), Some(&mut base)] } else { [Some(&mut all), None] };
        for sum in sums.into_iter().flatten() {
            sum.0 = sum.0.wrapping_add(amount);
            sum.1 = sum.1.wrapping_add(divisor);
        }
    });
    let (total, divisor) = if base.0 > 0 { base } else { all };
    crate::graph::mean(total, divisor)
}
