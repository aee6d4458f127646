//! Opens a heap snapshot and prints what it took, with a second one compares them:
//! `cargo run --release --example heap_open FILE [BEFORE]`.
#![expect(clippy::disallowed_methods, reason = "an example opens the files it is given and times itself")]

use brimline_analysis::heap::table::ClassTable;
use brimline_analysis::heap::{Heap, compare};
use brimline_profile::heap::heapsnapshot;
use std::ffi::OsString;
use std::io::{BufReader, Write};
use std::time::Instant;

fn open(path: &OsString) -> anyhow::Result<Heap> {
    Ok(Heap::new(heapsnapshot::decode(&mut BufReader::new(std::fs::File::open(path)?))?.graph))
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let path = arguments.next().ok_or_else(|| anyhow::anyhow!("expected a heap snapshot, found no argument"))?;
    let mut output = std::io::stdout();
    let start = Instant::now();
    let heap = open(&path)?;
    let opened = start.elapsed();
    let classes = ClassTable::of(&heap).rows.len();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM: unknown");
    let (nodes, edges) = (heap.graph().node_count(), heap.graph().edge_count());
    let all = start.elapsed();
    writeln!(
        output,
        "{nodes} nodes, {edges} edges, {classes} classes: opened {opened:.2?}, with classes {all:.2?}, {peak}"
    )?;
    if let Some(before) = arguments.next() {
        let before = open(&before)?;
        let start = Instant::now();
        let rows = compare::by_id(&before, &heap).len();
        writeln!(output, "{rows} classes differ: compared in {:.2?}", start.elapsed())?;
    }
    Ok(())
}
