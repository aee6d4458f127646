//! Prints every node of a heap snapshot: `cargo run --example heap_nodes FILE`.
#![expect(clippy::disallowed_methods, reason = "an example opens the file it is given")]

use brimline_analysis::heap::{Heap, listing};
use brimline_profile::heap::heapsnapshot;
use std::io::{BufReader, BufWriter, Write};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let path = arguments.next().ok_or_else(|| anyhow::anyhow!("expected a heap snapshot, found no argument"))?;
    let file = std::fs::File::open(path)?;
    let decoded = heapsnapshot::decode(&mut BufReader::new(file))?;
    if let Some(damage) = decoded.damage {
        writeln!(std::io::stderr(), "warning: {damage}")?;
    }
    let heap = Heap::new(decoded.graph);
    let mut output = BufWriter::new(std::io::stdout().lock());
    listing::write_nodes(&heap, &mut output)?;
    output.flush()?;
    Ok(())
}
