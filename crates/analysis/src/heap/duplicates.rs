//! Equal strings held more than once.

use super::Heap;
use super::hash::FastMap;
use brimline_profile::heap::{EdgeKind, HeapGraph, NodeId, NodeKind};
use std::borrow::Cow;

/// How much of a concatenated string is put together, in UTF-16 units.
const NAME_LIMIT: usize = 1024;

/// Strings with one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateStrings {
    /// The text, as far as the snapshot has it.
    pub value: String,
    /// How many strings there are.
    pub count: u64,
    /// Sum of their self sizes.
    pub self_size: u64,
    /// Sum of their retained sizes.
    pub retained_size: u64,
    /// True when the snapshot cut the text; such strings are equal when length and hash are.
    pub truncated: bool,
    /// Length, known of truncated strings.
    pub length: Option<i64>,
    /// The strings, in file order.
    pub nodes: Vec<NodeId>,
}

/// Strings that occur at least twice, by retained size, largest first. Concatenated strings that were flattened and
/// strings without a size are left out.
pub fn duplicate_strings(heap: &Heap) -> Vec<DuplicateStrings> {
    let graph = heap.graph();
    let words = Words::of(graph);
    let mut whole: FastMap<Cow<'_, str>, usize> = FastMap::default();
    let mut cut: FastMap<CutString<'_>, usize> = FastMap::default();
    let mut groups: Vec<(DuplicateStrings, bool)> = Vec::new();
    for node in graph.nodes() {
        let kind = graph.kind(node);
        if !matches!(kind, NodeKind::String | NodeKind::ConsString) || heap.self_size(node) == 0 || words.is_flat(node)
        {
            continue;
        }
        let text = words.text(node);
        let truncated = words.boolean(node);
        let (length, hash) =
            if truncated { (words.integer(node, words.length), words.integer(node, words.hash)) } else { (None, None) };
        let next = groups.len();
        let at = if truncated {
            *cut.entry((text.clone(), length, hash)).or_insert(next)
        } else if let Some(&at) = whole.get(&text) {
            at
        } else {
            whole.insert(text.clone(), next);
            next
        };
        if at == next {
            let value = String::new();
            let group =
                DuplicateStrings { value, count: 0, self_size: 0, retained_size: 0, truncated, length, nodes: vec![] };
            groups.push((group, truncated));
        }
        let group = &mut groups[at].0;
        group.count += 1;
        group.self_size += heap.self_size(node);
        group.retained_size += heap.retained_size(node);
        group.nodes.push(node);
        if group.count == 2 {
            group.value = text.into_owned();
        }
    }
    groups.retain(|(group, _)| group.count > 1);
    groups.sort_by_key(|(group, truncated)| (std::cmp::Reverse(group.retained_size), *truncated));
    groups.into_iter().map(|(group, _)| group).collect()
}

/// Text, length and hash of a string that the snapshot cut.
type CutString<'a> = (Cow<'a, str>, Option<i64>, Option<i64>);

/// Numbers of the names that describe strings.
struct Words<'a> {
    graph: &'a HeapGraph,
    first: Option<u32>,
    second: Option<u32>,
    truncated: Option<u32>,
    length: Option<u32>,
    hash: Option<u32>,
    value: Option<u32>,
}

impl<'a> Words<'a> {
    fn of(graph: &'a HeapGraph) -> Self {
        let find = |text| graph.strings().find(text);
        Self {
            graph,
            first: find("first"),
            second: find("second"),
            truncated: find("truncated"),
            length: find("length"),
            hash: find("hash"),
            value: find("value"),
        }
    }

    fn target(&self, node: NodeId, name: Option<u32>) -> Option<NodeId> {
        let mut edges = self.graph.edges(node);
        edges.find(|edge| edge.kind == EdgeKind::Internal && Some(edge.name) == name).map(|edge| edge.to)
    }

    fn is_flat(&self, node: NodeId) -> bool {
        self.graph.kind(node) == NodeKind::ConsString
            && self.graph.edges(node).any(|edge| {
                edge.kind == EdgeKind::Internal
                    && (Some(edge.name) == self.first || Some(edge.name) == self.second)
                    && self.text(edge.to).is_empty()
            })
    }

    /// The text of a string; of a concatenated one its parts, up to the limit.
    fn text(&self, node: NodeId) -> Cow<'a, str> {
        if self.graph.kind(node) != NodeKind::ConsString {
            return self.graph.name(node).into();
        }
        let (mut text, mut units, mut stack) = (String::new(), 0, vec![node]);
        // A cycle, which only a damaged file can have, ends with this.
        let mut steps = 0;
        while let Some(node) = stack.pop() {
            steps += 1;
            if units >= NAME_LIMIT || steps > 1 << 16 {
                break;
            }
            if self.graph.kind(node) == NodeKind::ConsString {
                stack.extend(self.target(node, self.second));
                stack.extend(self.target(node, self.first));
            } else {
                let part = self.graph.name(node);
                units += part.encode_utf16().count();
                text.push_str(part);
            }
        }
        text.into()
    }

    fn boolean(&self, node: NodeId) -> bool {
        self.target(node, self.truncated).is_some_and(|flag| self.value(flag, "bool") == Some("true"))
    }

    fn integer(&self, node: NodeId, name: Option<u32>) -> Option<i64> {
        self.target(node, name).and_then(|number| self.value(number, "int")).and_then(|text| text.parse().ok())
    }

    fn value(&self, node: NodeId, kind: &str) -> Option<&'a str> {
        if self.graph.kind(node) != NodeKind::Number || self.graph.name(node) != kind {
            return None;
        }
        self.target(node, self.value).map(|value| self.graph.name(value))
    }
}
