//! A heap graph as stored columns.

use super::{
    ColumnReader, ColumnWriter, HeapGraph, Location, NodeId, NodeKind, StoredError, StringPool, TraceFunction,
    TraceNode, Traces,
};
use std::io::Result;

impl HeapGraph {
    /// Writes all columns.
    pub fn store(&self, out: &mut ColumnWriter<'_>) -> Result<()> {
        out.texts(self.kind_names.iter().map(|name| &**name))?;
        out.u8s(&self.kinds)?;
        out.u32s(&self.names)?;
        out.integers(&self.ids)?;
        out.integers(&self.self_sizes)?;
        out.u32s(&self.traces_of_nodes)?;
        out.u8s(&[u8::from(self.detachedness.is_some())])?;
        out.u8s(self.detachedness.as_deref().unwrap_or_default())?;
        out.u32s(&self.first_edges)?;
        out.u32s(&self.edge_names)?;
        out.u32s(&self.edge_targets)?;
        let mut long: Vec<_> = self.long_edge_names.iter().map(|(&edge, &name)| (edge, name)).collect();
        long.sort_unstable();
        out.u32s(&long.into_iter().flat_map(|(edge, name)| [edge, name]).collect::<Vec<_>>())?;
        out.text(&self.strings.text)?;
        out.u32s(&self.strings.ends)?;
        let places = self.locations.iter();
        out.u32s(&places.flat_map(|at| [at.node.0, at.script_id, at.line, at.column]).collect::<Vec<_>>())?;
        let functions = self.traces.functions.iter();
        out.u32s(
            &functions.flat_map(|of| [of.name, of.script_name, of.script_id, of.line, of.column]).collect::<Vec<_>>(),
        )?;
        let nodes = self.traces.nodes.iter();
        let row = |of: &TraceNode| {
            let parent = of.parent.map_or(u64::MAX, u64::from);
            [u64::from(of.id), u64::from(of.function), of.count, of.size, parent]
        };
        out.u64s(&nodes.flat_map(row).collect::<Vec<_>>())?;
        out.u64s(&[self.extra_native_bytes])
    }

    /// Reads what [`store`](Self::store) wrote; whatever does not fit together is refused.
    pub fn load(input: &mut ColumnReader<'_>) -> std::result::Result<Self, StoredError> {
        let kind_names = input.texts()?;
        let kind_table = kind_names.iter().map(|name| NodeKind::from_name(name)).collect();
        let mut graph = Self { kind_names, kind_table, kinds: input.u8s()?, names: input.u32s()?, ..Self::default() };
        graph.ids = input.integers()?;
        graph.self_sizes = input.integers()?;
        graph.traces_of_nodes = input.u32s()?;
        let has_detachedness = input.u8s()? == [1];
        let detachedness = input.u8s()?;
        graph.detachedness = has_detachedness.then_some(detachedness);
        graph.first_edges = input.u32s()?;
        graph.edge_names = input.u32s()?;
        graph.edge_targets = input.u32s()?;
        graph.long_edge_names = input.u32s()?.as_chunks().0.iter().map(|&[edge, name]| (edge, name)).collect();
        graph.strings = StringPool { text: input.text()?, ends: input.u32s()? };
        let places = input.u32s()?;
        let place =
            |&[node, script_id, line, column]: &[u32; 4]| Location { node: NodeId(node), script_id, line, column };
        graph.locations = places.as_chunks().0.iter().map(place).collect();
        let functions = input.u32s()?;
        let function = |&[name, script_name, script_id, line, column]: &[u32; 5]| TraceFunction {
            name,
            script_name,
            script_id,
            line,
            column,
        };
        let nodes = input.u64s()?;
        let node = |&[id, function, count, size, parent]: &[u64; 5]| TraceNode {
            id: id as u32,
            function: function as u32,
            count,
            size,
            parent: u32::try_from(parent).ok(),
        };
        graph.traces = Traces {
            functions: functions.as_chunks().0.iter().map(function).collect(),
            nodes: nodes.as_chunks().0.iter().map(node).collect(),
        };
        graph.extra_native_bytes = input.u64s()?.first().copied().unwrap_or(0);
        if graph.is_consistent() {
            Ok(graph)
        } else {
            Err(StoredError::Damaged { expected: "columns that fit together" })
        }
    }

    fn is_consistent(&self) -> bool {
        let (nodes, edges) = (self.kinds.len(), self.edge_targets.len());
        let lengths = [self.names.len(), self.ids.len(), self.self_sizes.len()];
        let text = &self.strings.text;
        lengths.iter().all(|&length| length == nodes)
            && self.traces_of_nodes.len() <= nodes
            && self.detachedness.as_ref().is_none_or(|column| column.len() == nodes)
            && self.first_edges.len() == nodes + 1
            && self.first_edges.is_sorted()
            && self.first_edges.last().copied() == Some(edges as u32)
            && self.edge_names.len() == edges
            && self.edge_targets.iter().all(|&to| (to as usize) < nodes)
            && self.strings.ends.is_sorted()
            && self.strings.ends.iter().all(|&end| text.is_char_boundary(end as usize))
            && self.locations.iter().all(|place| place.node.index() < nodes)
    }
}
