//! All objects by the way on which the program first reaches them, positions and keys left open: `global.rows[…].user`.
//!
//! Such ways mean the same in another process or build, unlike object ids, so snapshots can be compared by them.

use super::hash::FastMap;
use super::path::{Detail, Step, is_dictionary, root_name, step_text};
use super::roots::ROOT;
use super::source::Scripts;
use super::{Heap, NO_DISTANCE};
use brimline_profile::heap::{EdgeKind, NodeId, NodeKind};

/// A step that one of this many last ones equals leads back there: lists and trees are one way, not one per element.
const LOOP: usize = 4;
const NONE: u32 = u32::MAX;

/// Objects of one class on one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRow {
    /// The way in words; empty for roots and what nothing reaches.
    pub path: String,
    /// Class name.
    pub class: String,
    /// Number of objects.
    pub count: u64,
    /// Sum of their self sizes.
    pub self_size: u64,
    /// The first of them.
    pub example: NodeId,
}

/// Every node of `heap` whose class has a name that is wanted, by way and class, most bytes first.
pub fn path_profile(heap: &Heap, scripts: &Scripts, wanted: &dyn Fn(&str) -> bool) -> Vec<PathRow> {
    let mut ways = Ways {
        heap,
        scripts,
        of_nodes: vec![NONE; heap.graph().node_count()],
        tree: Vec::new(),
        numbers: FastMap::default(),
        texts: Vec::new(),
        text_numbers: FastMap::default(),
        by_text: FastMap::default(),
    };
    let mut rows: FastMap<(u32, u32), (u64, u64, NodeId)> = FastMap::default();
    let mut is_wanted: FastMap<u32, bool> = FastMap::default();
    for node in heap.graph().nodes() {
        let class = heap.class(node);
        if !*is_wanted.entry(class.0).or_insert_with(|| wanted(heap.class_name(class))) {
            continue;
        }
        let way = if heap.distance(node) == NO_DISTANCE { NONE } else { ways.of(node) };
        let row = rows.entry((way, class.0)).or_insert((0, 0, node));
        row.0 += 1;
        row.1 += heap.self_size(node);
    }
    let mut rows: Vec<PathRow> = rows
        .into_iter()
        .map(|((way, _), (count, self_size, example))| PathRow {
            path: if way == NONE { String::new() } else { ways.text(way) },
            class: heap.class_name(heap.class(example)).to_owned(),
            count,
            self_size,
            example,
        })
        .collect();
    rows.sort_by(|a, b| b.self_size.cmp(&a.self_size).then_with(|| (&a.path, &a.class).cmp(&(&b.path, &b.class))));
    rows
}

/// Ways as a tree: each is its parent and one step more.
struct Ways<'a> {
    heap: &'a Heap,
    scripts: &'a Scripts,
    of_nodes: Vec<u32>,
    /// Parent and text.
    tree: Vec<(u32, u32)>,
    numbers: FastMap<(u32, u32), u32>,
    texts: Vec<Box<str>>,
    /// Number of the text of a step, by what the text depends on.
    text_numbers: FastMap<[u32; 4], u32>,
    by_text: FastMap<Box<str>, u32>,
}

impl Ways<'_> {
    fn of(&mut self, node: NodeId) -> u32 {
        let mut open = Vec::new();
        let mut at = node;
        let mut way = loop {
            let known = self.of_nodes[at.index()];
            if known != NONE {
                break known;
            }
            let edge = self.heap.first_edge_to(at).filter(|_| at != ROOT && self.heap.distance(at) != 1);
            let Some(edge) = edge else {
                let text = self.text_number(&root_name(self.heap, at));
                let way = self.number((NONE, text));
                self.of_nodes[at.index()] = way;
                break way;
            };
            open.push((at, edge));
            at = self.heap.graph().edge_source(edge);
        };
        while let Some((node, edge)) = open.pop() {
            let step = Step { from: self.heap.graph().edge_source(edge), edge: self.heap.graph().edge(edge) };
            let text = self.step(&step);
            way = if self.texts[text as usize].is_empty() { way } else { self.extend(way, text) };
            self.of_nodes[node.index()] = way;
        }
        way
    }

    fn extend(&mut self, way: u32, text: u32) -> u32 {
        let mut back = way;
        for _ in 0..LOOP {
            if back == NONE {
                break;
            }
            let (parent, last) = self.tree[back as usize];
            if last == text {
                return back;
            }
            back = parent;
        }
        self.number((way, text))
    }

    fn number(&mut self, way: (u32, u32)) -> u32 {
        let next = self.tree.len() as u32;
        let number = *self.numbers.entry(way).or_insert(next);
        if number == next {
            self.tree.push(way);
        }
        number
    }

    fn step(&mut self, step: &Step) -> u32 {
        let graph = self.heap.graph();
        let (edge, kind) = (&step.edge, graph.kind(step.from));
        let key = match edge.kind {
            EdgeKind::Element => [edge.kind as u32, 0, 0, 0],
            EdgeKind::Context => {
                let script = self.scripts.closure_of_context(step.from).and_then(|closure| graph.location(closure));
                [edge.kind as u32, edge.name, script.map_or(NONE, |place| place.script_id), 0]
            }
            EdgeKind::Property if kind == NodeKind::Object => {
                let dictionary = u32::from(is_dictionary(self.heap, step.from));
                [edge.kind as u32, edge.name, graph.name_index(step.from), dictionary + 1]
            }
            // Of a function only its variables are told: through which one they are seen differs from build to build.
            EdgeKind::Internal if kind == NodeKind::Closure => [edge.kind as u32, NONE, NONE, NONE],
            kind => [kind as u32, edge.name, graph.name_index(step.from), NONE - graph.kind(step.from) as u32],
        };
        if let Some(&number) = self.text_numbers.get(&key) {
            return number;
        }
        let text =
            if key[1] == NONE { String::new() } else { step_text(self.heap, self.scripts, step, None, Detail::Shape) };
        let number = self.text_number(&text);
        self.text_numbers.insert(key, number);
        number
    }

    fn text_number(&mut self, text: &str) -> u32 {
        if let Some(&number) = self.by_text.get(text) {
            return number;
        }
        let number = self.texts.len() as u32;
        self.texts.push(text.into());
        self.by_text.insert(text.into(), number);
        number
    }

    fn text(&self, way: u32) -> String {
        let (mut parts, mut at) = (Vec::new(), way);
        while at != NONE {
            let (parent, text) = self.tree[at as usize];
            parts.push(&*self.texts[text as usize]);
            at = parent;
        }
        parts.reverse();
        parts.concat()
    }
}
