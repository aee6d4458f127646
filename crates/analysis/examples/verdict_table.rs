//! Judges recorded traces and seeded generators and prints the tables of `docs/verdict.md`.
//!
//!     cargo run --release -p brimline-analysis --example verdict_table -- bench/verdict/traces [SPLIT]
#![expect(clippy::disallowed_methods, reason = "the table reads recorded traces and the kernel's count of its time")]
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::collections::BTreeMap;

use brimline_analysis::trend::statistics::order::{median, robust_deviation};
use brimline_analysis::trend::{JudgeOptions, Verdict, judge};
use brimline_profile::formats::series_columns::SeriesOptions;
use brimline_profile::formats::series_csv;
use brimline_profile::series::{Series, Signal, Unit};

#[path = "verdict_table/generate.rs"]
mod generate;
#[path = "verdict_table/other_shapes.rs"]
mod other_shapes;

/// Truth, answer and signal of one case.
type Case = (String, &'static str, Verdict);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| "bench/verdict/traces".into());
    let split = arguments.next().unwrap_or_else(|| "held_out".into());
    if split == "other_shapes" {
        others(false);
        others(true);
        return;
    }
    recorded(&folder, &split, "heap_after_gc", Signal::HeapAfterGc);
    recorded(&folder, &split, "rss", Signal::Rss);
    let first = if split == "tune" { 1 } else { 100_001 };
    let cases: Vec<Case> = generate::nine_classes(first)
        .into_iter()
        .map(|(truth, series)| {
            let report = judge(&series, &JudgeOptions::default());
            let at = report.verdicts.iter().position(|one| one.metric == "rss").unwrap_or(0);
            (truth.to_owned(), "generated", report.verdicts[at].verdict)
        })
        .collect();
    table("generated, nine classes", &cases);
    slopes(first);
    delay(first);
    cost();
}

fn recorded(folder: &str, split: &str, metric: &str, signal: Signal) {
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let (mut cases, mut eligible): (Vec<Case>, Vec<Case>) = (Vec::new(), Vec::new());
    for path in names {
        let text = std::fs::read_to_string(&path).unwrap();
        let head = text.lines().next().unwrap_or_default();
        let field = |key: &str| head.split(&format!("{key}=")).nth(1)?.split(' ').next();
        if field("split") != Some(split) {
            continue;
        }
        // Batches make leaks large enough for resident memory; on the heap they would only be easy.
        if signal != Signal::Rss && field("batch").is_some_and(|batch| batch != "1") {
            continue;
        }
        let truth = field("truth").unwrap_or_default();
        // What grows outside of the heap grows rightly in resident memory, and ten points are too few in any signal.
        if signal == Signal::Rss && matches!(truth, "fragmentation_or_native" | "insufficient_data") {
            continue;
        }
        let (column, read_as) = match truth {
            "gc_sawtooth" if signal != Signal::Rss => ("heap", Signal::Heap),
            "fragmentation_or_native" => ("rss", Signal::Rss),
            _ => (metric, signal),
        };
        let mut series = vec![column_of(&text, column, read_as)];
        if truth == "fragmentation_or_native" {
            series.push(column_of(&text, "heap_after_gc", Signal::HeapAfterGc));
        }
        let judged = &judge(&series, &JudgeOptions::default()).verdicts[0];
        if signal == Signal::Rss && (!is_leak(truth) || shows(&series[0], &text)) {
            eligible.push((truth.to_owned(), "recorded", judged.verdict));
        }
        if is_leak(truth) != judged.verdict.is_leak() || judged.verdict.name() != truth {
            println!("  {metric} {}: {truth} -> {}", path.file_stem().unwrap().display(), judged.verdict.name());
        }
        cases.push((truth.to_owned(), "recorded", judged.verdict));
    }
    table(&format!("recorded, {split}, {metric}"), &cases);
    if signal == Signal::Rss {
        table(&format!("recorded, {split}, {metric}, leaks of 5 % and 10 sigma"), &eligible);
    }
}

fn column_of(text: &str, column: &str, signal: Signal) -> Series {
    let options = SeriesOptions { value: Some(column.into()), unit: Some("bytes".into()) };
    let read = series_csv::decode(text.as_bytes(), &options).unwrap().series.remove(0);
    Series { signal: Some(signal), ..read }
}

/// Whether what the program leaks (its heap after collections, from the first third on) is 5 % of its first resident
/// memory and ten standard deviations of the noise of that, which is taken from the differences of neighbours.
fn shows(resident: &Series, text: &str) -> bool {
    let heap = values(&column_of(text, "heap_after_gc", Signal::HeapAfterGc));
    let resident = values(resident);
    let eighth = (heap.len() / 8).max(1);
    let level = |part: &[f64]| median(part);
    let third = heap.len() / 3;
    let leaked = 1.5 * (level(&heap[heap.len() - eighth..]) - level(&heap[third..third + eighth]));
    let steps: Vec<f64> = resident.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let noise = robust_deviation(&steps) / std::f64::consts::SQRT_2;
    leaked >= 0.05 * level(&resident[..eighth]) && leaked >= 10.0 * noise
}

fn values(series: &Series) -> Vec<f64> {
    series.points.iter().map(|point| point.value).collect()
}

fn is_leak(truth: &str) -> bool {
    matches!(truth, "linear_leak" | "stepwise_growth")
}

fn table(title: &str, cases: &[Case]) {
    let count = |f: &dyn Fn(&Case) -> bool| cases.iter().filter(|case| f(case)).count() as f64;
    // Series too short to tell are neither leaks nor free of them.
    let is_calm = |c: &Case| !is_leak(&c.0) && c.0 != "insufficient_data";
    let (tp, fp) = (count(&|c| is_leak(&c.0) && c.2.is_leak()), count(&|c| !is_leak(&c.0) && c.2.is_leak()));
    let leaks = count(&|c| is_leak(&c.0));
    let calm = count(&is_calm);
    let abstained = count(&|c| is_calm(c) && c.2 == Verdict::InsufficientData);
    let missed = count(&|c| is_leak(&c.0) && c.2 == Verdict::InsufficientData);
    println!("\n## {title}: {} cases", cases.len());
    println!(
        "F1 {:.3}  precision {:.3}  recall {:.3}  false alarms {:.1} % of {calm}  abstained {:.1} % of no-leak, {missed} of {leaks} leaks",
        2.0 * tp / (tp + fp + leaks).max(1.0),
        tp / (tp + fp).max(1.0),
        tp / leaks.max(1.0),
        100.0 * fp / calm.max(1.0),
        100.0 * abstained / calm.max(1.0)
    );
    let mut confusion: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for (truth, _, verdict) in cases {
        *confusion.entry(truth).or_default().entry(verdict.name()).or_default() += 1;
    }
    let mut scores = Vec::new();
    for (truth, answers) in &confusion {
        let hit = count(&|c| c.0 == *truth && c.2.name() == *truth);
        let all = count(&|c| c.0 == *truth) + count(&|c| c.2.name() == *truth);
        scores.push(2.0 * hit / all.max(1.0));
        println!("| {truth} | {:.3} | {answers:?} |", 2.0 * hit / all.max(1.0));
    }
    println!("macro F1 {:.3}", scores.iter().sum::<f64>() / scores.len().max(1) as f64);
}

/// The answers for forty seeds of each other shape, read as its own signal or as resident memory.
fn others(resident: bool) {
    println!("\n## other shapes, {}", if resident { "as resident memory" } else { "by their own signal" });
    let (mut hits, mut alarms, mut leaks, mut calm, mut abstained) = (0_u32, 0_u32, 0_u32, 0_u32, 0_u32);
    for shape in other_shapes::SHAPES {
        let mut answers: BTreeMap<&str, usize> = BTreeMap::new();
        for seed in 0..40 {
            let verdict = judge(&[shape.series(seed, resident)], &JudgeOptions::default()).verdicts[0].verdict;
            *answers.entry(verdict.name()).or_default() += 1;
            let found = u32::from(verdict.is_leak());
            if shape.leaks {
                (leaks, hits) = (leaks + 1, hits + found);
            } else {
                (calm, alarms) = (calm + 1, alarms + found);
                abstained += u32::from(verdict == Verdict::InsufficientData);
            }
        }
        println!("| {} | {} | {answers:?} |", shape.name, if shape.leaks { "leak" } else { "none" });
    }
    let f1 = 2.0 * f64::from(hits) / f64::from(hits + alarms + leaks);
    println!("F1 {f1:.3}: {hits} of {leaks} leaks, {alarms} false alarms of {calm}, abstained on {abstained}");
}

fn slopes(first: u64) {
    for (phi, n) in [(0.0, 60), (0.0, 200), (0.5, 60), (0.5, 200), (0.9, 60), (0.9, 200)] {
        let (mut errors, mut covered, mut total) = (Vec::new(), 0, 0_usize);
        for seed in 0..1500 {
            let (series, truth) = generate::line(first + seed, n, phi);
            let report = judge(&[series], &JudgeOptions::default());
            let slope = &report.verdicts[0].slope;
            let (Some(low), Some(high), Some(own)) = (slope.low, slope.high, slope.per_iteration) else { continue };
            errors.push((own - truth).abs() / truth);
            covered += usize::from(low <= truth && truth <= high);
            total += 1;
        }
        errors.sort_by(f64::total_cmp);
        println!(
            "slope phi {phi} n {n}: median error {:.2} %, interval covers {:.1} % of {total}",
            100.0 * errors[errors.len() / 2],
            100.0 * covered as f64 / total as f64
        );
    }
}

fn delay(first: u64) {
    let mut delays: Vec<usize> = (0..60)
        .map(|seed| {
            (12..200)
                .find(|&seen| {
                    let series = generate::warm_up_then_leak(first + seed, 30, 30 + seen);
                    judge(&[series], &JudgeOptions::default()).verdicts[0].verdict.is_leak()
                })
                .unwrap_or(999)
        })
        .collect();
    delays.sort_unstable();
    println!("delay after warm-up at 1 sigma per iteration: median {}, 90 % {}", delays[30], delays[54]);
}

fn cost() {
    let (series, _) = generate::line(7, 10_000, 0.5);
    let begun = cpu_seconds();
    judge(&[series], &JudgeOptions::default());
    println!("10,000 points: {:.1} ms of CPU", (cpu_seconds() - begun) * 1e3);
    let sites: Vec<Series> = (0..5000)
        .map(|seed| {
            let (mut series, _) = generate::line(seed, 100, 0.5);
            series.signal = Some(Signal::SiteAfterGc);
            series.subject = format!("site {seed}");
            series.unit = Unit::Bytes;
            series
        })
        .collect();
    let begun = cpu_seconds();
    judge(&sites, &JudgeOptions::default());
    println!("5,000 sites x 100 points: {:.2} s of CPU", cpu_seconds() - begun);
}

/// Time this thread has had a processor: the machine may be busy with other things.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}
