//! Waiting for locks: `--- contentionz 1 ---`, `--- mutex:`, `--- contention:`.

use std::sync::LazyLock;

use regex::Regex;

use super::builder::Builder;
use super::maps::pattern;
use super::{Outcome, addresses, damaged, is_blank, map_lines};

static SAMPLE: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r"(\d+) *(\d+) @([ x0-9a-f]*)"));

const FORMAT: &str = "contention";

pub(super) fn read(text: &str) -> Outcome {
    let lines: Vec<&str> = text.lines().collect();
    let starts = ["--- contentionz ", "--- mutex:", "--- contention:"];
    if !lines.first().is_some_and(|line| starts.iter().any(|start| line.starts_with(start))) {
        return Ok(None);
    }
    let types = [("contentions", "count"), ("delay", "nanoseconds")];
    let mut builder = Builder::new(("contentions", "count"), &types);
    builder.view.period = 1;
    let mut cycles = 0;
    let mut at = 1;
    while let Some(&line) = lines.get(at) {
        if line.trim().starts_with("---") {
            break;
        }
        if !is_blank(line) {
            let Some((key, value)) = line.split_once('=') else { break };
            let number = value.trim().parse::<i64>();
            match (key.trim(), number) {
                ("cycles/second", Ok(number)) => cycles = number,
                ("sampling period", Ok(number)) => builder.view.period = number,
                ("ms since reset", Ok(number)) => builder.view.duration_nanos = number.wrapping_mul(1_000_000),
                ("discarded samples", _) => {}
                // Java's profiles start alike and have other attributes.
                _ => return Ok(None),
            }
        }
        at += 1;
    }
    while let Some(&line) = lines.get(at).filter(|line| !line.trim().starts_with("---")) {
        at += 1;
        if is_blank(line) {
            continue;
        }
        let Some(found) = SAMPLE.as_ref().and_then(|sample| sample.captures(line)) else { return Ok(None) };
        let (Ok(mut delay), Ok(mut count)) = (found[1].parse::<i64>(), found[2].parse::<i64>()) else {
            return damaged(FORMAT, line);
        };
        let period = builder.view.period;
        if period > 0 {
            if cycles > 0 {
                delay = (delay as f64 * period as f64 / (cycles as f64 / 1e9)) as i64;
            }
            count = count.wrapping_mul(period);
        }
        let Some(stack) = addresses(&found[3]) else { return damaged(FORMAT, line) };
        builder.sample(&stack, 0, vec![count, delay], None);
    }
    Ok(Some(builder.finish_with_map(map_lines(&lines, at).into_iter())))
}
