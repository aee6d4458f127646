//! Plain objects grouped by their properties: `{accept, ua, ip}`.

use super::class::{ClassId, Classes};
use super::hash::FastMap;
use brimline_profile::heap::{EdgeKind, HeapGraph, NodeKind};

/// Longest interface name in UTF-16 units, unless one property alone is longer.
const NAME_LIMIT: usize = 120;
/// An interface has at least this many objects, and at least one in a thousand of the plain objects.
const LEAST_OBJECTS: u64 = 2;
const LEAST_SHARE: u64 = 1000;

/// A set of properties that many plain objects have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// `{a, b}`.
    pub name: Box<str>,
    /// The properties.
    pub properties: Vec<Box<str>>,
    /// Plain objects that begin with exactly these.
    pub objects: u64,
}

/// Plain objects by the sequence of their properties.
#[derive(Debug)]
pub(super) struct Shapes {
    /// Property names of each sequence, in first-met order.
    sequences: Vec<Box<[u32]>>,
    /// How many objects have it.
    counts: Vec<u64>,
    /// Each plain object and its sequence.
    objects: Vec<(u32, u32)>,
}

impl Shapes {
    pub(super) fn of(graph: &HeapGraph) -> Self {
        let mut shapes = Self { sequences: Vec::new(), counts: Vec::new(), objects: Vec::new() };
        let mut numbers: FastMap<Box<[u32]>, u32> = FastMap::default();
        let mut sequence = Vec::new();
        for node in graph.nodes() {
            if graph.kind(node) != NodeKind::Object || graph.name(node) != "Object" {
                continue;
            }
            sequence.clear();
            sequence.extend(graph.edges(node).filter(|edge| edge.kind == EdgeKind::Property).map(|edge| edge.name));
            let number = numbers.get(&sequence[..]).copied().unwrap_or_else(|| {
                let number = shapes.counts.len() as u32;
                numbers.insert(sequence[..].into(), number);
                shapes.sequences.push(sequence[..].into());
                shapes.counts.push(0);
                number
            });
            shapes.counts[number as usize] += 1;
            shapes.objects.push((node.0, number));
        }
        shapes
    }

    /// The interfaces that enough objects share, the most frequent first.
    pub(super) fn infer(&self, graph: &HeapGraph) -> Vec<Interface> {
        let mut numbers: FastMap<Box<str>, usize> = FastMap::default();
        let mut candidates: Vec<Interface> = Vec::new();
        for (sequence, &count) in self.sequences.iter().zip(&self.counts) {
            let Some((name, properties)) = interface_name(graph, sequence) else { continue };
            if let Some(&at) = numbers.get(&*name) {
                candidates[at].objects += count;
            } else {
                numbers.insert(name.as_str().into(), candidates.len());
                candidates.push(Interface { name: name.into(), properties, objects: count });
            }
        }
        candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.objects));
        let total = self.objects.len() as u64;
        candidates.retain(|candidate| candidate.objects >= LEAST_OBJECTS && candidate.objects * LEAST_SHARE >= total);
        candidates
    }

    /// Gives every plain object the class of the interface with most properties that it has all of, the earlier of two.
    pub(super) fn apply(&self, graph: &HeapGraph, interfaces: &[Interface], classes: &mut Classes) {
        let matcher = Matcher::new(graph, interfaces);
        let mut made: Vec<Option<ClassId>> = vec![None; interfaces.len()];
        let mut by_name: FastMap<&str, ClassId> = FastMap::default();
        let of_sequences: Vec<Option<usize>> = self.sequences.iter().map(|sequence| matcher.best(sequence)).collect();
        for &(node, sequence) in &self.objects {
            let node = brimline_profile::heap::NodeId(node);
            let class = match of_sequences[sequence as usize] {
                None => ClassId(graph.name_index(node)),
                Some(at) => *made[at].get_or_insert_with(|| {
                    let name = &*interfaces[at].name;
                    *by_name.entry(name).or_insert_with(|| classes.make(name))
                }),
            };
            classes.set(node, class);
        }
    }
}

/// Interfaces as sorted lists of string numbers, found by their smallest property.
struct Matcher {
    lists: Vec<Vec<u32>>,
    by_first: FastMap<u32, Vec<usize>>,
}

impl Matcher {
    fn new(graph: &HeapGraph, interfaces: &[Interface]) -> Self {
        let mut wanted: FastMap<&str, Option<u32>> = FastMap::default();
        for property in interfaces.iter().flat_map(|interface| &interface.properties) {
            wanted.insert(property, None);
        }
        if !wanted.is_empty() {
            for (index, text) in graph.strings().iter().enumerate() {
                if let Some(number @ None) = wanted.get_mut(text) {
                    *number = Some(index as u32);
                }
            }
        }
        let mut matcher = Self { lists: Vec::new(), by_first: FastMap::default() };
        for (at, interface) in interfaces.iter().enumerate() {
            let numbers: Option<Vec<u32>> = interface.properties.iter().map(|property| wanted[&**property]).collect();
            let mut list = numbers.unwrap_or_default();
            list.sort_unstable();
            if let Some(&first) = list.first() {
                matcher.by_first.entry(first).or_default().push(at);
            }
            matcher.lists.push(list);
        }
        matcher
    }

    fn best(&self, sequence: &[u32]) -> Option<usize> {
        let mut sorted = sequence.to_vec();
        sorted.sort_unstable();
        let candidates = sorted.iter().enumerate().flat_map(|(from, property)| {
            let starts = self.by_first.get(property).map_or(&[][..], Vec::as_slice);
            starts.iter().map(move |&at| (from, at))
        });
        candidates
            .filter(|&(from, at)| is_subsequence(&self.lists[at], &sorted[from..]))
            .map(|(_, at)| at)
            .max_by_key(|&at| (self.lists[at].len(), std::cmp::Reverse(at)))
    }
}

fn is_subsequence(wanted: &[u32], values: &[u32]) -> bool {
    let mut values = values.iter();
    wanted.iter().all(|wanted| values.any(|value| value == wanted))
}

fn interface_name(graph: &HeapGraph, sequence: &[u32]) -> Option<(String, Vec<Box<str>>)> {
    let mut name = "{".to_owned();
    let mut length = 1;
    let mut properties: Vec<Box<str>> = Vec::new();
    for &property in sequence {
        let property = graph.strings().get(property);
        if property == "__proto__" {
            continue;
        }
        let formatted = property_name(property);
        let units = formatted.encode_utf16().count();
        if length > 1 && length + units > NAME_LIMIT {
            break;
        }
        if length > 1 {
            name.push_str(", ");
            length += 2;
        }
        name.push_str(&formatted);
        length += units;
        properties.push(property.into());
    }
    name.push('}');
    (!properties.is_empty()).then_some((name, properties))
}

/// A property's name, quoted when it holds a comma, a quotation mark or a brace.
pub(super) fn property_name(name: &str) -> std::borrow::Cow<'_, str> {
    if !name.contains([',', '\'', '"', '{', '}']) {
        return name.into();
    }
    let mut quoted = "\"".to_owned();
    for character in name.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            control if control < ' ' => quoted.extend(format!("\\u{:04x}", control as u32).chars()),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted.into()
}
