//! Samples summed up into places and the calls between them.

mod build;
mod info;
mod order;
mod sketch;
mod tags;
mod trim;

pub(crate) use build::{Edges, Plan, Skeleton};
pub(crate) use info::Info;
pub(crate) use order::{Order, sort_edges};
pub(crate) use tags::{MAX_TAGS, NodeTags, Tag, sort_tags};
pub(crate) use trim::{Selection, Trimmed};

/// A place with its values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    /// Index into the skeleton's infos; several nodes of a call tree share one.
    pub(crate) info: u32,
    pub(crate) flat: i64,
    pub(crate) flat_divisor: i64,
    pub(crate) cum: i64,
    pub(crate) cum_divisor: i64,
    /// Edges from callers.
    pub(crate) callers: Vec<u32>,
    /// Edges to callees.
    pub(crate) callees: Vec<u32>,
    /// Parent in a call tree.
    pub(crate) parent: Option<u32>,
}

impl Node {
    pub(crate) fn flat_value(&self) -> i64 {
        mean(self.flat, self.flat_divisor)
    }

    pub(crate) fn cum_value(&self) -> i64 {
        mean(self.cum, self.cum_divisor)
    }
}

/// A call between two places.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) weight: i64,
    pub(crate) divisor: i64,
    /// Places between the two were left out.
    pub(crate) residual: bool,
    /// Every such call was inlined.
    pub(crate) inline: bool,
    /// Last sample that was counted, so that recursion counts once.
    last_sample: u32,
}

impl Edge {
    pub(crate) fn value(&self) -> i64 {
        mean(self.weight, self.divisor)
    }
}

/// `value / divisor`, or the value itself when there is no divisor.
pub(crate) fn mean(value: i64, divisor: i64) -> i64 {
    if divisor == 0 { value } else { value.wrapping_div(divisor) }
}

/// Places and calls. Nodes left out stay in the table but not in `order`.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) edges: Vec<Edge>,
    /// The nodes that count, in the order of the report once sorted.
    pub(crate) order: Vec<u32>,
    /// Labels by node; empty unless asked for.
    pub(crate) tags: Vec<NodeTags>,
}

impl Graph {
    pub(crate) fn node(&self, index: u32) -> &Node {
        &self.nodes[index as usize]
    }

    pub(crate) fn edge(&self, index: u32) -> Edge {
        self.edges[index as usize]
    }

    /// Sum of the values shown as flat.
    pub(crate) fn total(&self) -> i64 {
        self.order.iter().fold(0, |sum, &node| sum.wrapping_add(self.node(node).flat_value()))
    }
}
