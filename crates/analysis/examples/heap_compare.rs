//! Times the comparison by object id alone, both snapshots being open: `cargo run --release --example heap_compare
//! BEFORE AFTER` prints the least of five rounds, by the clock on the wall, per million nodes of both.
#![allow(clippy::print_stdout, reason = "an example talks")]
#![expect(clippy::disallowed_methods, reason = "an example opens the files it is given and measures time")]

use anyhow::bail;
use brimline_analysis::heap::{Heap, compare};
use brimline_profile::heap::heapsnapshot;
use std::io::BufReader;
use std::time::Instant;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [before, after] = &arguments[..] else { bail!("expected BEFORE AFTER") };
    let open = |path: &String| -> anyhow::Result<Heap> {
        let decoded = heapsnapshot::decode(&mut BufReader::new(std::fs::File::open(path)?))?;
        Ok(Heap::new(decoded.graph))
    };
    let (before, after) = (open(before)?, open(after)?);
    let millions = (before.graph().node_count() + after.graph().node_count()) as f64 / 1e6;
    let rounds = (0..5).map(|_| {
        let started = Instant::now();
        let rows = compare::by_id(&before, &after).len();
        (started.elapsed().as_secs_f64(), rows)
    });
    let (seconds, rows) = rounds.min_by(|a, b| a.0.total_cmp(&b.0)).expect("five rounds");
    println!(
        "{millions:.2} million nodes, {rows} classes differ: {seconds:.3} s, {:.3} s per million",
        seconds / millions
    );
    Ok(())
}
