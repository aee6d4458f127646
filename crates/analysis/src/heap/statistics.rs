//! The heap by what it is made of.

use super::Heap;
use brimline_profile::heap::{EdgeKind, NodeKind};
use serde::{Deserialize, Serialize};

/// Bytes by kind, as DevTools' statistics view counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// Everything.
    pub total: u64,
    /// Outside the managed heap, extra native bytes included.
    pub native: u64,
    /// Of these, contents of array buffers.
    pub typed_arrays: u64,
    /// Inside the managed heap.
    pub managed: u64,
    /// Compiled code.
    pub code: u64,
    /// JavaScript arrays with their elements when nothing else refers to those.
    pub arrays: u64,
    /// Strings.
    pub strings: u64,
    /// The runtime's own.
    pub system: u64,
}

/// Counts the bytes of `heap` by kind.
pub fn statistics(heap: &Heap) -> Statistics {
    let graph = heap.graph();
    let mut sums = Statistics { total: heap.total_size(), native: graph.extra_native_bytes(), ..Statistics::default() };
    let elements = graph.strings().find("elements");
    // Elements of arrays and their arrays' sizes wait until it is known who else refers to them.
    let mut references = vec![0_u8; graph.node_count()];
    for index in 0..graph.edge_count() {
        let count = &mut references[graph.edge_target(index).index()];
        *count = count.saturating_add(1);
    }
    for node in graph.nodes() {
        let size = heap.self_size(node);
        match graph.kind(node) {
            NodeKind::Hidden => sums.system += size,
            NodeKind::Native => {
                sums.native += size;
                if heap.name(node) == "system / JSArrayBufferData" {
                    sums.typed_arrays += size;
                }
            }
            NodeKind::Code => sums.code += size,
            NodeKind::String | NodeKind::ConsString | NodeKind::SlicedString => sums.strings += size,
            _ if heap.name(node) == "Array" => {
                sums.arrays += size;
                let mut edges = graph.edges(node);
                let edge = edges.find(|edge| edge.kind == EdgeKind::Internal && Some(edge.name) == elements);
                if let Some(edge) = edge.filter(|edge| references[edge.to.index()] == 1) {
                    sums.arrays += heap.self_size(edge.to);
                }
            }
            _ => {}
        }
    }
    sums.managed = sums.total.saturating_sub(sums.native);
    sums
}
