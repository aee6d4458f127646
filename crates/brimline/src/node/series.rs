//! What isolates measured of themselves, for `trend`.

use std::collections::BTreeMap;

use brimline_profile::series::{Point, Series, Signal, Unit};
use brimline_store::node_capture::{self, NodeIsolate, NodeSample};
use brimline_store::{RunFolder, RunRecord};

/// A number of a sample: its metric, unit and signal.
type Column = (&'static str, Unit, Signal, fn(&NodeSample) -> Option<f64>);

const COLUMNS: [Column; 5] = [
    ("heap_after_gc", Unit::Bytes, Signal::HeapAfterGc, |sample| bytes(sample.heap_after_gc_bytes)),
    ("used_heap", Unit::Bytes, Signal::Heap, |sample| bytes(sample.used_heap_bytes)),
    ("total_heap", Unit::Bytes, Signal::Reserved, |sample| bytes(sample.total_heap_bytes)),
    ("external", Unit::Bytes, Signal::Heap, |sample| bytes(sample.external_bytes)),
    ("array_buffers", Unit::Bytes, Signal::Heap, |sample| bytes(sample.array_buffer_bytes)),
];

fn bytes(number: Option<u64>) -> Option<f64> {
    number.map(|number| number as f64)
}

/// One series per isolate and number, called after its process. What only starts other programs is left out.
pub(crate) fn isolate_series(
    run: &RunFolder,
    record: &RunRecord,
    names: &BTreeMap<u32, String>,
    process: Option<u32>,
) -> Vec<Series> {
    let isolates = node_capture::isolates(run);
    let wanted = |isolate: &&NodeIsolate| !isolate.launcher && process.is_none_or(|wanted| wanted == isolate.pid);
    let mut found = Vec::new();
    for isolate in isolates.iter().filter(wanted) {
        let samples = node_capture::series(run, &isolate.stem);
        let name = names.get(&isolate.pid).cloned().unwrap_or_else(|| format!("process {}", isolate.pid));
        let subject = match isolate.thread {
            0 => name,
            thread if name.is_empty() => format!("thread {thread}"),
            thread => format!("{name}, thread {thread}"),
        };
        let start = record.start.0 as f64 / 1e9;
        for (metric, unit, signal, number) in COLUMNS {
            let point = |sample: &NodeSample| Some(Point::new((sample.seconds - start).max(0.0), number(sample)?));
            let points: Vec<Point> = samples.iter().filter_map(point).collect();
            if points.iter().any(|point| point.value != 0.0) {
                let (metric, subject) = (metric.into(), subject.clone());
                found.push(Series { metric, subject, unit, signal: Some(signal), points, ..Series::default() });
            }
        }
    }
    found
}
