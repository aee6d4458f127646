//! `top` and `text`: one row per place.

use std::io::Write;

use super::{Report, ReportError};
use crate::graph::Edges;
use crate::measure::percentage;

impl Report<'_, '_> {
    pub(super) fn text(&mut self, out: &mut dyn Write) -> Result<(), ReportError> {
        // Calls decide only about the marks of inlined places, and about labels that a node count weighs.
        let shown = self.shown(Edges::IntoInlined);
        let graph = &shown.trimmed.graph;
        writeln!(out, "{}", self.report_labels(&shown, false).join("\n"))?;
        writeln!(out, "{:>10} {:>5}% {:>5}% {:>10} {:>5}%", "flat", "flat", "sum", "cum", "cum")?;
        let mut sum = 0_i64;
        for &index in &graph.order {
            let node = graph.node(index);
            let (flat, cum) = (node.flat_value(), node.cum_value());
            sum = sum.wrapping_add(flat);
            let inline = node.callers.iter().any(|&edge| graph.edge(edge).inline);
            let called = node.callers.iter().any(|&edge| !graph.edge(edge).inline);
            let mark = match (inline, called) {
                (true, true) => " (partial-inline)",
                (true, false) => " (inline)",
                (false, _) => "",
            };
            writeln!(
                out,
                "{:>10} {} {} {:>10} {}  {}{mark}",
                self.value(flat),
                percentage(flat, self.total),
                percentage(sum, self.total),
                self.value(cum),
                percentage(cum, self.total),
                shown.names[node.info as usize],
            )?;
        }
        Ok(())
    }
}
