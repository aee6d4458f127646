//! The binary CPU profile of gperftools, <https://gperftools.github.io/gperftools/cpuprofile-fileformat.html>,
//! and its Java variety.

use std::collections::HashMap;

use super::builder::Builder;
use super::java;
use crate::model::View;

/// Size and order of the numbers.
#[derive(Clone, Copy)]
struct Words {
    width: usize,
    big_endian: bool,
}

impl Words {
    fn next(self, bytes: &mut &[u8]) -> Option<u64> {
        let (word, rest) = bytes.split_at_checked(self.width)?;
        *bytes = rest;
        let push = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.big_endian { word.iter().fold(0, push) } else { word.iter().rev().fold(0, push) })
    }
}

pub(super) fn read(bytes: &[u8]) -> Option<View<'static>> {
    for (width, big_endian) in [(4, false), (4, true), (8, false), (8, true)] {
        let words = Words { width, big_endian };
        let mut rest = bytes;
        let header: Vec<u64> = (0..5).map_while(|_| words.next(&mut rest)).collect();
        if let [0, 3, kind @ (0 | 1), period, 0] = header[..]
            && period > 0
        {
            return samples(rest, words, period, kind == 1);
        }
    }
    None
}

fn samples(mut bytes: &[u8], words: Words, period: u64, java: bool) -> Option<View<'static>> {
    let mut builder = Builder::new(("cpu", "nanoseconds"), &[("samples", "count"), ("cpu", "nanoseconds")]);
    let period = (period as i64).wrapping_mul(1000);
    builder.view.period = period;
    while !bytes.is_empty() {
        let count = words.next(&mut bytes)?;
        let depth = words.next(&mut bytes)?;
        if depth > (bytes.len() / 4) as u64 {
            return None;
        }
        let stack: Vec<u64> = (0..depth).map(|_| words.next(&mut bytes).unwrap_or(0)).collect();
        if count == 0 && stack == [0] {
            break;
        }
        let values = vec![count as i64, (count as i64).wrapping_mul(period)];
        builder.sample(&stack, if java { stack.len() } else { 1 }, values, None);
    }
    let text = String::from_utf8_lossy(bytes);
    if java {
        return Some(java::finish(builder, &text));
    }
    // Up to two frames of the signal handler stand between leaf and caller in nearly all samples.
    for _ in 0..2 {
        let mut counts: HashMap<u32, usize> = HashMap::new();
        for row in builder.rows.iter().filter(|row| row.locations.len() > 1) {
            *counts.entry(row.locations[1]).or_default() += 1;
        }
        let enough = builder.rows.len() - builder.rows.len() / 32;
        if let Some(handler) = counts.into_iter().find(|&(_, count)| count >= enough).map(|(location, _)| location) {
            for row in builder.rows.iter_mut().filter(|row| row.locations.get(1) == Some(&handler)) {
                row.locations.remove(1);
            }
        }
    }
    builder.drop_doubled_leaves();
    Some(builder.finish_with_map(text.lines()))
}
