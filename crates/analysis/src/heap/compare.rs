//! What changed between snapshots.

use super::Heap;
use super::path_profile::path_profile;
use super::source::Scripts;
use super::table::ClassTable;
use brimline_profile::heap::{NodeId, NodeKind};
use std::collections::BTreeMap;

/// How one class changed between two snapshots of one process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassDiff {
    /// Class key.
    pub key: String,
    /// Class name.
    pub name: String,
    /// Objects that are new.
    pub added: u64,
    /// Objects that are gone.
    pub removed: u64,
    /// Self sizes of the new ones.
    pub added_size: u64,
    /// Self sizes of those that are gone.
    pub removed_size: u64,
}

impl ClassDiff {
    /// New objects less those that are gone.
    pub fn count_delta(&self) -> i64 {
        self.added as i64 - self.removed as i64
    }

    /// Bytes of new objects less those of objects that are gone.
    pub fn size_delta(&self) -> i64 {
        self.added_size as i64 - self.removed_size as i64
    }
}

/// Compares two snapshots of one process by object id, class by class, as DevTools does: `before` is classified with the
/// interfaces of `after`, an object that changed its class is new in one and gone in the other. Largest growth first.
pub fn by_id(before: &Heap, after: &Heap) -> Vec<ClassDiff> {
    let old_table = ClassTable::with_interfaces(before, after.interfaces());
    let new_table = ClassTable::of(after);
    let mut rows: BTreeMap<&str, (Option<usize>, Option<usize>)> = BTreeMap::new();
    for (index, row) in old_table.rows.iter().enumerate() {
        rows.entry(&row.key).or_default().0 = Some(index);
    }
    for (index, row) in new_table.rows.iter().enumerate() {
        rows.entry(&row.key).or_default().1 = Some(index);
    }
    let old = sorted_instances(before, &old_table);
    let new = sorted_instances(after, &new_table);
    let mut diffs: Vec<ClassDiff> = Vec::new();
    for (key, (in_old, in_new)) in rows {
        let name = match (in_old, in_new) {
            (_, Some(row)) => &new_table.rows[row].name,
            (Some(row), None) => &old_table.rows[row].name,
            (None, None) => continue,
        };
        let mut diff = ClassDiff { key: key.to_owned(), name: name.clone(), ..ClassDiff::default() };
        merge(
            in_old.map_or(&[], |row| &old[row][..]),
            in_new.map_or(&[], |row| &new[row][..]),
            |node| {
                diff.removed += 1;
                diff.removed_size += before.self_size(node);
            },
            |node| {
                diff.added += 1;
                diff.added_size += after.self_size(node);
            },
        );
        if diff.added + diff.removed > 0 {
            diffs.push(diff);
        }
    }
    diffs.sort_by_key(|diff| std::cmp::Reverse(diff.size_delta()));
    diffs
}

/// Objects allocated between `first` and `second` and still there in `third`, by class, most retained bytes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survivors {
    /// Class key in the third snapshot.
    pub key: String,
    /// Class name.
    pub name: String,
    /// How many objects survived.
    pub count: u64,
    /// Their self sizes in the third snapshot.
    pub self_size: u64,
    /// The largest of their retained sizes.
    pub largest_retained: u64,
    /// The objects in the third snapshot, in file order.
    pub nodes: Vec<NodeId>,
}

/// Compares three snapshots of one process by object id.
pub fn survivors(first: &Heap, second: &Heap, third: &Heap) -> Vec<Survivors> {
    let (first, second) = (sorted_ids(first), sorted_ids(second));
    let table = ClassTable::of(third);
    let mut groups: BTreeMap<usize, Survivors> = BTreeMap::new();
    for node in third.graph().nodes() {
        let id = third.graph().id(node);
        let Some(row) = table.row_of(node) else { continue };
        if first.binary_search(&id).is_ok() || second.binary_search(&id).is_err() {
            continue;
        }
        let group = groups.entry(row).or_insert_with(|| Survivors {
            key: table.rows[row].key.clone(),
            name: table.rows[row].name.clone(),
            count: 0,
            self_size: 0,
            largest_retained: 0,
            nodes: Vec::new(),
        });
        group.count += 1;
        group.self_size += third.self_size(node);
        group.largest_retained = group.largest_retained.max(third.retained_size(node));
        group.nodes.push(node);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.self_size));
    groups
}

/// How one class changed between two processes or builds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShapeDiff {
    /// Class name.
    pub name: String,
    /// Instances before.
    pub before_count: u64,
    /// Instances after.
    pub after_count: u64,
    /// Self sizes before.
    pub before_size: u64,
    /// Self sizes after.
    pub after_size: u64,
}

/// Compares snapshots of different processes or builds, in which ids and script numbers mean nothing: by class name and
/// shape, plain objects grouped by the interfaces of `after`. Largest growth of self sizes first, equal classes left out.
pub fn by_class(before: &Heap, after: &Heap) -> Vec<ShapeDiff> {
    let mut shapes: BTreeMap<String, ShapeDiff> = BTreeMap::new();
    for row in ClassTable::with_interfaces(before, after.interfaces()).rows {
        let shape = shapes.entry(row.name).or_default();
        shape.before_count += row.count;
        shape.before_size += row.self_size;
    }
    for row in ClassTable::of(after).rows {
        let shape = shapes.entry(row.name).or_default();
        shape.after_count += row.count;
        shape.after_size += row.self_size;
    }
    let named = shapes.into_iter().map(|(name, shape)| ShapeDiff { name, ..shape });
    let mut shapes: Vec<_> = named
        .filter(|shape| (shape.before_count, shape.before_size) != (shape.after_count, shape.after_size))
        .collect();
    shapes.sort_by_key(|shape| shape.before_size as i64 - shape.after_size as i64);
    shapes
}

/// How the objects of one class on one way changed between two processes or builds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathDiff {
    /// The way from the program's roots, see [`super::path_profile`].
    pub path: String,
    /// Counts and sizes; its name is the class.
    pub shape: ShapeDiff,
}

/// Compares snapshots of different processes or builds by class and retaining path. Largest growth of self sizes first,
/// equal rows left out.
pub fn by_path(before: &Heap, after: &Heap) -> Vec<PathDiff> {
    let mut rows: BTreeMap<(String, String), ShapeDiff> = BTreeMap::new();
    for row in path_profile(before, &Scripts::of(before), &|_| true) {
        let shape = rows.entry((row.path, row.class)).or_default();
        shape.before_count += row.count;
        shape.before_size += row.self_size;
    }
    for row in path_profile(after, &Scripts::of(after), &|_| true) {
        let shape = rows.entry((row.path, row.class)).or_default();
        shape.after_count += row.count;
        shape.after_size += row.self_size;
    }
    let named = rows.into_iter().map(|((path, name), shape)| PathDiff { path, shape: ShapeDiff { name, ..shape } });
    let mut rows: Vec<_> = named
        .filter(|row| (row.shape.before_count, row.shape.before_size) != (row.shape.after_count, row.shape.after_size))
        .collect();
    rows.sort_by_key(|row| row.shape.before_size as i64 - row.shape.after_size as i64);
    rows
}

/// Whether both are snapshots of one process: of the functions whose id both have, nearly all have one name too. In
/// different processes equal ids are chance.
pub fn is_same_process(before: &Heap, after: &Heap) -> bool {
    let graph = before.graph();
    let mut ids: Vec<(u64, NodeId)> = sampled(before).map(|node| (graph.id(node), node)).collect();
    ids.sort_unstable();
    let (mut found, mut equal) = (0_u64, 0_u64);
    for node in sampled(after) {
        let id = after.graph().id(node);
        if let Ok(at) = ids.binary_search_by_key(&id, |(id, _)| *id) {
            found += 1;
            equal += u64::from(after.graph().name(node) == graph.name(ids[at].1));
        }
    }
    found > 0 && equal * 10 >= found * 9
}

/// Functions and code: long-lived, and named in ways that differ.
fn sampled(heap: &Heap) -> impl Iterator<Item = NodeId> {
    heap.graph()
        .nodes()
        .filter(|&node| heap.graph().kind(node) == NodeKind::Closure && !heap.graph().name(node).is_empty())
}

fn sorted_ids(heap: &Heap) -> Vec<u64> {
    let mut ids: Vec<u64> = heap.graph().nodes().map(|node| heap.graph().id(node)).collect();
    ids.sort_unstable();
    ids
}

/// Instances of each class, by object id.
fn sorted_instances(heap: &Heap, table: &ClassTable) -> Vec<Vec<(u64, NodeId)>> {
    let mut lists: Vec<Vec<_>> = table.rows.iter().map(|row| Vec::with_capacity(row.count as usize)).collect();
    for node in heap.graph().nodes() {
        if let Some(row) = table.row_of(node) {
            lists[row].push((heap.graph().id(node), node));
        }
    }
    for list in &mut lists {
        list.sort_unstable();
    }
    lists
}

fn merge(old: &[(u64, NodeId)], new: &[(u64, NodeId)], mut removed: impl FnMut(NodeId), mut added: impl FnMut(NodeId)) {
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    loop {
        match (old.peek(), new.peek()) {
            (Some(a), Some(b)) if a.0 == b.0 => {
                old.next();
                new.next();
            }
            (Some(a), b) if b.is_none_or(|b| a.0 < b.0) => {
                removed(a.1);
                old.next();
            }
            (_, Some(b)) => {
                added(b.1);
                new.next();
            }
            (_, None) => return,
        }
    }
}
