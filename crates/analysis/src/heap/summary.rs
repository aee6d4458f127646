//! What the first tables of a heap show, small enough to be kept beside the snapshot.

use super::leak::{Holder, Shape, Thresholds, holders};
use super::source::{Place, Scripts};
use super::statistics::{Statistics, statistics};
use super::table::ClassTable;
use super::{Heap, allocation};
use serde::{Deserialize, Serialize};

/// Totals, classes, holders and allocation sites of one heap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Number of nodes.
    pub nodes: u64,
    /// Number of edges.
    pub edges: u64,
    /// Bytes by kind.
    pub statistics: Statistics,
    /// Classes by retained size, largest first.
    pub classes: Vec<ClassSummary>,
    /// What looks like a leak, most bytes first.
    pub holders: Vec<HolderSummary>,
    /// Live objects by the place that allocated them, most bytes first; empty without allocation tracking.
    pub allocations: Vec<allocation::Site>,
}

/// One class with its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassSummary {
    /// Class key, see [`super::table::ClassRow::key`].
    pub key: String,
    /// Class name.
    pub name: String,
    /// Instances.
    pub count: u64,
    /// Least distance of an instance.
    pub distance: i32,
    /// Sum of self sizes.
    pub self_size: u64,
    /// Sum of retained sizes of topmost instances.
    pub retained_size: u64,
    /// Where its constructor is written.
    pub place: Option<Place>,
}

/// A holder with the runtime's number for its owner in place of a position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HolderSummary {
    /// What it looks like.
    pub shape: Shape,
    /// Object id of the owner.
    pub owner: u64,
    /// Event, variable, class, module or function.
    pub label: String,
    /// Listeners, entries, timers…
    pub count: u64,
    /// Bytes held.
    pub bytes: u64,
    /// The function that listens, waits or closes over.
    pub function: Option<String>,
    /// How many of the listeners, timers or promises are that function.
    pub function_count: u64,
    /// Where the function, the owner's constructor or the module is written.
    pub place: Option<Place>,
    /// The path from the program's roots to the owner, in words.
    pub path: String,
    /// True for variables of the runtime's own modules.
    pub is_runtime: bool,
}

impl Summary {
    /// Computes the first tables of `heap`.
    pub fn of(heap: &Heap) -> Self {
        let scripts = Scripts::of(heap);
        let table = ClassTable::of(heap);
        let classes = table
            .sorted()
            .into_iter()
            .map(|row| ClassSummary {
                key: row.key.clone(),
                name: row.name.clone(),
                count: row.count,
                distance: row.distance,
                self_size: row.self_size,
                retained_size: row.retained_size,
                place: scripts.place_of_key(&row.key),
            })
            .collect();
        let found = holders(heap, &scripts, Thresholds::default());
        Self {
            nodes: heap.graph().node_count() as u64,
            edges: heap.graph().edge_count() as u64,
            statistics: statistics(heap),
            classes,
            holders: found.into_iter().map(|holder| HolderSummary::of(heap, holder)).collect(),
            allocations: allocation::sites(heap),
        }
    }
}

impl HolderSummary {
    /// `holder` of `heap`.
    pub fn of(heap: &Heap, holder: Holder) -> Self {
        let owner = heap.graph().id(holder.owner);
        let Holder { shape, label, count, bytes, function, function_count, place, path, is_runtime, .. } = holder;
        Self { shape, owner, label, count, bytes, function, function_count, place, path, is_runtime }
    }
}
