//! A heap with all its numbers as stored columns, so that it need not be computed again.

use super::{Heap, Interface, class, distance, document};
use brimline_profile::heap::{ColumnReader, ColumnWriter, HeapGraph, StoredError};
use std::io::{Read, Result, Write};

/// Changes whenever the columns, or the rules behind their numbers, do.
pub const STORED_VERSION: u32 = 1;

impl Heap {
    /// Writes the graph and all numbers.
    pub fn store(&self, out: &mut dyn Write) -> Result<()> {
        let mut out = ColumnWriter::new(out);
        self.graph.store(&mut out)?;
        out.integers(&self.self_sizes)?;
        out.u32s(&self.dominators)?;
        out.u64s(&self.retained)?;
        out.u32s(&self.reach.distances.iter().map(|&distance| distance.cast_unsigned()).collect::<Vec<_>>())?;
        out.u32s(&self.reach.edges)?;
        self.document.store(&mut out)?;
        self.classes.store(&mut out)?;
        out.texts(self.interfaces.iter().map(|interface| &*interface.name))?;
        out.u64s(&self.interfaces.iter().map(|interface| interface.objects).collect::<Vec<_>>())?;
        for interface in &self.interfaces {
            out.texts(interface.properties.iter().map(|property| &**property))?;
        }
        Ok(())
    }

    /// Reads what [`store`](Self::store) wrote from `input`, which holds `size` bytes; whatever does not fit together is
    /// refused.
    pub fn load(input: &mut dyn Read, size: u64) -> std::result::Result<Self, StoredError> {
        let input = &mut ColumnReader::new(input, size);
        let graph = HeapGraph::load(input)?;
        let self_sizes = input.integers()?;
        let (dominators, retained) = (input.u32s()?, input.u64s()?);
        let distances: Vec<i32> = input.u32s()?.into_iter().map(u32::cast_signed).collect();
        let reach = distance::Reach { distances, edges: input.u32s()? };
        let document = document::DocumentState::load(input)?;
        let classes = class::Classes::load(input)?;
        let (names, objects) = (input.texts()?, input.u64s()?);
        let mut interfaces = Vec::new();
        for (name, objects) in names.into_iter().zip(objects) {
            interfaces.push(Interface { name, properties: input.texts()?, objects });
        }
        let nodes = graph.node_count();
        let fits = [self_sizes.len(), dominators.len(), retained.len(), reach.distances.len(), reach.edges.len()]
            .iter()
            .all(|&length| length == nodes)
            && classes.len() == nodes
            && dominators.iter().all(|&node| (node as usize) < nodes)
            && reach.edges.iter().all(|&edge| edge == distance::NO_EDGE || (edge as usize) < graph.edge_count());
        if !fits {
            return Err(StoredError::Damaged { expected: "numbers for each node" });
        }
        Ok(Self { graph, self_sizes, dominators, retained, reach, document, classes, interfaces })
    }
}
