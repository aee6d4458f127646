//! Opens a heap snapshot and prints what it took: `cargo run --release --example heap_open FILE`.
#![expect(clippy::disallowed_methods, reason = "an example opens the file it is given and times itself")]

use brimline_analysis::heap::Heap;
use brimline_profile::heap::heapsnapshot;
use std::io::{BufReader, Write};
use std::time::Instant;

fn main() -> anyhow::Result<()> {
    let path =
        std::env::args_os().nth(1).ok_or_else(|| anyhow::anyhow!("expected a heap snapshot, found no argument"))?;
    let start = Instant::now();
    let decoded = heapsnapshot::decode(&mut BufReader::new(std::fs::File::open(path)?))?;
    let read = start.elapsed();
    let heap = Heap::new(decoded.graph);
    let opened = start.elapsed();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM: unknown");
    writeln!(
        std::io::stdout(),
        "{} nodes, {} edges, {} bytes: read {read:.2?}, opened {opened:.2?}, {peak}",
        heap.graph().node_count(),
        heap.graph().edge_count(),
        heap.total_size(),
    )?;
    Ok(())
}
