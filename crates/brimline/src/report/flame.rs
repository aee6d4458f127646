//! Flame graphs of a run.

use std::io::Write;

use brimline_analysis::tree::{CallTree, call_tree};
use brimline_profile::StackId;

use super::{Report, ReportInput};
use crate::flame::{Calls, Shape, write};
use crate::quantity::percent;
use crate::site::Site;

/// Rows of [`super::REPORTS`].
pub(crate) struct Flame(pub(super) Shape);

/// A run's stacks; rows are its stack ids.
struct Stacks<'a> {
    report: &'a ReportInput<'a>,
    tree: CallTree,
}

impl Report for Flame {
    fn name(&self) -> &'static str {
        match self.0 {
            Shape::Svg => "flame",
            Shape::Html => "html",
        }
    }

    fn about(&self) -> &'static str {
        match self.0 {
            Shape::Svg => "flame graph, one SVG file",
            Shape::Html => "flame graph, one page",
        }
    }

    fn render(&self, report: &ReportInput<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
        let (profile, places) = (&report.input.recorded.profile, &report.input.places);
        let tree = call_tree(profile, report.metric.column(), report.filter, places);
        let title = super::table::heading(report).join(" · ");
        write(&title, &Stacks { report, tree }, self.0, out)?;
        Ok(())
    }
}

impl Calls for Stacks<'_> {
    fn callees(&self, row: usize) -> Vec<usize> {
        self.tree.children(StackId(row as u32)).iter().map(|stack| stack.0 as usize).collect()
    }

    fn weight(&self, row: usize) -> i64 {
        self.tree.inclusive[row]
    }

    fn name(&self, row: usize) -> String {
        let profile = &self.report.input.recorded.profile;
        match row {
            0 => "all stacks".to_owned(),
            row => Site::of_frame(profile, &self.report.input.places, profile.stacks[row].frame).label(),
        }
    }

    fn text(&self, row: usize) -> String {
        let value = self.tree.inclusive[row];
        format!("{} ({})", self.report.metric.format(value), percent(value, self.tree.inclusive[0]))
    }

    fn growth(&self, _: usize) -> Option<f64> {
        None
    }
}
