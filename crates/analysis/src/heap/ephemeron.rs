//! Entries of weak maps: V8 writes two edges to a value, from the table and from the key, with telling names.

use super::bits::BitSet;
use super::hash::FastMap;
use brimline_profile::heap::HeapGraph;

/// Edge names that belong to a pair of such edges.
#[derive(Debug)]
pub(super) struct Ephemerons {
    names: BitSet,
    pairs: FastMap<u32, Pair>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    /// Equal for both edges of a pair.
    pub(super) number: u32,
    /// Object id of the table.
    pub(super) table: u64,
}

impl Ephemerons {
    pub(super) fn find(graph: &HeapGraph) -> Self {
        let strings = graph.strings();
        let mut found = Self { names: BitSet::new(strings.len()), pairs: FastMap::default() };
        let mut numbers: FastMap<&str, u32> = FastMap::default();
        for (index, text) in strings.iter().enumerate() {
            if let Some((part, table)) = parse(text) {
                let next = numbers.len() as u32;
                let number = *numbers.entry(part).or_insert(next);
                found.names.insert(index);
                found.pairs.insert(index as u32, Pair { number, table });
            }
        }
        found
    }

    pub(super) fn pair(&self, name: u32) -> Option<Pair> {
        if self.names.contains(name as usize) { self.pairs.get(&name).copied() } else { None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

/// `12 / part of key (K @3) -> value (V @5) pair in WeakMap (table @7)`: what follows the first number, and the table's id.
fn parse(text: &str) -> Option<(&str, u64)> {
    if !text.ends_with(')') {
        return None;
    }
    let part = text.trim_start_matches(|character: char| character.is_ascii_digit());
    if part.len() == text.len() {
        return None;
    }
    let inner = part.strip_prefix(" / part of key (")?.strip_suffix(')')?;
    if inner.contains(['\n', '\r', '\u{2028}', '\u{2029}']) {
        return None;
    }
    let (inner, table) = split_number(inner)?;
    let inner = inner.strip_suffix(" pair in WeakMap (table @").and_then(|inner| inner.strip_suffix(')'))?;
    let (inner, _) = split_number(inner)?;
    let inner = inner.strip_suffix(" @")?;
    let arrow = ") -> value (";
    let is_pair = inner
        .match_indices(arrow)
        .any(|(at, _)| split_number(&inner[..at]).is_some_and(|(key, _)| key.ends_with(" @")));
    is_pair.then_some((part, table))
}

fn split_number(text: &str) -> Option<(&str, u64)> {
    let head = text.trim_end_matches(|character: char| character.is_ascii_digit());
    text[head.len()..].parse().ok().map(|number| (head, number))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn reads_names_of_weak_map_entries() {
        let name = "12 / part of key (a) -> value (b @3) -> value (V @5) pair in WeakMap (table @77)";
        assert_eq!(parse(name), Some((&name[2..], 77)));
        for name in [
            "12 / part of key (K @) -> value (V @5) pair in WeakMap (table @7)",
            " / part of key (K @3) -> value (V @5) pair in WeakMap (table @7)",
            "1 / part of key (K @3) -> value (V @5) pair in WeakMap (table @7",
            "1)",
        ] {
            assert_eq!(parse(name), None, "{name}");
        }
    }
}
