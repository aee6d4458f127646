//! Memory maps: lines of `/proc/PID/maps`, or the shorter ones that some writers print.

use std::sync::LazyLock;

use regex::Regex;

use super::builder::anywhere;
use crate::model::{Location, Mapping};

/// A pattern of this crate; all are covered by tests.
pub(super) fn pattern(text: &str) -> Option<Regex> {
    Regex::new(text).ok()
}

/// `start-end perm offset dev inode path`.
static PROC: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(concat!(
        r"^\s*(?:0x)?([[:xdigit:]]+)[\s-]?\s*(?:0x)?([[:xdigit:]]+):?(?:\s+([-rwxp]+))?(?:\s+([[:xdigit:]]+))?",
        r"\s+[[:xdigit:]]+:[[:xdigit:]]+\s+[[:digit:]]+(?:\s+(\S+))?"
    ))
});
/// `start-end: path (@offset) build-id`.
static BRIEF: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(concat!(
        r"^\s*(?:0x)?([[:xdigit:]]+)[\s-]?\s*(?:0x)?([[:xdigit:]]+):?(?:\s+([-rwxp]+))?",
        r"(?:\s+(\S+))?(?:\s+\(@([[:xdigit:]]+)\))?(?:\s+([[:xdigit:]]+))?"
    ))
});
/// What loggers write before a line.
static LOGGED: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r"^[^\[\]]+:[0-9]+]\s"));
static LIBRARY: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r"([.]so$|[.]so[._][0-9]+)"));

/// Executable mappings of the lines; `name=value` lines define `$name` for the following ones.
pub(super) fn parse<'l>(lines: impl Iterator<Item = &'l str>) -> Vec<Mapping> {
    let mut mappings = Vec::new();
    let mut variables: Vec<(String, String)> = Vec::new();
    for line in lines {
        let prefix = LOGGED.as_ref().and_then(|logged| logged.find(line)).map_or(0, |found| found.end());
        let mut line = line[prefix..].to_owned();
        for (name, value) in &variables {
            line = line.replace(name, value);
        }
        match entry(&line) {
            Entry::Code(mapping) => mappings.push(mapping),
            Entry::Data => {}
            Entry::Other => {
                if let Some((name, value)) = line.split_once('=') {
                    variables.push((format!("${}", name.trim()), value.trim().to_owned()));
                }
            }
        }
    }
    mappings
}

/// What a line of a memory map is.
enum Entry {
    Code(Mapping),
    Data,
    Other,
}

fn entry(line: &str) -> Entry {
    let long = PROC.as_ref().and_then(|proc| proc.captures(line));
    let is_long = long.is_some();
    let found = long.or_else(|| BRIEF.as_ref().and_then(|brief| brief.captures(line)));
    let Some(found) = found else { return Entry::Other };
    let text = |group: usize| found.get(group).map_or("", |part| part.as_str());
    let (offset, file, build_id) = if is_long { (text(4), text(5), "") } else { (text(5), text(4), text(6)) };
    if !text(3).is_empty() && !text(3).contains('x') {
        return Entry::Data;
    }
    let hex = |text: &str| if text.is_empty() { Ok(0) } else { u64::from_str_radix(text, 16) };
    let (Ok(start), Ok(limit), Ok(offset)) = (hex(text(1)), hex(text(2)), hex(offset)) else { return Entry::Other };
    let (file, build_id) = (file.to_owned(), build_id.to_owned());
    Entry::Code(Mapping { start, limit, offset, file, build_id, ..Mapping::default() })
}

/// Joins mappings that were split, and puts what looks like the main binary first.
pub(super) fn arrange(mappings: &mut Vec<Mapping>) {
    let mut joined: Vec<Mapping> = Vec::new();
    for mapping in mappings.drain(..) {
        match joined.last_mut().filter(|last| adjacent(last, &mapping)) {
            Some(last) => {
                last.limit = mapping.limit;
                if !mapping.file.is_empty() {
                    last.file = mapping.file;
                }
                if !mapping.build_id.is_empty() {
                    last.build_id = mapping.build_id;
                }
            }
            None => joined.push(mapping),
        }
    }
    let main = joined.iter().position(|mapping| {
        let file = mapping.file.replace("(deleted)", "");
        let file = file.trim();
        let library = LIBRARY.as_ref().is_some_and(|library| library.is_match(file));
        !file.is_empty() && !library && !file.starts_with('[')
    });
    if let Some(main) = main {
        joined.swap(0, main);
    }
    *mappings = joined;
}

fn adjacent(one: &Mapping, other: &Mapping) -> bool {
    let differ = |one: &str, other: &str| !one.is_empty() && !other.is_empty() && one != other;
    let size = one.limit.wrapping_sub(one.start);
    !differ(&one.file, &other.file)
        && !differ(&one.build_id, &other.build_id)
        && one.limit == other.start
        && (one.offset == 0 || other.offset == 0 || one.offset.wrapping_add(size) == other.offset)
}

/// Gives every address its mapping.
pub(super) fn assign(mappings: &mut Vec<Mapping>, locations: &mut [Location]) {
    if let [first, second, ..] = &mappings[..]
        && first.file.starts_with("/anon_hugepage")
        && first.limit == second.start
    {
        mappings.remove(0);
    }
    // Main binaries of old x86 programs start here, whatever part of them the map shows.
    const USUAL_START: u64 = 0x40_0000;
    if let Some(main) = mappings.first_mut()
        && main.start.wrapping_sub(main.offset) == USUAL_START
    {
        main.start = USUAL_START;
        main.offset = 0;
    }
    let mut fallback = None;
    for location in locations.iter_mut().filter(|location| location.address != 0) {
        let address = location.address;
        let inside = mappings.iter().position(|mapping| (mapping.start..mapping.limit).contains(&address));
        let before = || {
            // The text segment may be mapped from an offset while the map names the whole file's start.
            let near = |mapping: &Mapping| {
                mapping.offset != 0 && mapping.start.wrapping_sub(mapping.offset) <= address && address < mapping.start
            };
            mappings.iter().position(near)
        };
        let row = match inside.or_else(before) {
            Some(row) => {
                if inside.is_none() {
                    let mapping = &mut mappings[row];
                    mapping.start = mapping.start.wrapping_sub(mapping.offset);
                    mapping.offset = 0;
                }
                row
            }
            None => *fallback.get_or_insert_with(|| {
                mappings.push(anywhere());
                mappings.len() - 1
            }),
        };
        location.mapping = Some(row as u32);
    }
}
