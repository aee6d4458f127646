//! `tree` and `peek`: every place between its callers and callees.

use std::io::Write;

use super::{Report, ReportError};
use crate::graph::{Edges, sort_edges};
use crate::measure::percentage;

const SEPARATOR: &str = "----------------------------------------------------------+-------------";
const LEGEND: &str = "      flat  flat%   sum%        cum   cum%   calls calls% + context \t \t ";

impl Report<'_, '_> {
    pub(super) fn tree(&mut self, out: &mut dyn Write) -> Result<(), ReportError> {
        let shown = self.shown(Edges::All);
        let graph = &shown.trimmed.graph;
        writeln!(out, "{}\n{SEPARATOR}\n{LEGEND}", self.report_labels(&shown, false).join("\n"))?;
        let mut sum = 0_i64;
        let mut matched = false;
        for &index in &graph.order {
            let node = graph.node(index);
            let name = &shown.names[node.info as usize];
            if self.options.symbol.as_ref().is_some_and(|symbol| !symbol.regex.is_match(name)) {
                continue;
            }
            matched = true;
            writeln!(out, "{SEPARATOR}")?;
            let (flat, cum) = (node.flat_value(), node.cum_value());
            let edges = |out: &mut dyn Write, edges: &[u32], callers: bool| -> Result<(), ReportError> {
                let mut edges = edges.to_vec();
                sort_edges(graph, &shown.names, &mut edges);
                for edge in edges.into_iter().map(|edge| graph.edge(edge)) {
                    let other = graph.node(if callers { edge.from } else { edge.to });
                    writeln!(
                        out,
                        "{:>50} {} |   {}{}",
                        self.value(edge.weight),
                        percentage(edge.weight, cum),
                        shown.names[other.info as usize],
                        if edge.inline { " (inline)" } else { "" },
                    )?;
                }
                Ok(())
            };
            edges(out, &node.callers, true)?;
            sum = sum.wrapping_add(flat);
            writeln!(
                out,
                "{:>10} {} {} {:>10} {}                | {name}",
                self.value(flat),
                percentage(flat, self.total),
                percentage(sum, self.total),
                self.value(cum),
                percentage(cum, self.total),
            )?;
            edges(out, &node.callees, false)?;
        }
        if !graph.order.is_empty() {
            writeln!(out, "{SEPARATOR}")?;
        }
        match &self.options.symbol {
            Some(symbol) if !matched => Err(ReportError::NoMatches(symbol.text.clone())),
            _ => Ok(()),
        }
    }
}
