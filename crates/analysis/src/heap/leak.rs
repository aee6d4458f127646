//! The usual shapes of leaks, named: who holds, how many, how many bytes, which function, where.

mod finder;

use super::Heap;
use super::path::{self, Detail, Step};
use super::retainer::Retainers;
use super::source::{Place, Scripts};
use brimline_profile::heap::{EdgeKind, NodeId, NodeKind};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};

/// A module that is loaded more often than this has more copies than anyone needs.
const MODULE_COPIES: u64 = 10;
/// How many other ways to an object are looked at for one that tells a name.
const WAYS: usize = 8;
/// From how many on containers of one size, made alike, are parts of something and not containers that grow.
const ALIKE: usize = 8;
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

impl Shape {
    /// Whether one object owns what is counted, rather than many objects that are alike.
    pub fn has_owner(self) -> bool {
        !matches!(
            self,
            Self::PendingTimers
                | Self::PendingPromises
                | Self::OffHeapBuffers
                | Self::ModuleCache
                | Self::DetachedDocument
        )
    }

    /// Whether nothing but number and bytes tells it from what any program has.
    pub fn only_grows(self) -> bool {
        matches!(
            self,
            Self::MapGrowth | Self::SetGrowth | Self::ArrayGrowth | Self::ObjectGrowth | Self::OffHeapBuffers
        )
    }
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
    /// The function that listens, waits or closes over, if one stands out; of what only grows, the function or class
    /// that holds it.
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

impl Thresholds {
    /// Everything is worth a line.
    const NONE: Self = Self { count: 0, bytes: 0 };
    /// Nothing is, for its own size.
    const ALL: Self = Self { count: u64::MAX, bytes: u64::MAX };
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { count: 100, bytes: 64 << 10 }
    }
}

/// Holders of all shapes, most bytes first; those of the runtime's own modules after the program's.
pub fn holders(heap: &Heap, scripts: &Scripts, least: Thresholds) -> Vec<Holder> {
    let mut found = finder::find(heap, scripts, least, &HashSet::new());
    found.retain(|holder| match holder.shape {
        Shape::OffHeapBuffers => holder.bytes >= least.bytes,
        Shape::DetachedDocument => true,
        Shape::ModuleCache => holder.count > MODULE_COPIES || holder.bytes >= least.bytes * MODULE_BYTES,
        _ => holder.count >= least.count || holder.shape == Shape::ClosureVariable,
    });
    drop_told_twice(heap, &mut found);
    let retainers = std::cell::OnceCell::new();
    for holder in &mut found {
        let mut steps = path::shortest_path(heap, holder.owner);
        if !tells_a_name(heap, &steps) {
            // While the program runs, its stack is nearer than any variable.
            let retainers = retainers.get_or_init(|| Retainers::of(heap.graph()));
            let others = path::retaining_paths(heap, retainers, holder.owner, WAYS);
            steps = others.into_iter().find(|steps| tells_a_name(heap, steps)).unwrap_or(steps);
        }
        holder.path = path::describe(heap, scripts, &steps, Detail::Exact);
        holder.is_runtime = is_runtime(heap, scripts, holder, &steps);
        if holder.shape.only_grows() && holder.place.is_none() {
            (holder.function, holder.place) = code_that_holds(heap, scripts, &steps);
        }
    }
    found.sort_by(|a, b| {
        let key = |holder: &Holder| (holder.is_runtime, std::cmp::Reverse(holder.bytes), holder.shape, holder.owner);
        key(a).cmp(&key(b))
    });
    keep_one_of_alike(&mut found);
    found
}

/// What the objects with these ids hold, and all groups of timers, promises and the like, however small and without the
/// ways to them: for the growth of what is large later.
pub fn holders_of_any_size(heap: &Heap, scripts: &Scripts, owners: &[u64]) -> Vec<Holder> {
    let graph = heap.graph();
    let owners: HashSet<u64> = owners.iter().copied().collect();
    let nodes = graph.nodes().filter(|&node| owners.contains(&graph.id(node))).collect();
    finder::find(heap, scripts, Thresholds::ALL, &nodes)
}

/// Whether some step of a way is a variable or a property of the program.
fn tells_a_name(heap: &Heap, steps: &[Step]) -> bool {
    steps.is_empty()
        || steps.iter().any(|step| {
            matches!(step.edge.kind, EdgeKind::Context | EdgeKind::Property)
                && heap.graph().kind(step.from) != NodeKind::Synthetic
        })
}

/// Of many containers with one number of elements, held in the same way, the first stays: what holds them tells how many.
fn keep_one_of_alike(found: &mut Vec<Holder>) {
    let key = |holder: &Holder| {
        let way = without_positions(&holder.path);
        holder.shape.only_grows().then(|| (holder.shape, holder.label.clone(), holder.count, holder.place.clone(), way))
    };
    let mut groups: HashMap<_, (usize, bool)> = HashMap::new();
    for key in found.iter().filter_map(key) {
        groups.entry(key).or_default().0 += 1;
    }
    found.retain(|holder| {
        let group = key(holder).and_then(|key| groups.get_mut(&key));
        group.is_none_or(|(count, told)| *count < ALIKE || !std::mem::replace(told, true))
    });
}

/// A path in words without the positions of elements: `queue[17].rows` and `queue[18].rows` are one way.
pub fn without_positions(path: &str) -> String {
    let mut parts = path.split('[');
    let mut way = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|character: char| character.is_ascii_digit());
        way.push('[');
        way.push_str(if rest.len() < part.len() && rest.starts_with(']') { rest } else { part });
    }
    way
}

/// Leaves out variables whose bytes another holder below them tells of in more detail.
fn drop_told_twice(heap: &Heap, found: &mut Vec<Holder>) {
    /// How far below the variable the other holder may be.
    const LEVELS: usize = 64;
    let mut told: HashMap<NodeId, u64> = HashMap::new();
    for holder in found.iter().filter(|holder| holder.shape.has_owner() && holder.shape != Shape::ClosureVariable) {
        let mut at = holder.owner;
        for _ in 0..LEVELS {
            let most = told.entry(at).or_default();
            *most = holder.bytes.max(*most);
            let next = heap.dominator(at);
            if next == at {
                break;
            }
            at = next;
        }
    }
    found.retain(|holder| {
        holder.shape != Shape::ClosureVariable || {
            let graph = heap.graph();
            let is_it = |edge: &brimline_profile::heap::Edge| {
                edge.kind == EdgeKind::Context && graph.edge_name(edge) == holder.label
            };
            let value = graph.edges(holder.owner).find(is_it).map(|edge| edge.to);
            let told = value.and_then(|value| told.get(&value)).copied().unwrap_or(0);
            told < holder.bytes - holder.bytes / 10
        }
    });
}

/// The last function, constructor or module on a way whose place is known: whose variable, property or export it is.
fn code_that_holds(heap: &Heap, scripts: &Scripts, steps: &[Step]) -> (Option<String>, Option<Place>) {
    let graph = heap.graph();
    let code = steps.iter().rev().find_map(|step| {
        if is_export(heap, step) {
            return Some((None, module_place(heap, step.from)?));
        }
        let node = match step.edge.kind {
            EdgeKind::Context => scripts.closure_of_context(step.from)?,
            EdgeKind::Property | EdgeKind::Element if graph.kind(step.from) == NodeKind::Object => step.from,
            _ => return None,
        };
        Some((Some(node), scripts.place(heap, node)?))
    });
    let Some((node, place)) = code else { return (None, None) };
    let name = node.map(|node| graph.name(node));
    (name.map(|name| if name.is_empty() { "(anonymous)" } else { name }.to_owned()), Some(place))
}

/// The file of a `CommonJS` module, whose exports have no line of their own.
fn module_place(heap: &Heap, module: NodeId) -> Option<Place> {
    let graph = heap.graph();
    let name = graph.find_edge(module, EdgeKind::Property, "filename")?.to;
    let script = graph.name(name);
    (graph.kind(name) == NodeKind::String && !script.is_empty()).then(|| Place {
        script: script.to_owned(),
        line: 1,
        column: 1,
    })
}

/// Whether the last variable on the way to the owner belongs to a module of the runtime, and nothing after it, nor the
/// function that stands out, to the program.
fn is_runtime(heap: &Heap, scripts: &Scripts, holder: &Holder, steps: &[path::Step]) -> bool {
    let is_own = |script: &str| !script.starts_with("node:");
    if let Some(place) = &holder.place {
        return !is_own(&place.script);
    }
    if matches!(holder.shape, Shape::PendingTimers | Shape::PendingPromises | Shape::OffHeapBuffers) {
        return false;
    }
    let is_binding =
        |step: &path::Step| heap.graph().edge_name(&step.edge) == "<symbol node:per_context_binding_exports>";
    if steps.first().is_some_and(is_binding) {
        return true;
    }
    let variable = steps.iter().rposition(|step| step.edge.kind == EdgeKind::Context);
    let script = variable.and_then(|at| scripts.script_of_context(heap, steps[at].from));
    let after = &steps[variable.unwrap_or(0)..];
    script.is_some_and(|script| !is_own(script))
        && !after.iter().any(|step| scripts.place(heap, step.from).is_some_and(|place| is_own(&place.script)))
}

/// Whether a step leads to what a `CommonJS` module of the program exports; the loader, which is Node's, holds the module.
fn is_export(heap: &Heap, step: &Step) -> bool {
    let graph = heap.graph();
    graph.name(step.from) == "Module" && graph.edge_name(&step.edge) == "exports"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_no_part_of_a_way() {
        for (path, way) in [
            ("variable queue in a.js[17].rows", "variable queue in a.js[].rows"),
            ("a[1][22]", "a[][]"),
            ("a[\"1\"].b[x]", "a[\"1\"].b[x]"),
            ("a[]", "a[]"),
        ] {
            assert_eq!(without_positions(path), way);
        }
    }
}
