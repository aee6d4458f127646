//! The lines above a report.

use super::{Report, Shown};
use crate::measure::{label, percentage, scale};
use crate::paths;

impl Report<'_, '_> {
    /// What the profile is: binary, type, time, duration.
    pub(crate) fn profile_labels(&self) -> Vec<String> {
        let view = &*self.view;
        let mut lines = Vec::new();
        if let Some(main) = view.mappings.first() {
            if !main.file.is_empty() {
                lines.push(format!("File: {}", paths::base(&main.file)));
            }
            if !main.build_id.is_empty() {
                lines.push(format!("Build ID: {}", main.build_id));
            }
        }
        lines.extend(view.comments.iter().filter(|comment| !comment.starts_with('#')).cloned());
        if !self.options.sample_type.is_empty() {
            lines.push(format!("Type: {}", self.options.sample_type));
        }
        if !view.doc_url.is_empty() {
            lines.push(format!("Doc: {}", view.doc_url));
        }
        if view.time_nanos != 0 {
            let zone = &self.options.zone;
            lines.push(format!("Time: {} {}", super::time::date(view.time_nanos, zone), zone.name));
        }
        if view.duration_nanos != 0 {
            let (nanos, unit) = scale(self.total, &self.options.sample_unit, "nanoseconds");
            let share = if unit == "ns" && nanos != 0.0 {
                format!("({})", percentage(nanos as i64, view.duration_nanos))
            } else {
                String::new()
            };
            let duration = label(view.duration_nanos, "nanoseconds");
            lines.push(format!("Duration: {duration}, Total samples = {} {share}", self.value(self.total)));
        }
        lines
    }

    /// The profile's lines, the filters, and how much of it is shown; `full` for drawings.
    pub(super) fn report_labels(&self, shown: &Shown, full: bool) -> Vec<String> {
        let options = &self.options;
        let trimmed = &shown.trimmed;
        let mut lines = if full || !options.compact_labels { self.profile_labels() } else { Vec::new() };
        if !options.active_filters.is_empty() {
            lines.push("Active filters:".into());
            lines.extend(options.active_filters.iter().map(|filter| format!("   {}", cut(filter))));
        }
        let sum = trimmed.graph.total();
        let share = percentage(sum, self.total);
        let (sum, total) = (self.value(sum), self.value(self.total));
        lines.push(format!("Showing nodes accounting for {sum}, {} of {total} total", share.trim()));
        if self.total != 0 {
            let limit = |fraction: f64| self.value(((self.total as f64 * fraction) as i64).wrapping_abs());
            let plural = |count: usize| if count > 1 { "s" } else { "" };
            if let count @ 1.. = trimmed.dropped_nodes {
                let limit = limit(options.node_fraction);
                lines.push(format!("Dropped {count} node{} (cum <= {limit})", plural(count)));
            }
            if full && let count @ 1.. = trimmed.dropped_edges {
                let limit = limit(options.edge_fraction);
                lines.push(format!("Dropped {count} edge{} (freq <= {limit})", plural(count)));
            }
            let count = trimmed.graph.order.len();
            if count > 0 && count < trimmed.nodes_before {
                lines.push(format!("Showing top {count} nodes out of {}", trimmed.nodes_before));
            }
        }
        if full {
            lines.push("\nSee https://git.io/JfYMW for how to read the graph".into());
        }
        lines
    }
}

/// A filter's first 80 bytes; the reference cuts inside a character, here it is left out whole.
fn cut(filter: &str) -> String {
    if filter.len() <= 80 {
        return filter.to_owned();
    }
    let end = (0..=80).rev().find(|&end| filter.is_char_boundary(end)).unwrap_or(0);
    format!("{}…", &filter[..end])
}
