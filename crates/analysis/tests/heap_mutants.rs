//! Damaged snapshots: whatever the bytes are, every question gets an answer or a refusal, in bounded time.
//!
//! `BRIMLINE_SOAK=1` makes a million mutants and cuts a whole snapshot at every 1,000th byte; without it, a slice.
//! `BRIMLINE_MUTANTS=412316..412317` asks about these alone, the same as in a whole run.
#![expect(clippy::disallowed_methods, reason = "the test reads its fixtures and measures time")]
#![expect(clippy::unwrap_used, reason = "helpers of a test fail as the test does")]

use brimline_analysis::heap::path::{Detail, describe, retaining_paths, shortest_path};
use brimline_analysis::heap::path_profile::path_profile;
use brimline_analysis::heap::retainer::Retainers;
use brimline_analysis::heap::source::Scripts;
use brimline_analysis::heap::summary::Summary;
use brimline_analysis::heap::treemap::{Layout, tiles};
use brimline_analysis::heap::{Heap, compare, duplicates, listing};
use brimline_profile::heap::{NodeId, heapsnapshot, redact};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

/// No file of a few kilobytes may take more CPU time, however slow the machine.
const LIMIT: Duration = Duration::from_secs(20);

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit.max(1)
    }
}

fn is_soak() -> bool {
    std::env::var_os("BRIMLINE_SOAK").is_some()
}

/// CPU time of this thread: a machine that is busy or stopped makes no mutant slow.
fn cpu_time() -> Duration {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(schedstat.split(' ').next().unwrap().parse().unwrap())
}

/// The mutants to ask about.
fn wanted() -> Range<usize> {
    let Ok(range) = std::env::var("BRIMLINE_MUTANTS") else { return 0..if is_soak() { 1_000_000 } else { 1_500 } };
    let (from, to) = range.split_once("..").expect("BRIMLINE_MUTANTS=FROM..TO");
    from.parse().unwrap()..to.parse().unwrap()
}

fn fixtures() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/heap");
    ["chrome.heapsnapshot", "node.heapsnapshot", "tracked.heapsnapshot"]
        .map(|name| std::fs::read(folder.join(name)).unwrap())
        .to_vec()
}

/// Asks everything; answers whether the bytes were a snapshot at all.
fn ask_all(bytes: &[u8]) -> bool {
    let Ok(decoded) = heapsnapshot::decode(&mut &bytes[..]) else { return false };
    let heap = Heap::new(decoded.graph);
    let summary = Summary::of(&heap);
    assert_eq!(summary.nodes, heap.graph().node_count() as u64);
    let scripts = Scripts::of(&heap);
    let retainers = Retainers::of(heap.graph());
    let last = NodeId(heap.graph().node_count() as u32 - 1);
    for node in [NodeId(0), last] {
        describe(&heap, &scripts, &shortest_path(&heap, node), Detail::Exact);
        retaining_paths(&heap, &retainers, node, 3);
    }
    let rows = path_profile(&heap, &scripts, &|_| true);
    assert_eq!(rows.iter().map(|row| row.count).sum::<u64>(), summary.nodes);
    duplicates::duplicate_strings(&heap);
    assert!(compare::by_id(&heap, &heap).is_empty());
    let layout = Layout { width: 300.0, height: 200.0, least_area: 20.0, title: 10.0, margin: 2.0, deepest: 12 };
    tiles(&heap, NodeId(0), layout);
    let mut sink = Vec::new();
    listing::write_nodes(&heap, &mut sink).unwrap();
    // What was read can be stored, and read again as the same; that is slow beside the rest, so not each time.
    if bytes.len().is_multiple_of(8) {
        sink.clear();
        heap.store(&mut sink).unwrap();
        let stored = Heap::load(&mut &sink[..], sink.len() as u64).unwrap();
        assert_eq!(stored.total_size(), heap.total_size());
    }
    sink.clear();
    // Sections in another order, or none: a refusal is an answer.
    let _ = redact::redact(&mut &bytes[..], &mut sink);
    true
}

/// Changes what real damage and bad writers change: bytes, numbers, pieces that are lost, doubled or moved.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        let piece = at..(at + 1 + random.below(200)).min(bytes.len());
        match random.below(7) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = b"0123456789,:[]{}\"\\ \n-.etfn"[random.below(26)],
            2 => drop(bytes.drain(piece)),
            3 => {
                let copy = bytes[piece].to_vec();
                let to = random.below(bytes.len());
                drop(bytes.splice(to..to, copy));
            }
            4 => bytes.truncate(at),
            _ => number(bytes, at, random),
        }
    }
}

/// Puts another number in place of the one at or after `at`.
fn number(bytes: &mut Vec<u8>, at: usize, random: &mut Random) {
    let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit).map(|offset| at + offset) else { return };
    let end =
        bytes[start..].iter().position(|byte| !byte.is_ascii_digit()).map_or(bytes.len(), |offset| start + offset);
    let choices = [0, 1, 7, 255, 4_294_967_295, 4_294_967_296, u64::MAX, random.below(10_000) as u64, 1 << 29];
    let value = choices[random.below(choices.len())].to_string();
    drop(bytes.splice(start..end, value.into_bytes()));
}

#[test]
fn no_mutant_breaks_an_answer() {
    let (fixtures, wanted) = (fixtures(), wanted());
    let mut random = Random(0x5EED_0006);
    let (mut answered, mut slowest) = (0, Duration::ZERO);
    for round in 0..wanted.end {
        let mut bytes = fixtures[round % fixtures.len()].clone();
        mutate(&mut bytes, &mut random);
        if round < wanted.start {
            continue;
        }
        let started = cpu_time();
        answered += usize::from(ask_all(&bytes));
        let took = cpu_time().saturating_sub(started);
        assert!(took < LIMIT, "mutant {round} took {took:?}");
        slowest = slowest.max(took);
        if is_soak() && (round + 1) % 10_000 == 0 {
            println!("{} mutants, {answered} answered, slowest {slowest:?}", round + 1 - wanted.start);
        }
    }
    println!("mutants {wanted:?}: {answered} answered, slowest {slowest:?}");
    // Mutants that nothing reads would prove nothing.
    assert!(answered * 2 > wanted.len(), "{answered} of {} could be read", wanted.len());
}

#[test]
fn every_cut_of_a_fixture_is_told() {
    for bytes in fixtures() {
        assert!(ask_all(&bytes));
        let step = if is_soak() { 1 } else { 499 };
        for cut in (0..bytes.trim_ascii_end().len()).step_by(step) {
            match heapsnapshot::decode(&mut &bytes[..cut]) {
                Ok(decoded) => assert!(decoded.damage.is_some_and(|damage| damage.cut), "cut at {cut}"),
                Err(error) => assert!(error.to_string().contains("end of data at byte"), "cut at {cut}: {error}"),
            }
        }
    }
}

#[test]
fn every_thousandth_cut_of_a_whole_snapshot_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.heapsnapshot");
    let program = format!("require('v8').writeHeapSnapshot({:?})", path.display().to_string());
    let Ok(status) = std::process::Command::new("node").args(["-e", &program]).status() else {
        eprintln!("SKIPPED: no `node` on the path");
        assert!(std::env::var_os("BRIMLINE_TEST_STRICT").is_none(), "BRIMLINE_TEST_STRICT allows no skip");
        return;
    };
    assert!(status.success());
    let bytes = std::fs::read(&path).unwrap();
    let step = if is_soak() { 1_000 } else { bytes.len() / 40 };
    let mut nodes = 0;
    for cut in (0..bytes.len() - 2).step_by(step) {
        let Ok(decoded) = heapsnapshot::decode(&mut &bytes[..cut]) else {
            assert!(cut < 4096, "cut at {cut}");
            continue;
        };
        assert!(decoded.damage.is_some_and(|damage| damage.cut), "cut at {cut}");
        let found = decoded.graph.node_count();
        assert!(found >= nodes, "cut at {cut}");
        nodes = found;
        if cut % (step * 16) == 0 {
            let heap = Heap::new(decoded.graph);
            assert_eq!(Summary::of(&heap).nodes, nodes as u64);
        }
    }
}
