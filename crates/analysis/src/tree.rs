//! The stacks of a profile as a call tree with inclusive values, for tree views and flame graphs.

use brimline_profile::{Profile, StackId};

use crate::filter::Filter;
use crate::places::Places;

/// Values by stack, own and with all callees, and each stack's callees.
#[derive(Clone, Debug)]
pub struct CallTree {
    /// By stack: what was allocated there itself.
    pub own: Vec<i64>,
    /// By stack: with everything below; row 0 is the total.
    pub inclusive: Vec<i64>,
    children: Vec<StackId>,
    starts: Vec<u32>,
}

impl CallTree {
    /// Callees of a stack with something in them, largest first.
    pub fn children(&self, stack: StackId) -> &[StackId] {
        let row = stack.0 as usize;
        &self.children[self.starts[row] as usize..self.starts[row + 1] as usize]
    }
}

/// The tree of `profile` for one of its columns; negative sums (torn counters) count as 0.
pub fn call_tree(profile: &Profile, column: usize, filter: &Filter, places: &Places) -> CallTree {
    let selection = filter.select(profile, places);
    let stacks = profile.stacks.len();
    let mut own = vec![0_i64; stacks];
    for (sample, values) in profile.samples().filter(|(sample, _)| selection.keeps_stack(*sample)) {
        let sum = &mut own[sample.stack.0 as usize];
        *sum = sum.saturating_add(values.get(column).copied().unwrap_or(0));
    }
    for value in &mut own {
        *value = (*value).max(0);
    }
    let mut inclusive = own.clone();
    for row in (1..stacks).rev() {
        let parent = profile.stacks[row].parent.0 as usize;
        inclusive[parent] = inclusive[parent].saturating_add(inclusive[row]);
    }
    let mut order: Vec<u32> = (1..stacks as u32).filter(|&row| inclusive[row as usize] > 0).collect();
    order.sort_by_key(|&row| (profile.stacks[row as usize].parent, std::cmp::Reverse(inclusive[row as usize]), row));
    let mut starts = vec![0_u32; stacks + 1];
    for &row in &order {
        starts[profile.stacks[row as usize].parent.0 as usize + 1] += 1;
    }
    for row in 0..stacks {
        starts[row + 1] += starts[row];
    }
    CallTree { own, inclusive, children: order.into_iter().map(StackId).collect(), starts }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn inclusive_values_sum_up_to_the_total() {
        let profile = example::service();
        let tree = call_tree(&profile, 0, &Filter::default(), &Places::default());
        assert_eq!(tree.inclusive[0], 147);
        let top = tree.children(StackId::ROOT);
        assert_eq!(top.len(), 1);
        assert_eq!(tree.inclusive[top[0].0 as usize], 140);
        let values: Vec<_> = tree.children(top[0]).iter().map(|stack| tree.inclusive[stack.0 as usize]).collect();
        assert_eq!(values, [100, 40]);
    }
}
