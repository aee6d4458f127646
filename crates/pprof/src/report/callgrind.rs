//! `callgrind`: <https://valgrind.org/docs/manual/cl-format.html> with compressed names and addresses.

use std::collections::HashMap;
use std::io::Write;

use super::{Report, ReportError, Shown};
use crate::graph::{Edges, Info, sort_edges};
use crate::measure::scale;

/// Names already written, by number.
type Known<'n> = HashMap<&'n str, usize>;

impl Report<'_, '_> {
    pub(super) fn callgrind(&mut self, out: &mut dyn Write) -> Result<(), ReportError> {
        self.options.node_fraction = 0.0;
        self.options.edge_fraction = 0.0;
        self.options.node_count = 0;
        let shown = self.shown(Edges::All);
        let graph = &shown.trimmed.graph;
        let callees = distinct_names(&shown);
        let options = &self.options;
        let scaled = |value: i64| scale(value, &options.sample_unit, &options.output_unit).0 as i64;
        writeln!(out, "positions: instr line\nevents: {}({})", options.sample_type, options.output_unit)?;

        let (mut objects, mut files, mut names) = (Known::new(), Known::new(), Known::new());
        let mut previous: Option<&Info> = None;
        for &index in &graph.order {
            let node = graph.node(index);
            let info = &shown.skeleton.infos[node.info as usize];
            let same =
                |other: &Info| (&other.object, &other.file, &other.name) == (&info.object, &info.file, &info.name);
            if !previous.is_some_and(same) {
                writeln!(out, "\nob={}", compressed(&mut objects, &info.object))?;
                writeln!(out, "fl={}", compressed(&mut files, &info.file))?;
                writeln!(out, "fn={}", compressed(&mut names, &info.name))?;
            }
            writeln!(out, "{} {} {}", address(previous, info.address), info.line, scaled(node.flat_value()))?;
            let mut edges = node.callees.clone();
            sort_edges(graph, &shown.names, &mut edges);
            for edge in edges.into_iter().map(|edge| graph.edge(edge)) {
                let callee = &shown.skeleton.infos[graph.node(edge.to).info as usize];
                let name = callees.get(&edge.to).map_or("", String::as_str);
                writeln!(out, "cfl={}", compressed(&mut files, &callee.file))?;
                writeln!(out, "cfn={}", compressed(&mut names, name))?;
                writeln!(out, "calls=0 {} {}", address(previous, callee.address), callee.line)?;
                writeln!(out, "* * {}", scaled(edge.weight))?;
            }
            previous = Some(info);
        }
        Ok(())
    }
}

/// Functions of one file and name, numbered.
type Numbers = HashMap<(Option<u32>, Info), usize>;

/// Names of nodes; readers merge functions of one file and name, so those that differ get a number.
fn distinct_names(shown: &Shown) -> HashMap<u32, String> {
    let graph = &shown.trimmed.graph;
    // A node's function: within a call tree its siblings of the same function, else all places of the function.
    let function = |index: u32| {
        let node = graph.node(index);
        (node.parent, shown.skeleton.infos[node.info as usize].function())
    };
    let mut numbers: HashMap<(String, String), Numbers> = HashMap::new();
    for &index in &graph.order {
        let key = function(index);
        let group = numbers.entry((key.1.file.clone(), key.1.name.clone())).or_default();
        let next = group.len() + 1;
        group.entry(key).or_insert(next);
    }
    let name = |index: u32| {
        let key = function(index);
        let group = &numbers[&(key.1.file.clone(), key.1.name.clone())];
        let name = key.1.name.clone();
        if group.len() > 1 { format!("{name} [{}/{}]", group[&key], group.len()) } else { name }
    };
    graph.order.iter().map(|&index| (index, name(index))).collect()
}

fn compressed<'n>(known: &mut Known<'n>, name: &'n str) -> String {
    if name.is_empty() {
        return String::new();
    }
    let next = known.len() + 1;
    match *known.entry(name).or_insert(next) {
        id if id == next => format!("({id}) {name}"),
        id => format!("({id})"),
    }
}

/// An address, relative to the previous one where that is shorter.
fn address(previous: Option<&Info>, address: u64) -> String {
    let absolute = format!("{address:#x}");
    match previous {
        None => absolute,
        Some(info) if info.address == address => "*".into(),
        Some(info) => {
            let relative = format!("{:+}", address.wrapping_sub(info.address) as i64);
            if relative.len() < absolute.len() { relative } else { absolute }
        }
    }
}
