//! The usual shapes of leaks, named: who holds, how many, how many bytes, which function, where.

mod finder;

use super::Heap;
use super::path::{self, Detail};
use super::source::{Place, Scripts};
use brimline_profile::heap::{EdgeKind, NodeId};
use serde::{Deserialize, Serialize};

/// A module that is loaded more often than this has more copies than anyone needs.
const MODULE_COPIES: u64 = 10;
/// Bytes from which on a module's own state is worth a line, in multiples of the threshold for bytes.
const MODULE_BYTES: u64 = 16;

/// A shape of a leak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Many listeners of one event on one emitter.
    ListenerAccumulation,
    /// A `Map` or `WeakMap` with many entries.
    MapGrowth,
    /// A `Set` or `WeakSet` with many entries.
    SetGrowth,
    /// An array with many elements.
    ArrayGrowth,
    /// An object used as a dictionary, with many keys.
    ObjectGrowth,
    /// A variable of a function's context that holds many bytes.
    ClosureVariable,
    /// Timers that wait, by callback.
    PendingTimers,
    /// Promises that are not settled, by handler.
    PendingPromises,
    /// Memory of array buffers outside the heap.
    OffHeapBuffers,
    /// A module that is loaded many times, or whose variables hold many bytes.
    ModuleCache,
    /// Nodes that left their document and are still held.
    DetachedDocument,
}

/// One holder, or one group of equal ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// What it looks like.
    pub shape: Shape,
    /// The object that holds; of a group the one with most bytes.
    pub owner: NodeId,
    /// Event, variable, class or function, whatever names the holder best.
    pub label: String,
    /// Listeners, entries, timers…
    pub count: u64,
    /// Bytes held: retained sizes of the owner, or of what a group's members hold one by one.
    pub bytes: u64,
    /// The function that listens, waits or closes over, if one stands out.
    pub function: Option<String>,
    /// How many of the listeners, timers or promises are that function.
    pub function_count: u64,
    /// Where that function, or the owner's constructor, is written.
    pub place: Option<Place>,
    /// The path from the program's roots to the owner, in words.
    pub path: String,
    /// True when the owner is a variable of the runtime's own modules.
    pub is_runtime: bool,
}

/// From which size on a holder is worth a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Least number of listeners, entries, timers or promises.
    pub count: u64,
    /// Least bytes of closure variables and buffers.
    pub bytes: u64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { count: 100, bytes: 64 << 10 }
    }
}

/// Holders of all shapes, most bytes first; those of the runtime's own modules after the program's.
pub fn holders(heap: &Heap, scripts: &Scripts, least: Thresholds) -> Vec<Holder> {
    let mut found = finder::find(heap, scripts, least);
    found.retain(|holder| match holder.shape {
        Shape::OffHeapBuffers => holder.bytes >= least.bytes,
        Shape::DetachedDocument => true,
        Shape::ModuleCache => holder.count > MODULE_COPIES || holder.bytes >= least.bytes * MODULE_BYTES,
        _ => holder.count >= least.count || holder.shape == Shape::ClosureVariable,
    });
    for holder in &mut found {
        let steps = path::shortest_path(heap, holder.owner);
        holder.path = path::describe(heap, scripts, &steps, Detail::Exact);
        holder.is_runtime = is_runtime(heap, scripts, holder, &steps);
    }
    found.sort_by(|a, b| {
        let key = |holder: &Holder| (holder.is_runtime, std::cmp::Reverse(holder.bytes), holder.shape, holder.owner);
        key(a).cmp(&key(b))
    });
    found
}

/// Whether the last variable on the way to the owner belongs to a module of the runtime, and no property of the
/// program's global object comes before it.
fn is_runtime(heap: &Heap, scripts: &Scripts, holder: &Holder, steps: &[path::Step]) -> bool {
    if matches!(holder.shape, Shape::PendingTimers | Shape::PendingPromises | Shape::OffHeapBuffers) {
        return holder.place.as_ref().is_some_and(|place| place.script.starts_with("node:"));
    }
    let own = (holder.shape == Shape::ClosureVariable).then_some(holder.owner);
    let contexts = steps.iter().filter(|step| step.edge.kind == EdgeKind::Context).map(|step| step.from).chain(own);
    let script = contexts.last().and_then(|context| scripts.script_of_context(heap, context));
    let is_binding =
        |step: &path::Step| heap.graph().edge_name(&step.edge) == "<symbol node:per_context_binding_exports>";
    steps.first().is_some_and(is_binding) || script.is_some_and(|script| script.starts_with("node:"))
}
