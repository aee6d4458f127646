//! The class table: instances, self sizes and retained sizes by class key.

use super::class::{ClassId, Classes};
use super::hash::FastMap;
use super::interface::{Interface, Shapes};
use super::{BitSet, Heap};
use brimline_profile::heap::{NodeId, NodeKind};

const NONE: u32 = u32::MAX;

/// One class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassRow {
    /// `script,line,column,name` for objects whose constructor has a place (line and column from 0), else `,name`.
    pub key: String,
    /// Class name.
    pub name: String,
    /// Number of instances with a self size.
    pub count: u64,
    /// Least distance of an instance.
    pub distance: i32,
    /// Sum of self sizes.
    pub self_size: u64,
    /// Sum of the retained sizes of instances that no other instance of the class dominates.
    pub retained_size: u64,
}

/// Classes in the order in which their first instance was met, and the class of each node.
#[derive(Debug)]
pub struct ClassTable {
    /// The classes.
    pub rows: Vec<ClassRow>,
    of_nodes: Vec<u32>,
}

impl ClassTable {
    /// The classes of `heap`. Nodes without a self size belong to none.
    pub fn of(heap: &Heap) -> Self {
        Self::build(heap, &heap.classes)
    }

    /// The classes of `heap` with plain objects grouped by the interfaces of another heap: for comparison with it.
    pub fn with_interfaces(heap: &Heap, interfaces: &[Interface]) -> Self {
        let mut classes = Classes::of(&heap.graph, &heap.document);
        Shapes::of(&heap.graph).apply(&heap.graph, interfaces, &mut classes);
        Self::build(heap, &classes)
    }

    /// Rows by retained size, largest first.
    pub fn sorted(&self) -> Vec<&ClassRow> {
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by(|a, b| b.retained_size.cmp(&a.retained_size).then_with(|| a.key.cmp(&b.key)));
        rows
    }

    /// Index of the row of `node`; `None` for a node without a self size.
    pub fn row_of(&self, node: NodeId) -> Option<usize> {
        self.of_nodes.get(node.index()).copied().filter(|&row| row != NONE).map(|row| row as usize)
    }

    /// Instances of the class called `key`, in file order.
    pub fn instances<'a>(&'a self, key: &str) -> impl Iterator<Item = NodeId> + use<'a> {
        let row = self.rows.iter().position(|row| row.key == key).map_or(NONE - 1, |row| row as u32);
        self.of_nodes.iter().enumerate().filter(move |&(_, &of)| of == row).map(|(node, _)| NodeId(node as u32))
    }

    fn build(heap: &Heap, classes: &Classes) -> Self {
        let graph = heap.graph();
        let mut numbering = Numbering { rows: Vec::new(), by_class: FastMap::default(), by_key: FastMap::default() };
        let mut places = graph.locations().iter().peekable();
        let mut of_nodes = vec![NONE; graph.node_count()];
        let mut last = (ClassId(NONE), NONE);
        for node in graph.nodes() {
            while places.next_if(|place| place.node < node).is_some() {}
            let size = heap.self_size(node);
            if size == 0 {
                continue;
            }
            let class = classes.class(node);
            let place = places.peek().filter(|place| place.node == node && graph.kind(node) == NodeKind::Object);
            let row = if let Some(place) = place {
                let name = classes.name(graph, class);
                numbering.located([place.script_id, place.line, place.column, class.0], name)
            } else {
                if last.0 != class {
                    last = (class, numbering.named(class, classes.name(graph, class)));
                }
                last.1
            };
            of_nodes[node.index()] = row;
            let row = &mut numbering.rows[row as usize];
            let distance = heap.distance(node);
            row.distance = if row.count == 0 { distance } else { row.distance.min(distance) };
            row.count += 1;
            row.self_size += size;
        }
        let mut table = Self { rows: numbering.rows, of_nodes };
        table.add_retained(heap);
        table
    }

    fn add_retained(&mut self, heap: &Heap) {
        let (first, children) = heap.dominated();
        let mut open = BitSet::new(self.rows.len());
        // Marks where a class is left again.
        let mut stack: Vec<Result<u32, u32>> = vec![Ok(0)];
        if self.of_nodes.is_empty() {
            return;
        }
        while let Some(entry) = stack.pop() {
            let node = match entry {
                Ok(node) => node as usize,
                Err(row) => {
                    open.remove(row as usize);
                    continue;
                }
            };
            let below = &children[first[node] as usize..first[node + 1] as usize];
            let row = self.of_nodes[node];
            if row != NONE && !open.contains(row as usize) {
                self.rows[row as usize].retained_size += heap.retained[node];
                if !below.is_empty() {
                    open.insert(row as usize);
                    stack.push(Err(row));
                }
            }
            stack.extend(below.iter().map(|&child| Ok(child)));
        }
    }
}

struct Numbering {
    rows: Vec<ClassRow>,
    by_class: FastMap<u32, u32>,
    by_key: FastMap<[u32; 4], u32>,
}

impl Numbering {
    fn named(&mut self, class: ClassId, name: &str) -> u32 {
        if let Some(&row) = self.by_class.get(&class.0) {
            return row;
        }
        let row = self.add(format!(",{name}"), name);
        self.by_class.insert(class.0, row);
        row
    }

    fn located(&mut self, key: [u32; 4], name: &str) -> u32 {
        if let Some(&row) = self.by_key.get(&key) {
            return row;
        }
        let [script, line, column, _] = key;
        let row = self.add(format!("{script},{line},{column},{name}"), name);
        self.by_key.insert(key, row);
        row
    }

    fn add(&mut self, key: String, name: &str) -> u32 {
        let name = name.to_owned();
        self.rows.push(ClassRow { key, name, count: 0, distance: 0, self_size: 0, retained_size: 0 });
        self.rows.len() as u32 - 1
    }
}

impl Heap {
    /// The dominator tree downwards: offsets of each node's children, and the children.
    pub fn dominated(&self) -> (Vec<u32>, Vec<u32>) {
        let nodes = self.dominators.len();
        let mut first = vec![0_u32; nodes + 1];
        for &dominator in self.dominators.iter().skip(1) {
            first[dominator as usize] += 1;
        }
        let mut total = 0;
        for offset in &mut first {
            total += *offset;
            *offset = total;
        }
        let mut children = vec![0; nodes.saturating_sub(1)];
        for (node, &dominator) in self.dominators.iter().enumerate().skip(1).rev() {
            let offset = &mut first[dominator as usize];
            *offset -= 1;
            children[*offset as usize] = node as u32;
        }
        (first, children)
    }
}
