//! Go's counted stacks: `goroutine profile: total 5` and the like.

use super::builder::Builder;
use super::{Outcome, addresses, damaged, is_blank, map_lines};

const FORMAT: &str = "Go count";

pub(super) fn read(text: &str) -> Outcome {
    let lines: Vec<&str> = text.lines().collect();
    let Some(start) = lines.iter().position(|line| !is_blank(line)) else { return Ok(None) };
    let Some((name, total)) = lines[start].split_once(" profile: total ") else { return Ok(None) };
    if name.is_empty() || name.contains(char::is_whitespace) || total.parse::<u64>().is_err() {
        return Ok(None);
    }
    let mut builder = Builder::new((name, "count"), &[(name, "count")]);
    builder.view.period = 1;
    let mut at = start + 1;
    while let Some(line) = lines.get(at).filter(|line| !line.starts_with("---")) {
        at += 1;
        if is_blank(line) {
            continue;
        }
        let parts = line.split_once(" @ 0x").map(|(count, _)| (count.parse::<i64>(), addresses(line)));
        let Some((Ok(count), Some(stack))) = parts else { return damaged(FORMAT, line) };
        builder.sample(&stack, 0, vec![count], None);
    }
    Ok(Some(builder.finish_with_map(map_lines(&lines, at).into_iter())))
}
