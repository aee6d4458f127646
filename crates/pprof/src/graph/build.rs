//! Graphs and call trees from samples.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::sketch::Sketch;
use super::tags::{NodeTags, SampleTags};
use super::{Edge, Graph, Info, Node};
use crate::measure::scaled_label;
use crate::model::View;
use crate::paths;
use crate::samples::Sample;

/// Which calls to record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edges<'p> {
    /// None: only the weight of places is asked for.
    None,
    /// Those into places that are inlined somewhere; only they decide whether a row says so.
    IntoInlined,
    /// Those into and out of the places marked.
    Touching(&'p [bool]),
    /// All.
    All,
}

/// How samples become a graph.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan<'p> {
    /// Column of the values.
    pub(crate) value: usize,
    /// Whether values are divided by column 0.
    pub(crate) mean: bool,
    /// One node per path instead of one per place.
    pub(crate) call_tree: bool,
    /// Leave out places with negative values.
    pub(crate) drop_negative: bool,
    /// Calls to record.
    pub(crate) edges: Edges<'p>,
    /// For labels: unit of `bytes` in the profile and unit to show. `None`: no labels.
    pub(crate) tags: Option<(&'p str, &'p str)>,
}

/// The places of a profile; built once, used by every pass over the samples.
#[derive(Debug)]
pub(crate) struct Skeleton {
    pub(crate) infos: Vec<Info>,
    /// Places of all locations, innermost line first, end to end.
    places: Vec<u32>,
    /// Where the places of each location end.
    ends: Vec<u32>,
    /// Places that are inlined in some location.
    inlined: Vec<bool>,
}

impl Skeleton {
    /// `object_names` keeps places of different binaries apart.
    pub(crate) fn new(view: &View<'_>, object_names: bool) -> Self {
        let mut ids: HashMap<Info, u32> = HashMap::new();
        let mut skeleton = Self { infos: Vec::new(), places: Vec::new(), ends: Vec::new(), inlined: Vec::new() };
        for location in &view.locations {
            let object = view.object_of(location);
            let nameless = || Info { address: location.address, object: object.to_owned(), ..Info::default() };
            let infos = location.lines.iter().map(|line| {
                let function = &view.functions[line.function as usize];
                let file = view.texts.get(function.file);
                let name = view.texts.get(function.name);
                let keep_object = object_names || name.is_empty();
                Info {
                    name: name.to_owned(),
                    address: location.address,
                    file: if file.is_empty() { String::new() } else { paths::clean(file) },
                    start_line: if keep_object { function.start_line } else { 0 },
                    line: line.line,
                    column: line.column,
                    object: if keep_object { object.to_owned() } else { String::new() },
                }
            });
            let first = skeleton.places.len();
            for info in infos.chain(location.lines.is_empty().then(nameless)) {
                let next = skeleton.infos.len() as u32;
                let id = *ids.entry(info).or_insert_with_key(|info| {
                    skeleton.infos.push(info.clone());
                    skeleton.inlined.push(false);
                    next
                });
                skeleton.places.push(id);
            }
            let last = skeleton.places.len() - 1;
            for &place in &skeleton.places[first..last] {
                skeleton.inlined[place as usize] = true;
            }
            skeleton.ends.push(skeleton.places.len() as u32);
        }
        skeleton
    }

    /// Places of a location, innermost first.
    #[inline]
    pub(crate) fn places(&self, location: u32) -> &[u32] {
        let start = if location == 0 { 0 } else { self.ends[location as usize - 1] };
        &self.places[start as usize..self.ends[location as usize] as usize]
    }

    /// Names of all places.
    pub(crate) fn names(&self) -> Vec<String> {
        self.infos.iter().map(Info::printable).collect()
    }

    /// Sums up the samples; `kept` restricts the places.
    pub(crate) fn graph(&self, view: &View<'_>, plan: Plan<'_>, kept: Option<&[bool]>) -> Graph {
        self.pass(view, plan, kept, Calls::Every)
    }

    /// As [`Self::graph`], but of the calls lighter than `cutoff` only a few may be there.
    pub(super) fn graph_of_heavy_calls(
        &self,
        view: &View<'_>,
        plan: Plan<'_>,
        kept: Option<&[bool]>,
        cutoff: i64,
    ) -> Graph {
        let mut sketch = Sketch::new(cutoff);
        self.pass(view, plan, kept, Calls::Weigh(&mut sketch));
        self.pass(view, plan, kept, Calls::Heavy(&sketch))
    }

    fn pass(&self, view: &View<'_>, plan: Plan<'_>, kept: Option<&[bool]>, calls: Calls<'_>) -> Graph {
        let mut builder = Builder::new(self, plan, kept, calls);
        view.samples.for_each(|sample| {
            let value = sample.values[plan.value];
            let divisor = if plan.mean { sample.values[0] } else { 0 };
            if value != 0 || divisor != 0 {
                builder.tags = plan.tags.map(|units| sample_tags(view, sample, units));
                builder.add(sample.locations, divisor, value);
            }
        });
        builder.finish()
    }
}

/// Text labels joined, and the `bytes` label; the mark of a base profile is no label of the program.
fn sample_tags(view: &View<'_>, sample: Sample<'_>, (unit, shown): (&str, &str)) -> SampleTags {
    let mut texts = Vec::new();
    let mut numbers = Vec::new();
    for label in sample.labels {
        let key = view.texts.get(label.key);
        if label.is_text() {
            if key != "pprof::base" {
                texts.push(format!("{key}:{}", view.texts.get(label.text)));
            }
        } else if key == "bytes" {
            numbers.push((scaled_label(label.number, unit, shown), unit.to_owned(), label.number));
        }
    }
    texts.sort_unstable();
    SampleTags { texts: texts.join("\\n"), numbers }
}

/// Two node numbers hash well enough by one multiplication; the default hasher would take most of the time.
#[derive(Default)]
struct PairHasher(u64);

impl Hasher for PairHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }
    fn write_u64(&mut self, value: u64) {
        let mixed = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 32;
    }
}

type Pairs = HashMap<u64, u32, BuildHasherDefault<PairHasher>>;

fn pair(one: u32, other: u32) -> u64 {
    u64::from(one) << 32 | u64::from(other)
}

fn hash(from: u32, to: u32) -> u64 {
    let mut hasher = PairHasher::default();
    hasher.write_u64(pair(from, to));
    hasher.finish()
}

const ROOT: u32 = u32::MAX;

/// Which of the planned calls a pass over the samples records.
enum Calls<'c> {
    Every,
    /// None, nor nodes; only their weights go into the sketch.
    Weigh(&'c mut Sketch),
    /// Those that the sketch lets through.
    Heavy(&'c Sketch),
}

/// What a node's samples add up to.
#[derive(Clone, Copy, Default)]
struct Sums {
    cum: i64,
    cum_divisor: i64,
    flat: i64,
    flat_divisor: i64,
    /// Last sample that was counted, so that recursion counts once.
    last_sample: u32,
}

/// Edges by their ends: open addressing, half empty at least. A map with its own keys would be as large as the edges.
#[derive(Default)]
struct EdgeIndex {
    /// Numbers of edges, `ROOT` where there is none; a power of two of them.
    slots: Vec<u32>,
}

impl EdgeIndex {
    /// The number of the edge between two nodes, which is added if it is new.
    #[inline]
    fn find(&mut self, edges: &mut Vec<Edge>, from: u32, to: u32) -> usize {
        if edges.len() * 2 >= self.slots.len() {
            self.grow(edges);
        }
        let mut slot = self.start(from, to);
        loop {
            match edges.get(self.slots[slot] as usize) {
                Some(edge) if edge.from == from && edge.to == to => return self.slots[slot] as usize,
                Some(_) => slot = (slot + 1) & (self.slots.len() - 1),
                None => break,
            }
        }
        self.slots[slot] = edges.len() as u32;
        edges.push(Edge { from, to, weight: 0, divisor: 0, residual: false, inline: true, last_sample: 0 });
        edges.len() - 1
    }

    fn start(&self, from: u32, to: u32) -> usize {
        hash(from, to) as usize & (self.slots.len() - 1)
    }

    #[cold]
    fn grow(&mut self, edges: &[Edge]) {
        let size = (self.slots.len() * 2).max(1 << 10);
        // The old table goes first: both together would be the largest piece of memory of a report.
        self.slots = Vec::new();
        self.slots = vec![ROOT; size];
        for (number, edge) in edges.iter().enumerate() {
            let mut slot = self.start(edge.from, edge.to);
            while self.slots[slot] != ROOT {
                slot = (slot + 1) & (size - 1);
            }
            self.slots[slot] = number as u32;
        }
    }
}

struct Builder<'b> {
    skeleton: &'b Skeleton,
    plan: Plan<'b>,
    kept: Option<&'b [bool]>,
    calls: Calls<'b>,
    /// What the sample adds to a sketch.
    parts: u32,
    graph: Graph,
    /// Sums of the nodes, apart from them since these few bytes are all that most steps touch.
    sums: Vec<Sums>,
    index: EdgeIndex,
    /// Children of call tree nodes by place.
    children: Pairs,
    sample: u32,
    tags: Option<SampleTags>,
}

impl<'b> Builder<'b> {
    fn new(skeleton: &'b Skeleton, plan: Plan<'b>, kept: Option<&'b [bool]>, calls: Calls<'b>) -> Self {
        let mut graph = Graph::default();
        if !plan.call_tree {
            let nodes = 0..skeleton.infos.len() as u32;
            graph.nodes = nodes.map(|info| Node { info, ..Node::default() }).collect();
            if plan.tags.is_some() {
                graph.tags = vec![NodeTags::default(); graph.nodes.len()];
            }
        }
        let sums = vec![Sums::default(); graph.nodes.len()];
        Self {
            skeleton,
            plan,
            kept,
            calls,
            parts: 0,
            graph,
            sums,
            index: EdgeIndex::default(),
            children: Pairs::default(),
            sample: 0,
            tags: None,
        }
    }

    fn add(&mut self, locations: &[u32], divisor: i64, value: i64) {
        self.sample += 1;
        let weighs = match &self.calls {
            Calls::Weigh(sketch) => {
                self.parts = sketch.parts(value);
                true
            }
            _ => false,
        };
        let skeleton = self.skeleton;
        let mut parent = ROOT;
        let mut residual = false;
        for &location in locations.iter().rev() {
            let places = skeleton.places(location);
            for (index, &place) in places.iter().enumerate().rev() {
                let inline = index + 1 != places.len();
                if self.plan.call_tree {
                    let node = self.child(parent, place);
                    self.count(node, divisor, value, false);
                    if parent != ROOT {
                        self.connect(parent, node, divisor, value, (false, inline));
                    }
                    parent = node;
                    continue;
                }
                if self.kept.is_some_and(|kept| !kept[place as usize]) {
                    residual = true;
                    continue;
                }
                if !weighs && std::mem::replace(&mut self.sums[place as usize].last_sample, self.sample) != self.sample
                {
                    self.count(place, divisor, value, false);
                }
                let wanted = match self.plan.edges {
                    Edges::None => false,
                    Edges::IntoInlined => skeleton.inlined[place as usize],
                    Edges::Touching(touched) => touched[place as usize] || (parent != ROOT && touched[parent as usize]),
                    Edges::All => true,
                };
                if wanted && parent != ROOT && parent != place {
                    self.connect(parent, place, divisor, value, (residual, inline));
                }
                parent = place;
                residual = false;
            }
        }
        if parent != ROOT && !residual {
            self.count(parent, divisor, value, true);
        }
    }

    fn child(&mut self, parent: u32, place: u32) -> u32 {
        let next = self.graph.nodes.len() as u32;
        let node = *self.children.entry(pair(parent, place)).or_insert(next);
        if node == next {
            let parent = (parent != ROOT).then_some(parent);
            self.graph.nodes.push(Node { info: place, parent, ..Node::default() });
            self.sums.push(Sums::default());
            if self.plan.tags.is_some() {
                self.graph.tags.push(NodeTags::default());
            }
        }
        node
    }

    fn count(&mut self, node: u32, divisor: i64, value: i64, flat: bool) {
        let row = &mut self.sums[node as usize];
        let (sum, divisors) =
            if flat { (&mut row.flat, &mut row.flat_divisor) } else { (&mut row.cum, &mut row.cum_divisor) };
        *sum = sum.wrapping_add(value);
        *divisors = divisors.wrapping_add(divisor);
        if let Some(tags) = &self.tags {
            self.graph.tags[node as usize].add(tags, divisor, value, flat);
        }
    }

    fn connect(&mut self, from: u32, to: u32, divisor: i64, value: i64, (residual, inline): (bool, bool)) {
        match &mut self.calls {
            Calls::Every => {}
            Calls::Weigh(sketch) => return sketch.add(hash(from, to), self.parts),
            Calls::Heavy(sketch) if sketch.may_be_heavy(hash(from, to)) => {}
            Calls::Heavy(_) => return,
        }
        let id = self.index.find(&mut self.graph.edges, from, to);
        let edge = &mut self.graph.edges[id];
        if std::mem::replace(&mut edge.last_sample, self.sample) == self.sample {
            return;
        }
        edge.weight = edge.weight.wrapping_add(value);
        edge.divisor = edge.divisor.wrapping_add(divisor);
        edge.residual |= residual;
        edge.inline &= inline;
    }

    fn finish(mut self) -> Graph {
        // Gone before the nodes' lists of edges are made.
        self.index = EdgeIndex::default();
        let graph = &mut self.graph;
        for (node, sums) in graph.nodes.iter_mut().zip(&self.sums) {
            let Sums { cum, cum_divisor, flat, flat_divisor, .. } = *sums;
            *node = Node { flat, flat_divisor, cum, cum_divisor, ..std::mem::take(node) };
        }
        for (index, edge) in graph.edges.iter().enumerate() {
            graph.nodes[edge.from as usize].callees.push(index as u32);
            graph.nodes[edge.to as usize].callers.push(index as u32);
        }
        let drop_negative = self.plan.drop_negative;
        let counts = |node: &Node| {
            let negative = node.flat < 0 || (node.flat == 0 && node.cum < 0);
            (node.cum != 0 || node.flat != 0) && !(drop_negative && negative)
        };
        graph.order = (0..graph.nodes.len() as u32).filter(|&node| counts(&graph.nodes[node as usize])).collect();
        self.graph
    }
}
