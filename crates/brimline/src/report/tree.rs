//! The call tree as indented text. A chain of single callees stays at one depth, so deep stacks stay readable.

use std::io::Write;

use brimline_analysis::interval;
use brimline_analysis::tree::{CallTree, call_tree};
use brimline_profile::{Precision, StackId, value};

use super::{Report, ReportInput};
use crate::quantity::percent;
use crate::site::Site;
use crate::terminal::plain;

/// Callees below this share of the total are summed up in one line.
const SMALLEST_SHARE: f64 = 0.01;
/// Most lines; the rest is counted.
const MOST_LINES: usize = 400;

/// Row of [`super::REPORTS`].
pub(crate) struct Tree;

impl Report for Tree {
    fn name(&self) -> &'static str {
        "tree"
    }

    fn about(&self) -> &'static str {
        "the call tree, callees included"
    }

    fn render(&self, report: &ReportInput<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
        for line in super::table::heading(report) {
            writeln!(out, "{}", plain(&line))?;
        }
        writeln!(out)?;
        let (profile, places) = (&report.input.recorded.profile, &report.input.places);
        let tree = call_tree(profile, report.metric.column(), report.filter, places);
        let total = tree.inclusive[0];
        // Of sampled numbers each has its interval beside it.
        let variances = matches!(profile.precision, Precision::Sampled { .. })
            .then(|| call_tree(profile, report.metric.column() + value::VARIANCE, report.filter, places));
        let range = |stack: StackId| {
            let variance = variances.as_ref()?.inclusive[stack.0 as usize];
            let (low, high) =
                interval::of(profile.precision, tree.inclusive[stack.0 as usize], variance, report.metric.column())?;
            Some(format!("  {:>21}", format!("{}–{}", report.metric.format(low), report.metric.format(high))))
        };
        let range = |stack: StackId| range(stack).unwrap_or_default();
        writeln!(
            out,
            "{:>10}{}  {:>6}  all stacks",
            report.metric.format(total),
            range(StackId::ROOT),
            percent(total, total)
        )?;
        let most = report.top.unwrap_or(MOST_LINES);
        let mut lines = 0;
        // (stack, depth), next to be written last.
        let mut open: Vec<(StackId, usize)> = Vec::new();
        push(&tree, StackId::ROOT, 0, &mut open);
        while let Some((stack, depth)) = open.pop() {
            if lines == most {
                writeln!(out, "… cut after {most} lines (--top N shows more)")?;
                break;
            }
            lines += 1;
            let value = tree.inclusive[stack.0 as usize];
            let frame = profile.stacks[stack.0 as usize].frame;
            let label = Site::of_frame(profile, places, frame).label();
            writeln!(
                out,
                "{:>10}{}  {:>6}  {:indent$}{}",
                report.metric.format(value),
                range(stack),
                percent(value, total),
                "",
                plain(&label),
                indent = depth * 2,
            )?;
            push(&tree, stack, depth, &mut open);
        }
        Ok(())
    }
}

/// Puts the callees worth showing on the stack of open lines, largest on top.
fn push(tree: &CallTree, stack: StackId, depth: usize, open: &mut Vec<(StackId, usize)>) {
    let smallest = (tree.inclusive[0] as f64 * SMALLEST_SHARE) as i64;
    let children = tree.children(stack);
    let shown: Vec<_> =
        children.iter().take_while(|child| tree.inclusive[child.0 as usize] >= smallest.max(1)).collect();
    let own = tree.own[stack.0 as usize] > smallest;
    let depth = if shown.len() > 1 || own || stack == StackId::ROOT { depth + 1 } else { depth };
    open.extend(shown.into_iter().rev().map(|&child| (child, depth)));
}
