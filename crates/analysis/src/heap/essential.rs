//! Which edges keep their target alive: dominators are computed over these alone.

use super::bits::BitSet;
use super::ephemeron::Ephemerons;
use super::roots::ROOT;
use brimline_profile::heap::{EdgeKind, HeapGraph};

/// The essential edges: no weak ones, no edges of a node to itself, no shortcuts but the root's, none from the runtime
/// or a debugger into the program, and of a weak map's entry only the edge from the key.
pub(super) fn edges(graph: &HeapGraph, owned: &BitSet, ephemerons: &Ephemerons) -> BitSet {
    let mut essential = BitSet::new(graph.edge_count());
    for node in graph.nodes() {
        let node_owned = owned.contains(node.index());
        for index in graph.edge_range(node) {
            let kind = graph.edge_kind(index);
            let to = graph.edge_target(index);
            if kind == EdgeKind::Weak || to == node {
                continue;
            }
            if node != ROOT && (kind == EdgeKind::Shortcut || (!node_owned && owned.contains(to.index()))) {
                continue;
            }
            if kind == EdgeKind::Internal && !ephemerons.is_empty() {
                let name = graph.edge(brimline_profile::heap::EdgeId(index as u32)).name;
                if ephemerons.pair(name).is_some_and(|pair| pair.table == graph.id(node)) {
                    continue;
                }
            }
            essential.insert(index);
        }
    }
    essential
}
