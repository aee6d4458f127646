//! Sort orders of places and calls.

use std::cmp::Ordering;

use super::{Graph, Info, Skeleton};

/// By what places are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Own weight, then name.
    Flat,
    /// Weight with callees, then name.
    Cum,
    /// Interest for a drawing: places whose calls branch come first.
    Entropy,
}

impl Graph {
    /// Sorts `order`, heaviest first.
    pub(crate) fn sort(&mut self, skeleton: &Skeleton, by: Order) {
        let key = |index: u32| {
            let node = self.node(index);
            let info = &skeleton.infos[node.info as usize];
            let (first, last) = match by {
                Order::Flat => (node.flat, node.cum),
                Order::Cum => (node.cum, node.flat),
                Order::Entropy => (self.entropy(index), node.flat),
            };
            (first.unsigned_abs(), last.unsigned_abs(), info, info.printable(), index)
        };
        let mut keys: Vec<_> = self.order.iter().map(|&index| key(index)).collect();
        keys.sort_by(|one, other| {
            (other.0.cmp(&one.0))
                .then_with(|| by_name((one.2, &one.3), (other.2, &other.3)))
                .then_with(|| other.1.cmp(&one.1))
                .then_with(|| one.2.dump().cmp(&other.2.dump()))
        });
        self.order = keys.into_iter().map(|key| key.4).collect();
    }

    /// How much a place adds to a drawing: high where the weight of its callers and callees is spread.
    fn entropy(&self, index: u32) -> i64 {
        let node = self.node(index);
        let part = |edges: &[u32], own: i64| {
            if edges.is_empty() { 1.0 } else { self.edge_entropy(edges, own) }
        };
        let score = part(&node.callers, 0) + part(&node.callees, node.flat);
        ((score * node.cum as f64) as i64).wrapping_add(node.flat)
    }

    fn edge_entropy(&self, edges: &[u32], own: i64) -> f64 {
        let weights = || edges.iter().map(|&edge| self.edge(edge).weight);
        let total = weights().filter(|&weight| weight > 0).fold(own, i64::wrapping_add);
        if total == 0 {
            return 0.0;
        }
        let bits = |weight: i64| {
            let share = weight.unsigned_abs() as f64 / total as f64;
            -share * share.log2()
        };
        let own = if own > 0 { bits(own) } else { 0.0 };
        weights().map(bits).sum::<f64>() + own
    }
}

fn by_name((one, one_name): (&Info, &str), (other, other_name): (&Info, &str)) -> Ordering {
    if one == other {
        return Ordering::Equal;
    }
    if one.address != 0 && other.address != 0 && one.address != other.address {
        return one.address.cmp(&other.address);
    }
    one_name.cmp(other_name)
}

/// Calls with the heaviest first, then by the names of caller and callee.
pub(crate) fn sort_edges(graph: &Graph, names: &[String], edges: &mut [u32]) {
    edges.sort_by(|&one, &other| {
        let (one, other) = (graph.edge(one), graph.edge(other));
        let name = |node: u32| &names[graph.node(node).info as usize];
        (other.weight.unsigned_abs().cmp(&one.weight.unsigned_abs()))
            .then_with(|| name(one.from).cmp(name(other.from)))
            .then_with(|| name(one.to).cmp(name(other.to)))
    });
}
