//! Dropping the frames of allocators, signal handlers and the like.

use std::collections::HashMap;

use regex::Regex;

use crate::expression;
use crate::model::{Text, View};

/// A function name without its argument list, and without the dot that PPC64 puts before it.
fn simple_name(name: &str) -> &str {
    const RESERVED: [&str; 2] = ["(anonymous namespace)", "operator()"];
    let name = name.strip_prefix('.').unwrap_or(name);
    let mut at = 0;
    while let Some(rest) = name.get(at..) {
        let reserved = RESERVED.iter().filter_map(|word| rest.find(word).map(|found| (found, word.len()))).min();
        match (rest.find('('), reserved) {
            (Some(open), Some((found, length))) if found <= open => at += found + length,
            (Some(open), _) => return &name[..at + open],
            (None, _) => break,
        }
    }
    name
}

impl View<'_> {
    /// Drops what the profile itself asks to drop: frames matching `drop_frames` but not `keep_frames`, and what they
    /// call. Frames outside of all others stay.
    pub fn drop_uninteresting(&mut self) -> Result<(), regex::Error> {
        if self.drop_frames.is_empty() {
            return Ok(());
        }
        let anchored = |text: &str| expression::compile(&format!("^({text})$"));
        let drop = anchored(&self.drop_frames)?;
        let keep = if self.keep_frames.is_empty() { None } else { Some(anchored(&self.keep_frames)?) };
        self.prune(&drop, keep.as_ref());
        Ok(())
    }

    fn prune(&mut self, drop: &Regex, keep: Option<&Regex>) {
        let mut answers: HashMap<Text, bool> = HashMap::new();
        let mut dropped = vec![false; self.locations.len()];
        let mut cut = vec![false; self.locations.len()];
        for (index, location) in self.locations.iter_mut().enumerate() {
            let found = location.lines.iter().rposition(|line| {
                let name = self.functions[line.function as usize].name;
                *answers.entry(name).or_insert_with(|| {
                    let text = self.texts.get(name);
                    let simple = simple_name(text);
                    !text.is_empty() && drop.is_match(simple) && keep.is_none_or(|keep| !keep.is_match(simple))
                })
            });
            if let Some(found) = found {
                cut[index] = true;
                dropped[index] = found + 1 == location.lines.len();
                if !dropped[index] {
                    location.lines.drain(..=found);
                }
            }
        }
        if !cut.contains(&true) {
            return;
        }
        self.samples.rewrite(|sample, out| {
            let mut start = 0;
            let mut inside = false;
            for (index, &location) in sample.locations.iter().enumerate().rev() {
                if !cut[location as usize] {
                    inside = true;
                } else if inside {
                    start = index + usize::from(dropped[location as usize]);
                    break;
                }
            }
            out.push(&sample.locations[start..], sample.values, sample.labels);
        });
    }

    /// Drops what the innermost frame matching `expression` calls.
    pub fn prune_from(&mut self, expression: &Regex) {
        let mut cut = vec![false; self.locations.len()];
        for (index, location) in self.locations.iter_mut().enumerate() {
            let found = location.lines.iter().position(|line| {
                let name = self.texts.get(self.functions[line.function as usize].name);
                !name.is_empty() && expression.is_match(simple_name(name))
            });
            if let Some(found) = found {
                cut[index] = true;
                location.lines.drain(..found);
            }
        }
        self.samples.rewrite(|sample, out| {
            let start = sample.locations.iter().position(|&location| cut[location as usize]).unwrap_or(0);
            out.push(&sample.locations[start..], sample.values, sample.labels);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::simple_name;

    #[test]
    fn cuts_argument_lists_but_not_reserved_names() {
        assert_eq!(simple_name(".f(int)"), "f");
        assert_eq!(simple_name("(anonymous namespace)::g(char)"), "(anonymous namespace)::g");
        assert_eq!(simple_name("X::operator()(int)"), "X::operator()");
        assert_eq!(simple_name("plain"), "plain");
    }
}
