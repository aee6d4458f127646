//! Heap profiles: `heap profile: …`, of tcmalloc, jemalloc and early Go, and `growthz`.

use std::sync::LazyLock;

use regex::Regex;

use super::builder::Builder;
use super::maps::pattern;
use super::{Outcome, addresses, damaged, is_blank, map_lines, starts_map};

static HEADER: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"heap profile: *(\d+): *(\d+) *\[ *(\d+): *(\d+) *\] *@ *(heap[_a-z0-9]*)/?(\d*)"));
static GROWTH: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"heap profile: *(\d+): *(\d+) *\[ *(\d+): *(\d+) *\] @ (growthz?|fragmentationz?)"));
static SAMPLE: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"(-?\d+): *(-?\d+) *\[ *(\d+): *(\d+) *] @([ x0-9a-f]*)"));

const FORMAT: &str = "heap";

/// How the numbers came to be.
struct Header {
    period: i64,
    /// Values are of sampled blocks only and have to be scaled up.
    sampled: bool,
    /// Values of all allocations stand beside those in use.
    allocations: bool,
}

fn header(line: &str) -> Option<Header> {
    let Some(found) = HEADER.as_ref().and_then(|header| header.captures(line)) else {
        let growth = GROWTH.as_ref().is_some_and(|growth| growth.is_match(line));
        return growth.then_some(Header { period: 1, sampled: false, allocations: false });
    };
    let period = match &found[6] {
        "" => 0,
        digits => digits.parse::<i64>().ok()?,
    };
    let differs = |all: usize, live: usize| found[all] != found[live] && &found[all] != "0";
    let allocations = differs(3, 1) || differs(4, 2);
    let (period, sampled) = match &found[5] {
        "heapz_v2" | "heap_v2" => (period, true),
        "heapprofile" => (1, false),
        // Early writers told twice the mean distance.
        "heap" => (period / 2, true),
        _ => return None,
    };
    Some(Header { period, sampled, allocations })
}

pub(super) fn read(text: &str) -> Outcome {
    let lines: Vec<&str> = text.lines().collect();
    let Some(header) = lines.first().and_then(|line| header(line)) else { return Ok(None) };
    let types: &[(&str, &str)] = if header.allocations {
        &[("alloc_objects", "count"), ("alloc_space", "bytes"), ("inuse_objects", "count"), ("inuse_space", "bytes")]
    } else {
        &[("objects", "count"), ("space", "bytes")]
    };
    let mut builder = Builder::new(("space", "bytes"), types);
    builder.view.period = header.period;
    let mut at = 1;
    while let Some(line) = lines.get(at).copied() {
        if starts_map(line) {
            break;
        }
        at += 1;
        if is_blank(line) {
            continue;
        }
        let Some(found) = SAMPLE.as_ref().and_then(|sample| sample.captures(line)) else {
            return damaged(FORMAT, line);
        };
        let mut values = Vec::new();
        let mut block = 0;
        let pairs: &[(usize, usize)] = if header.allocations { &[(3, 4), (1, 2)] } else { &[(1, 2)] };
        for &(count, size) in pairs {
            let (Ok(count), Ok(size)) = (found[count].parse::<i64>(), found[size].parse::<i64>()) else {
                return damaged(FORMAT, line);
            };
            if count == 0 && size != 0 {
                return damaged(FORMAT, line);
            }
            if count != 0 {
                block = size.wrapping_div(count);
            }
            let scaled = if header.sampled { unsampled(count, size, header.period) } else { (count, size) };
            values.extend([scaled.0, scaled.1]);
        }
        let Some(stack) = addresses(&found[5]) else { return damaged(FORMAT, line) };
        builder.sample(&stack, 0, values, Some(block));
    }
    Ok(Some(builder.finish_with_map(map_lines(&lines, at).into_iter())))
}

/// What a sampled count and size stand for: a block of size s is seen with probability 1 - e^(-s/rate).
pub(super) fn unsampled(count: i64, size: i64, rate: i64) -> (i64, i64) {
    if count == 0 || size == 0 {
        return (0, 0);
    }
    if rate <= 1 {
        return (count, size);
    }
    let average = size as f64 / count as f64;
    let scale = 1.0 / (1.0 - (-average / rate as f64).exp());
    ((count as f64 * scale) as i64, (size as f64 * scale) as i64)
}
