//! Every node on a line.

use super::Heap;
use std::io::{Result, Write};

/// Writes one line per node in file order: id, self size, retained size, distance, dominator (node position),
/// detachedness, class name, with tabs between.
pub fn write_nodes(heap: &Heap, output: &mut dyn Write) -> Result<()> {
    for node in heap.graph().nodes() {
        writeln!(
            output,
            "{}\t{}\t{}\t{}\t{}\t{}\t{}",
            heap.graph().id(node),
            heap.self_size(node),
            heap.retained_size(node),
            heap.distance(node),
            heap.dominator(node).0,
            heap.detachedness(node),
            heap.class_name(heap.class(node))
        )?;
    }
    Ok(())
}
