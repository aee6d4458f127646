//! The class of every node, as DevTools names it.

use super::document::DocumentState;
use super::hash::FastMap;
use brimline_profile::heap::{ColumnReader, ColumnWriter, HeapGraph, NodeId, NodeKind, StoredError};

/// Number of a class within one heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClassId(pub u32);

/// A class for each node: the number of a string of the graph, or of a name made here after those.
#[derive(Debug)]
pub(super) struct Classes {
    of_nodes: Vec<u32>,
    made: Vec<Box<str>>,
    base: u32,
}

impl Classes {
    pub(super) fn of(graph: &HeapGraph, document: &DocumentState) -> Self {
        let mut names = Made { numbers: FastMap::default(), texts: Vec::new(), base: graph.strings().len() as u32 };
        let (system, code) = (names.number("(system)"), names.number("(compiled code)"));
        let (function, regexp) = (names.number("Function"), names.number("RegExp"));
        let mut by_kind_name: FastMap<&str, u32> = FastMap::default();
        // What an object name becomes: itself, or its tag without attributes.
        let mut tags: FastMap<u32, u32> = FastMap::default();
        for (index, text) in graph.strings().iter().enumerate() {
            if let Some(tag) = tag(text) {
                tags.insert(index as u32, names.number(&tag));
            }
        }
        let mut last = (NodeKind::Hidden, "", system);
        let of_nodes = graph
            .nodes()
            .map(|node| match graph.kind(node) {
                NodeKind::Hidden => system,
                NodeKind::Code => code,
                NodeKind::Closure => function,
                NodeKind::RegExp => regexp,
                NodeKind::Object | NodeKind::Native => {
                    if let Some(name) = document.changed_name(node) {
                        return names.number(&tag(name).unwrap_or_else(|| name.to_owned()));
                    }
                    let name = graph.name_index(node);
                    if tags.is_empty() { name } else { tags.get(&name).copied().unwrap_or(name) }
                }
                kind => {
                    let name = graph.kind_name(node);
                    if (kind, name) != (last.0, last.1) {
                        let number = *by_kind_name.entry(name).or_insert_with(|| names.number(&format!("({name})")));
                        last = (kind, name, number);
                    }
                    last.2
                }
            })
            .collect();
        Self { of_nodes, made: names.texts, base: names.base }
    }

    /// Number of nodes.
    pub(super) fn len(&self) -> usize {
        self.of_nodes.len()
    }

    pub(super) fn store(&self, out: &mut ColumnWriter<'_>) -> std::io::Result<()> {
        out.u32s(&self.of_nodes)?;
        out.texts(self.made.iter().map(|name| &**name))?;
        out.u32s(&[self.base])
    }

    pub(super) fn load(input: &mut ColumnReader<'_>) -> Result<Self, StoredError> {
        let (of_nodes, made) = (input.u32s()?, input.texts()?);
        Ok(Self { of_nodes, made, base: input.u32s()?.first().copied().unwrap_or(0) })
    }

    pub(super) fn class(&self, node: NodeId) -> ClassId {
        ClassId(self.of_nodes[node.index()])
    }

    pub(super) fn set(&mut self, node: NodeId, class: ClassId) {
        self.of_nodes[node.index()] = class.0;
    }

    /// A new class called `name`.
    pub(super) fn make(&mut self, name: &str) -> ClassId {
        self.made.push(name.into());
        ClassId(self.base + self.made.len() as u32 - 1)
    }

    pub(super) fn name<'a>(&'a self, graph: &'a HeapGraph, class: ClassId) -> &'a str {
        match class.0.checked_sub(self.base) {
            Some(made) => self.made.get(made as usize).map_or("", |name| name),
            None => graph.strings().get(class.0),
        }
    }
}

struct Made {
    numbers: FastMap<Box<str>, u32>,
    texts: Vec<Box<str>>,
    base: u32,
}

impl Made {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let number = self.base + self.texts.len() as u32;
        self.numbers.insert(text.into(), number);
        self.texts.push(text.into());
        number
    }
}

/// `<div id="a">` is of class `<div>`, `Detached <p title="b">` of `Detached <p>`; `None` for names that are no tags.
fn tag(name: &str) -> Option<String> {
    let from = if name.starts_with('<') {
        0
    } else if name.starts_with("Detached <") {
        10
    } else {
        return None;
    };
    Some(match name[from..].find(' ') {
        Some(space) => format!("{}>", &name[..from + space]),
        None => name.to_owned(),
    })
}
