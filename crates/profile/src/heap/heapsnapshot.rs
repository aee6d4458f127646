//! V8's `.heapsnapshot` and `.heaptimeline` (Node 18 to 24, Chrome), plain, gzip or zstd.
//!
//! The layout comes from the file's own `meta`: which fields a node has and in which order, how kinds are called. One
//! pass over the stream fills the graph; the file is never held. Sections may come in any order with any white space
//! (other writers): nodes and edges that come before their `meta` are kept aside as plain integers.
//! `scopes`, `samples` and unknown sections are read past. V8's source: `src/profiler/heap-snapshot-generator.cc`.
//!
//! A file that ends or breaks in the middle still gives a graph of what is whole before that place, with [`Damage`].

use super::graph::{HeapGraph, HeapGraphBuilder, Location, NodeRow};
use super::scanner::{Scanner, Stop};
use super::{EdgeKind, StringPool, TraceFunction, TraceNode, Traces};
use serde_json::Value;
use std::io::{BufRead, Read};

/// A larger object is a damaged number; with this limit sums stay within 64 bits.
const LARGEST_OBJECT: u64 = 1 << 40;

/// Why bytes are no heap snapshot.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are no JSON object with the sections of a snapshot.
    #[error("expected a V8 heap snapshot, found {found}")]
    NotASnapshot {
        /// What was found and where.
        found: String,
    },
    /// `snapshot.meta` lacks something without which nodes cannot be read.
    #[error("expected `{field}` in the snapshot's `meta`, found none")]
    Meta {
        /// The missing field.
        field: &'static str,
    },
    /// The reader failed.
    #[error("failed to read the heap snapshot: {0}")]
    Read(#[from] std::io::Error),
}

/// How a file was cut or broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The section in which reading stopped: `nodes`, `edges`, `strings`…
    pub section: String,
    /// What stopped it, and at which byte.
    pub reason: String,
    /// True when the file simply ends: usually the process was killed while writing it.
    pub cut: bool,
    /// Nodes that are whole, of how many the header announces.
    pub nodes: (u64, u64),
    /// Edges that are whole, of how many the header announces.
    pub edges: (u64, u64),
    /// Strings that are whole.
    pub strings: u64,
    /// Edges that were dropped because their target does not exist.
    pub dropped_edges: u64,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (verb, cause) = if self.cut {
            ("cut", "; the usual cause is a process that was killed while writing it")
        } else {
            ("damaged", "")
        };
        write!(
            formatter,
            "the snapshot is {verb} in `{}`: {}; {} of {} nodes, {} of {} edges and {} strings are whole{cause}",
            self.section, self.reason, self.nodes.0, self.nodes.1, self.edges.0, self.edges.1, self.strings
        )
    }
}

/// A graph, whole or as far as it could be read.
#[derive(Debug)]
pub struct Decoded {
    /// The graph.
    pub graph: HeapGraph,
    /// `None` when the file was whole.
    pub damage: Option<Damage>,
}

/// Reads a snapshot; gzip and zstd are known by their first bytes.
pub fn decode(reader: &mut dyn BufRead) -> Result<Decoded, DecodeError> {
    let head = reader.fill_buf()?;
    let (gzip, zstd) = (head.starts_with(&[0x1F, 0x8B]), head.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]));
    if gzip {
        decode_plain(&mut flate2::bufread::MultiGzDecoder::new(reader))
    } else if zstd {
        decode_plain(&mut zstd::stream::read::Decoder::with_buffer(reader)?)
    } else {
        decode_plain(reader)
    }
}

/// Whether the first bytes of a plain file look like a snapshot.
pub fn sniff(head: &[u8]) -> bool {
    let head = &head[..head.len().min(4096)];
    head.trim_ascii_start().starts_with(b"{")
        && head.windows(10).any(|window| window == b"\"snapshot\"")
        && head.windows(6).any(|window| window == b"\"meta\"")
}

fn decode_plain(reader: &mut (impl Read + ?Sized)) -> Result<Decoded, DecodeError> {
    let mut reader = reader;
    let mut state = State::default();
    let mut scanner = Scanner::new(&mut reader);
    let stop = match state.sections(&mut scanner) {
        Ok(()) => None,
        Err(Failure::Stop(Stop::Read { source, .. })) if source.kind() != std::io::ErrorKind::InvalidData => {
            return Err(DecodeError::Read(source));
        }
        Err(Failure::Stop(stop)) => Some(stop),
        Err(Failure::Fatal(error)) => return Err(error),
    };
    state.finish(stop)
}

enum Failure {
    Stop(Stop),
    Fatal(DecodeError),
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::Fatal(error)
    }
}

/// Positions of the fields, and the names of the kinds.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) node_fields: Vec<NodeField>,
    pub(super) node_kinds: Vec<Box<str>>,
    pub(super) edge_fields: Vec<EdgeField>,
    pub(super) edge_kinds: Vec<EdgeKind>,
    location_fields: Vec<String>,
    pub(super) trace_fields: Vec<String>,
    node_count: u64,
    edge_count: u64,
    extra_native_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum NodeField {
    Kind,
    Name,
    Id,
    SelfSize,
    EdgeCount,
    Trace,
    Detachedness,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum EdgeField {
    Kind,
    Name,
    To,
    Unknown,
}

impl Layout {
    /// Reads the section `snapshot`.
    pub(super) fn read(raw: &[u8]) -> Result<Self, DecodeError> {
        let header: Value = serde_json::from_slice(raw)
            .map_err(|error| DecodeError::NotASnapshot { found: format!("a header that is no JSON: {error}") })?;
        let meta = &header["meta"];
        let names = |field: &str| -> Vec<String> {
            let list = meta[field].as_array().map_or(&[][..], Vec::as_slice);
            list.iter().map(|name| name.as_str().unwrap_or_default().to_owned()).collect()
        };
        let node_fields: Vec<_> = names("node_fields").iter().map(|name| node_field(name)).collect();
        let edge_fields: Vec<_> = names("edge_fields").iter().map(|name| edge_field(name)).collect();
        for (field, name) in [
            (NodeField::Kind, "node_fields.type"),
            (NodeField::Name, "node_fields.name"),
            (NodeField::Id, "node_fields.id"),
            (NodeField::SelfSize, "node_fields.self_size"),
            (NodeField::EdgeCount, "node_fields.edge_count"),
        ] {
            if !node_fields.contains(&field) {
                return Err(DecodeError::Meta { field: name });
            }
        }
        for (field, name) in [
            (EdgeField::Kind, "edge_fields.type"),
            (EdgeField::Name, "edge_fields.name_or_index"),
            (EdgeField::To, "edge_fields.to_node"),
        ] {
            if !edge_fields.contains(&field) {
                return Err(DecodeError::Meta { field: name });
            }
        }
        let kinds = |list: &str, at: Option<usize>| -> Vec<Box<str>> {
            let list = at.and_then(|at| meta[list][at].as_array()).map_or(&[][..], Vec::as_slice);
            list.iter().map(|name| name.as_str().unwrap_or_default().into()).collect()
        };
        let node_kinds = kinds("node_types", node_fields.iter().position(|&field| field == NodeField::Kind));
        let edge_kinds = kinds("edge_types", edge_fields.iter().position(|&field| field == EdgeField::Kind));
        Ok(Self {
            edge_kinds: edge_kinds.iter().map(|name| EdgeKind::from_name(name)).collect(),
            location_fields: names("location_fields"),
            trace_fields: names("trace_function_info_fields"),
            node_count: header["node_count"].as_u64().unwrap_or(0),
            edge_count: header["edge_count"].as_u64().unwrap_or(0),
            extra_native_bytes: header["extra_native_bytes"].as_u64().unwrap_or(0),
            node_kinds,
            node_fields,
            edge_fields,
        })
    }
}

#[derive(Default)]
struct State {
    section: String,
    layout: Option<Layout>,
    builder: HeapGraphBuilder,
    strings: StringPool,
    early_nodes: Vec<u64>,
    early_edges: Vec<u64>,
    locations: Vec<u64>,
    functions: Vec<u64>,
    traces: Traces,
}

impl State {
    fn sections(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Failure> {
        scanner.expect(b'{', "`{`")?;
        if scanner.take(b'}')? {
            return Ok(());
        }
        let mut key = String::new();
        loop {
            scanner.string(&mut key)?;
            self.section.clone_from(&key);
            scanner.expect(b':', "`:`")?;
            match key.as_str() {
                "snapshot" => {
                    let mut raw = Vec::new();
                    scanner.value(&mut raw, 16 << 20)?;
                    self.header(&raw)?;
                }
                "nodes" => self.nodes(scanner)?,
                "edges" => self.edges(scanner)?,
                "strings" => self.strings(scanner)?,
                "locations" => scanner.integers(keep(&mut self.locations))?,
                "trace_function_infos" => scanner.integers(keep(&mut self.functions))?,
                "trace_tree" => trace_tree(scanner, &mut self.traces)?,
                _ => scanner.skip()?,
            }
            if scanner.take(b'}')? {
                return Ok(());
            }
            scanner.expect(b',', "`,` or `}` after a section")?;
        }
    }

    fn header(&mut self, raw: &[u8]) -> Result<(), DecodeError> {
        let mut layout = Layout::read(raw)?;
        let has_detachedness = layout.node_fields.contains(&NodeField::Detachedness);
        self.builder = HeapGraphBuilder::new(std::mem::take(&mut layout.node_kinds), has_detachedness);
        // Untouched room costs nothing; a header that lies costs no more than this.
        self.builder.reserve(layout.node_count.min(1 << 26) as usize, layout.edge_count.min(1 << 28) as usize);
        self.builder.set_extra_native_bytes(layout.extra_native_bytes.min(LARGEST_OBJECT));
        self.layout = Some(layout);
        Ok(())
    }

    fn nodes(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Stop> {
        match &self.layout {
            Some(layout) => scanner.integers(node_sink(layout, &mut self.builder)),
            None => scanner.integers(keep(&mut self.early_nodes)),
        }
    }

    fn edges(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Stop> {
        match &self.layout {
            Some(layout) if self.early_nodes.is_empty() && self.builder.node_count() > 0 => {
                scanner.integers(edge_sink(layout, &mut self.builder))
            }
            _ => scanner.integers(keep(&mut self.early_edges)),
        }
    }

    fn strings(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Stop> {
        scanner.expect(b'[', "`[`")?;
        if scanner.take(b']')? {
            return Ok(());
        }
        let mut text = String::new();
        loop {
            scanner.string(&mut text)?;
            if !self.strings.push(&text) {
                return Err(Stop::Limit { what: "more than 4 GiB of strings", offset: scanner.offset() });
            }
            if scanner.take(b']')? {
                return Ok(());
            }
            scanner.expect(b',', "`,` or `]` after a string")?;
        }
    }

    fn finish(mut self, stop: Option<Stop>) -> Result<Decoded, DecodeError> {
        let Some(layout) = self.layout.take() else {
            let found = stop.map_or_else(|| "no `snapshot` section".to_owned(), |stop| stop.to_string());
            return Err(DecodeError::NotASnapshot { found });
        };
        {
            let mut sink = node_sink(&layout, &mut self.builder);
            std::mem::take(&mut self.early_nodes).into_iter().all(&mut sink);
        }
        {
            let mut sink = edge_sink(&layout, &mut self.builder);
            std::mem::take(&mut self.early_edges).into_iter().all(&mut sink);
        }
        let (nodes, edges) = (self.builder.node_count() as u64, self.builder.edge_count() as u64);
        if nodes == 0 {
            let found = stop.map_or_else(|| "no nodes".to_owned(), |stop| stop.to_string());
            return Err(DecodeError::NotASnapshot { found });
        }
        let promised = self.builder.promised_edges();
        let strings = self.strings.len() as u64;
        self.builder.set_strings(std::mem::take(&mut self.strings));
        self.builder.set_locations(locations(&layout, &self.locations));
        self.traces.functions = trace_functions(&layout, &self.functions);
        self.builder.set_traces(std::mem::take(&mut self.traces));
        let (graph, dropped_edges) = self.builder.finish();
        let announced = (layout.node_count.max(nodes), layout.edge_count.max(edges));
        let (reason, cut) = match &stop {
            Some(stop) => (stop.to_string(), matches!(stop, Stop::End(_))),
            None if dropped_edges > 0 => (format!("{dropped_edges} edges lead to nodes that do not exist"), false),
            None if promised != edges => (format!("nodes announce {promised} edges, found {edges}"), false),
            None => return Ok(Decoded { graph, damage: None }),
        };
        let damage = Damage {
            section: self.section,
            reason,
            cut,
            nodes: (nodes, announced.0),
            edges: (edges, announced.1),
            strings,
            dropped_edges,
        };
        Ok(Decoded { graph, damage: Some(damage) })
    }
}

fn keep(values: &mut Vec<u64>) -> impl FnMut(u64) -> bool {
    |value| {
        values.push(value);
        true
    }
}

fn node_field(name: &str) -> NodeField {
    match name {
        "type" => NodeField::Kind,
        "name" => NodeField::Name,
        "id" => NodeField::Id,
        "self_size" => NodeField::SelfSize,
        "edge_count" => NodeField::EdgeCount,
        "trace_node_id" => NodeField::Trace,
        "detachedness" => NodeField::Detachedness,
        _ => NodeField::Unknown,
    }
}

fn edge_field(name: &str) -> EdgeField {
    match name {
        "type" => EdgeField::Kind,
        "name_or_index" => EdgeField::Name,
        "to_node" => EdgeField::To,
        _ => EdgeField::Unknown,
    }
}

fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn node_sink<'a>(layout: &'a Layout, builder: &'a mut HeapGraphBuilder) -> impl FnMut(u64) -> bool + 'a {
    let fields = &layout.node_fields[..];
    let (mut row, mut at) = (NodeRow::default(), 0);
    move |value| {
        match fields[at] {
            NodeField::Kind => row.kind = u8::try_from(value).unwrap_or(u8::MAX),
            NodeField::Name => row.name = narrow(value),
            NodeField::Id => row.id = value,
            NodeField::SelfSize => row.self_size = value.min(LARGEST_OBJECT),
            NodeField::EdgeCount => row.edge_count = narrow(value),
            NodeField::Trace => row.trace = narrow(value),
            NodeField::Detachedness => row.detachedness = value.min(3) as u8,
            NodeField::Unknown => {}
        }
        at += 1;
        if at < fields.len() {
            return true;
        }
        at = 0;
        builder.push_node(row)
    }
}

fn edge_sink<'a>(layout: &'a Layout, builder: &'a mut HeapGraphBuilder) -> impl FnMut(u64) -> bool + 'a {
    let fields = &layout.edge_fields[..];
    let width = layout.node_fields.len() as u64;
    // Division by multiplication, exact for positions below 2^40 and the few fields that a node has.
    let reciprocal = u128::from(u64::MAX / width + 1);
    let (mut kind, mut name, mut to, mut at) = (EdgeKind::Other, 0, 0, 0);
    move |value| {
        match fields[at] {
            EdgeField::Kind => {
                kind = layout.edge_kinds.get(value as usize).copied().unwrap_or(EdgeKind::Other);
            }
            EdgeField::Name => name = narrow(value),
            EdgeField::To => {
                let node =
                    if value < 1 << 40 { ((u128::from(value) * reciprocal) >> 64) as u64 } else { value / width };
                to = if node * width == value { narrow(node) } else { u32::MAX };
            }
            EdgeField::Unknown => {}
        }
        at += 1;
        if at < fields.len() {
            return true;
        }
        at = 0;
        builder.push_edge(kind, name, to);
        builder.edge_count() < u32::MAX as usize
    }
}

fn rows<'a, const N: usize>(
    fields: &[String],
    wanted: [&str; N],
    values: &'a [u64],
) -> impl Iterator<Item = [u64; N]> + use<'a, N> {
    let at = wanted.map(|name| fields.iter().position(|field| field == name));
    let width = fields.len().max(1);
    values.chunks_exact(width).map(move |row| at.map(|at| at.map_or(0, |at| row[at])))
}

fn locations(layout: &Layout, values: &[u64]) -> Vec<Location> {
    let width = layout.node_fields.len() as u64;
    rows(&layout.location_fields, ["object_index", "script_id", "line", "column"], values)
        .map(|[object, script_id, line, column]| Location {
            node: super::NodeId(narrow(object / width)),
            script_id: narrow(script_id),
            line: narrow(line),
            column: narrow(column),
        })
        .collect()
}

fn trace_functions(layout: &Layout, values: &[u64]) -> Vec<TraceFunction> {
    rows(&layout.trace_fields, ["name", "script_name", "script_id", "line", "column"], values)
        .map(|row| {
            let [name, script_name, script_id, line, column] = row.map(narrow);
            TraceFunction { name, script_name, script_id, line, column }
        })
        .collect()
}

/// `[id, function, count, size, [children…]]`, flat rows nested by their last column.
fn trace_tree(scanner: &mut Scanner<'_>, traces: &mut Traces) -> Result<(), Stop> {
    scanner.expect(b'[', "`[`")?;
    let mut parents = vec![None];
    loop {
        if scanner.take(b']')? {
            parents.pop();
            if parents.is_empty() {
                return Ok(());
            }
            continue;
        }
        scanner.take(b',')?;
        let mut row = [0; 4];
        for value in &mut row {
            *value = scanner.integer()?;
            scanner.expect(b',', "`,` in a row of the trace tree")?;
        }
        let [id, function, count, size] = row;
        let parent = parents.last().copied().flatten();
        traces.nodes.push(TraceNode { id: narrow(id), function: narrow(function), count, size, parent });
        scanner.expect(b'[', "`[`")?;
        parents.push(Some(traces.nodes.len() as u32 - 1));
    }
}

#[cfg(test)]
mod tests;
