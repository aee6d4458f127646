//! Totals equal those of wrappers around Python's allocators written in C, and of C code whose sums are known, ±0.
use crate::answer::{Figures, Report};
use crate::python::{Python, pythons, shared_library};
use crate::session::{Session, ended};

const MAIN: &str = include_str!("programs/counting_main.py");
const REGION: &str = include_str!("programs/counting_region.py");
const SHIM: &str = include_str!("programs/counting_shim.c");

/// Records the region on some threads; gives the shim's four numbers and the report.
fn record(python: &Python, threads: usize) -> ([i64; 4], Report) {
    let session = Session::new();
    let shim = shared_library(&session.work(), "shim", SHIM);
    session.write("counting_region.py", REGION);
    let main = session.write("counting_main.py", MAIN);
    let mut command = session.run([&python.bare, &main, &shim]);
    let ended = ended(command.arg(threads.to_string())).expect_code(0);
    let numbers: Vec<i64> = ended.stdout.split_whitespace().map(|word| word.parse().unwrap()).collect();
    (numbers.try_into().expect("four numbers"), session.report())
}

fn sum(report: &Report) -> Figures {
    let mut sum = Figures::default();
    report.lines("counting_region.py").into_values().for_each(|line| sum.add(line));
    // What the call itself takes, before the called function's first instruction, is the caller's.
    sum.add(report.line_with("counting_main.py", MAIN, "counting_region.region()"));
    sum
}

#[test]
fn totals_equal_an_independent_count() {
    for python in pythons() {
        let (_, without) = record(&python, 0);
        let without = sum(&without);
        for threads in [1, 4] {
            let ([blocks, bytes, ..], report) = record(&python, threads);
            let with = sum(&report);
            assert!(blocks > 50_000, "the shim counted {blocks} blocks");
            let found = (with.total_count - without.total_count, with.total_bytes - without.total_bytes);
            assert_eq!(found, (blocks, bytes), "{} with {threads} threads", python.bare.display());
        }
    }
}

#[test]
fn native_blocks_are_on_the_line_that_asked_for_them() {
    for python in pythons() {
        let ([_, _, burst, aligned], report) = record(&python, 0);
        let line = report.line_with("counting_main.py", MAIN, "burst = shim.native_burst(3000, 10)");
        // The returned number lives too, and ctypes keeps the function object it made for the attribute.
        let small = 2000..2000 + 8;
        assert!(small.contains(&line.live_count), "{line:?}");
        assert!((burst..burst + 1000).contains(&line.live_bytes), "{burst} {line:?}");
        let line = report.line_with("counting_main.py", MAIN, "aligned = shim.native_aligned(400)");
        assert!((400..408).contains(&line.live_count), "{line:?}");
        assert!((aligned..aligned + 1000).contains(&line.live_bytes), "{aligned} {line:?}");
    }
}

#[test]
fn rows_add_up_to_the_totals() {
    for python in pythons() {
        let (_, report) = record(&python, 4);
        assert_eq!(report.sum(), report.totals);
    }
}
