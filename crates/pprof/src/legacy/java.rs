//! Java's profiles: samples by address, then a table that gives each address a function.

use std::sync::LazyLock;

use regex::Regex;

use super::builder::Builder;
use super::heap::unsampled;
use super::maps::pattern;
use super::{Outcome, addresses, damaged};
use crate::granularity::Granularity;
use crate::model::{Line, ValueType, View};

static ATTRIBUTE: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r"((?-u:\w| )+)=((?-u:\w| )+)"));
static SAMPLE: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r" *(\d+) +(\d+) +@ +([ x0-9a-f]*)"));
static LOCATION: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r"^\s*0x([[:xdigit:]]+)\s+(.*)\s*$"));
static FILE_LINE: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r"^(.*)\s+\((.+):(-?[[:digit:]]+)\)$"));
static PATH: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r"^(.*)\s+\((.*)\)$"));

/// Mean distance between the samples of Java's heap profiler.
const HEAP_RATE: i64 = 524_288;

pub(super) fn read(text: &str) -> Outcome {
    let Some((first, rest)) = text.split_once('\n') else { return Ok(None) };
    let heap = match first.trim() {
        "--- heapz 1 ---" => true,
        "--- contentionz 1 ---" => false,
        _ => return Ok(None),
    };
    let mut builder = Builder::default();
    let mut lines = rest.lines().peekable();
    while let Some(line) = lines.peek() {
        if !line.trim().is_empty() {
            let Some(found) = ATTRIBUTE.as_ref().and_then(|attribute| attribute.captures(line)) else { break };
            if !attribute(&mut builder, heap, found[1].trim(), found[2].trim()) {
                return Ok(None);
            }
        }
        lines.next();
    }
    while let Some(line) = lines.peek() {
        if !line.trim().is_empty() {
            let Some(found) = SAMPLE.as_ref().and_then(|sample| sample.captures(line)) else { break };
            let (Ok(size), Ok(count), Some(stack)) =
                (found[1].parse::<i64>(), found[2].parse::<i64>(), addresses(&found[3]))
            else {
                return damaged("Java", line);
            };
            let (values, block) = if heap {
                if count == 0 {
                    return damaged("Java", line);
                }
                (unsampled(count, size, HEAP_RATE), Some(size / count))
            } else {
                let factor = if builder.view.period == 0 { 1 } else { builder.view.period };
                ((count.wrapping_mul(factor), size.wrapping_mul(factor)), None)
            };
            builder.sample(&stack, stack.len(), vec![values.0, values.1], block);
        }
        lines.next();
    }
    if builder.view.sample_types.len() != 2 {
        return Ok(None);
    }
    let rest: Vec<&str> = lines.collect();
    Ok(Some(finish(builder, &rest.join("\n"))))
}

fn attribute(builder: &mut Builder, heap: bool, name: &str, value: &str) -> bool {
    let types = |one: &str, other: &str| vec![ValueType::new(one, "count"), ValueType::new(other, value)];
    match (heap, name, value.parse::<i64>()) {
        (_, "format", _) => return value == "java",
        (true, "resolution", _) => builder.view.sample_types = types("inuse_objects", "inuse_space"),
        (false, "resolution", _) => builder.view.sample_types = types("contentions", "delay"),
        (false, "sampling period", Ok(period)) => {
            builder.view.period_type = ValueType::new("contentions", "count");
            builder.view.period = period;
        }
        (false, "ms since reset", Ok(millis)) => builder.view.duration_nanos = millis.wrapping_mul(1_000_000),
        _ => return false,
    }
    true
}

/// Names the locations by the table in `text`.
pub(super) fn finish(mut builder: Builder, text: &str) -> View<'static> {
    for line in text.lines() {
        let Some(found) = LOCATION.as_ref().and_then(|location| location.captures(line.trim())) else { continue };
        let Ok(address) = u64::from_str_radix(&found[1], 16) else { continue };
        if builder.known(address).is_none() {
            continue;
        }
        let place = &found[2];
        let (name, file, number) = if let Some(parts) = FILE_LINE.as_ref().and_then(|rule| rule.captures(place)) {
            let number = parts[3].parse::<i64>().ok().filter(|&number| number > 0).unwrap_or(0);
            (parts[1].to_owned(), parts[2].to_owned(), number)
        } else if let Some(parts) = PATH.as_ref().and_then(|rule| rule.captures(place)) {
            (parts[1].to_owned(), crate::paths::base(&parts[2]).to_owned(), 0)
        } else if place.contains("generated stub/JIT") {
            ("STUB".to_owned(), String::new(), 0)
        } else {
            (place.to_owned(), String::new(), 0)
        };
        let function = builder.function(&name, &file);
        if let Some(location) = builder.known(address) {
            location.lines = vec![Line { function, line: number, column: 0 }];
            location.address = 0;
        }
    }
    let mut view = builder.finish();
    view.coarsen(Granularity {
        inlines: true,
        functions: true,
        files: true,
        lines: true,
        columns: false,
        addresses: false,
    });
    view
}
