//! The stacks of a profile, or of two, as a tree for flame graphs; and the rows of such a difference.

use std::collections::HashMap;

use super::Report;
use crate::graph::Skeleton;
use crate::measure::percentage;
use crate::model::View;
use crate::samples::Sample;

/// Calls with what they and everything below them hold.
#[derive(Clone, Debug)]
pub struct CallTree {
    /// What the profile is, a fact each.
    pub title: Vec<String>,
    /// Row 0 stands for all stacks; parents come before children.
    pub nodes: Vec<CallNode>,
}

/// One call.
#[derive(Clone, Debug)]
pub struct CallNode {
    /// Function, line or whatever granularity was asked for.
    pub name: String,
    /// Row of the caller; row 0 is its own.
    pub parent: usize,
    /// How wide it is drawn; the larger of before and after of each stack, summed up.
    pub weight: i64,
    /// Growth as a share of `weight`, from -1 (gone) to 1 (new); `None` where nothing is compared.
    pub growth: Option<f64>,
    /// Values with units and shares.
    pub text: String,
}

/// Before and after.
pub(super) type Pair = [i64; 2];

/// A sample's value as before and after: the base's samples are marked and negated.
pub(super) fn pair_of(view: &View<'_>, sample: Sample<'_>, column: usize) -> Pair {
    let value = sample.values[column];
    let is_base = sample
        .labels
        .iter()
        .any(|label| view.texts.get(label.key) == "pprof::base" && view.texts.get(label.text) == "true");
    if is_base { [value.wrapping_neg(), 0] } else { [0, value] }
}

pub(super) fn add(sum: &mut Pair, more: Pair) {
    *sum = [sum[0].saturating_add(more[0]), sum[1].saturating_add(more[1])];
}

impl Report<'_, '_> {
    /// The tree; `compared` when the profile is a difference.
    pub(crate) fn call_tree(&mut self, compared: bool) -> CallTree {
        self.trim_files();
        let skeleton = Skeleton::new(self.view, false);
        let names = skeleton.names();
        // (caller, place) to row.
        let mut rows: HashMap<(usize, u32), usize> = HashMap::new();
        let mut nodes: Vec<(usize, u32)> = vec![(0, u32::MAX)];
        let mut own: Vec<Pair> = vec![[0, 0]];
        self.view.samples.for_each(|sample| {
            let mut row = 0;
            for &location in sample.locations.iter().rev() {
                for &place in skeleton.places(location).iter().rev() {
                    row = *rows.entry((row, place)).or_insert_with(|| {
                        nodes.push((row, place));
                        own.push([0, 0]);
                        nodes.len() - 1
                    });
                }
            }
            add(&mut own[row], pair_of(self.view, sample, self.options.value));
        });
        let mut weights: Vec<i64> = own.iter().map(|[before, after]| (*before).max(*after).max(0)).collect();
        for row in (1..nodes.len()).rev() {
            let parent = nodes[row].0;
            weights[parent] = weights[parent].saturating_add(weights[row]);
            let below = own[row];
            add(&mut own[parent], below);
        }
        if self.options.output_unit == "minimum" {
            self.options.output_unit = "auto".into();
        }
        let total = own[0];
        let text = |[before, after]: Pair| {
            if !compared {
                return format!("{} ({})", self.value(after), percentage(after, total[1]).trim());
            }
            let delta = after.saturating_sub(before);
            let sign = if delta > 0 { "+" } else { "" };
            format!("{} → {} ({sign}{})", self.value(before), self.value(after), self.value(delta))
        };
        let rows = nodes.iter().enumerate().map(|(row, &(parent, place))| {
            let [before, after] = own[row];
            let weight = weights[row];
            let share = |delta: i64| if weight == 0 { 0.0 } else { (delta as f64 / weight as f64).clamp(-1.0, 1.0) };
            CallNode {
                name: if row == 0 { "all stacks".into() } else { names[place as usize].clone() },
                parent,
                weight,
                growth: compared.then(|| share(after.saturating_sub(before))),
                text: text(own[row]),
            }
        });
        let nodes = rows.collect();
        let mut title = self.profile_labels();
        title.extend(self.options.active_filters.iter().cloned());
        CallTree { title, nodes }
    }
}
