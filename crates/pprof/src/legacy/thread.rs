//! Stacks of all threads: `--- threadz 1 ---`.

use std::sync::LazyLock;

use regex::Regex;

use super::builder::Builder;
use super::maps::pattern;
use super::{Outcome, addresses, damaged, is_blank, map_lines, starts_map};

static START: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r"--- threadz \d+ ---"));
static THREAD: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"--- Thread ([[:xdigit:]]+) \(name: (.*)/(\d+)\) stack: ---"));

const FORMAT: &str = "thread";

fn matches(rule: &LazyLock<Option<Regex>>, line: &str) -> bool {
    rule.as_ref().is_some_and(|rule| rule.is_match(line))
}

pub(super) fn read(text: &str) -> Outcome {
    let lines: Vec<&str> = text.lines().collect();
    let Some(mut at) = lines.iter().position(|line| !is_blank(line)) else { return Ok(None) };
    if matches(&START, lines[at]) {
        let next = lines[at + 1..].iter().position(|line| starts_map(line) || line.starts_with('-'));
        at = next.map_or(lines.len(), |next| at + 1 + next);
    } else if !matches(&THREAD, lines[at]) {
        return Ok(None);
    }
    let mut builder = Builder::new(("thread", "count"), &[("thread", "count")]);
    builder.view.period = 1;
    while let Some(&line) = lines.get(at) {
        if starts_map(line) || line.trim().starts_with("---- no stack trace for") {
            break;
        }
        if !matches(&THREAD, line) {
            return Ok(None);
        }
        at += 1;
        let mut stack = Vec::new();
        let mut same = false;
        while let Some(line) = lines.get(at).map(|line| line.trim()).filter(|line| !line.starts_with("---")) {
            at += 1;
            if line.contains("same as previous thread") {
                same = true;
                continue;
            }
            let Some(found) = addresses(line) else { return damaged(FORMAT, line) };
            stack.extend(found);
        }
        if same || stack.is_empty() {
            if let Some(previous) = builder.rows.last_mut() {
                previous.values[0] += 1;
            }
            continue;
        }
        builder.sample(&stack, 1, vec![1], None);
    }
    builder.drop_doubled_leaves();
    let mut view = builder.finish_with_map(map_lines(&lines, at).into_iter());
    view.period = 1;
    Ok(Some(view))
}
