//! A copy of a `.heapsnapshot` without what its strings say, made while the snapshot passes by.
//!
//! Strings that occur only as values (contents of strings, numbers, symbols, regular expressions, script source) become
//! empty; names of classes, functions, properties, variables and scripts stay, except keys of objects used as
//! dictionaries (more than 32 own keys, or keys that are no identifiers) and names that look like secrets; [`text`] says
//! what of a name goes. Nodes, edges and sizes are untouched, so other tools open the copy and show the same numbers.
//!
//! `strings` must be the last section, as V8 writes it: which strings are names is gathered from the sections before it
//! ([`names`]), a few bytes for each node. A section that is not known and has strings is refused.

mod names;
mod pipe;
mod text;

use super::heapsnapshot::{EdgeField, Layout, NodeField};
use super::scanner::{Scanner, Stop};
use super::{EdgeKind, NodeKind};
use names::Names;
use std::io::{BufWriter, Read, Write};

pub use pipe::RedactingWriter;

/// Why a redacted copy is not whole. What was written before is a snapshot that was cut, and as redacted as a whole one.
#[derive(Debug, thiserror::Error)]
pub enum RedactError {
    /// The snapshot ends early, or is not laid out as V8 does it.
    #[error(
        "expected a whole V8 heap snapshot whose last section is `strings`, found in section `{section}`: {reason}"
    )]
    Broken {
        /// Where reading stopped.
        section: String,
        /// What stopped it, and at which byte.
        reason: String,
        /// True when the bytes simply end.
        cut: bool,
    },
    /// Reading or writing failed.
    #[error("failed to copy the snapshot: {0}")]
    Copy(#[from] std::io::Error),
}

/// Copies the plain snapshot behind `reader` to `writer`; answers how many strings it emptied or shortened.
pub fn redact(reader: &mut dyn Read, writer: &mut dyn Write) -> Result<u64, RedactError> {
    let mut scanner = Scanner::copying(reader, writer);
    let mut section = String::new();
    let outcome = sections(&mut scanner, &mut section);
    // What was read past before an error is numbers, or was written by `strings`.
    let rest = scanner.end_copy();
    let (reason, cut) = match outcome.and_then(|changed| rest.map(|_| changed)) {
        Ok(changed) => return Ok(changed),
        Err(Stop::Read { source, .. } | Stop::Write(source)) => return Err(RedactError::Copy(source)),
        Err(stop) => (stop.to_string(), matches!(stop, Stop::End(_))),
    };
    Err(RedactError::Broken { section, reason, cut })
}

fn sections(scanner: &mut Scanner<'_>, section: &mut String) -> Result<u64, Stop> {
    let mut layout = None;
    let mut names = Names::default();
    let (mut has_nodes, mut has_edges) = (false, false);
    let misplaced = |scanner: &Scanner<'_>| scanner.unexpected("sections in the order in which V8 writes them", None);
    scanner.expect(b'{', "`{`")?;
    loop {
        scanner.string(section)?;
        scanner.expect(b':', "`:`")?;
        match (section.as_str(), &layout) {
            ("snapshot", None) => {
                let mut raw = Vec::new();
                scanner.value(&mut raw, 16 << 20)?;
                let read = Layout::read(&raw);
                layout = Some(read.map_err(|_| scanner.unexpected("the `meta` of a V8 heap snapshot", None))?);
            }
            ("nodes", Some(layout)) if !has_nodes => {
                scanner.integers(nodes(layout, &mut names))?;
                has_nodes = true;
            }
            ("edges", Some(layout)) if has_nodes && !has_edges => {
                scanner.integers(edges(layout, &mut names))?;
                has_edges = true;
            }
            ("trace_function_infos", Some(layout)) => scanner.integers(functions(layout, &mut names))?,
            ("strings", Some(_)) if has_edges => {
                if let Some(writer) = scanner.end_copy()? {
                    return strings(scanner, names, &mut BufWriter::new(writer));
                }
            }
            ("snapshot" | "nodes" | "edges" | "trace_function_infos" | "strings", _) => return Err(misplaced(scanner)),
            _ => scanner.skip_numbers()?,
        }
        scanner.expect(b',', "`,` after a section, for `strings` to follow")?;
    }
}

fn nodes<'a>(layout: &'a Layout, names: &'a mut Names) -> impl FnMut(u64) -> bool + 'a {
    let kinds: Vec<_> = layout.node_kinds.iter().map(|kind| NodeKind::from_name(kind)).collect();
    let fields = &layout.node_fields[..];
    let (mut kind, mut name, mut edges, mut at) = (NodeKind::Other, 0, 0, 0);
    move |value| {
        match fields[at] {
            NodeField::Kind => kind = kinds.get(value as usize).copied().unwrap_or(NodeKind::Other),
            NodeField::Name => name = value,
            NodeField::EdgeCount => edges = value,
            _ => {}
        }
        at += 1;
        if at == fields.len() {
            at = 0;
            names.node(kind, name, edges);
        }
        true
    }
}

fn edges<'a>(layout: &'a Layout, names: &'a mut Names) -> impl FnMut(u64) -> bool + 'a {
    let fields = &layout.edge_fields[..];
    let (mut kind, mut name, mut at) = (EdgeKind::Other, 0, 0);
    move |value| {
        match fields[at] {
            EdgeField::Kind => kind = layout.edge_kinds.get(value as usize).copied().unwrap_or(EdgeKind::Other),
            EdgeField::Name => name = value,
            _ => {}
        }
        at += 1;
        if at == fields.len() {
            at = 0;
            names.edge(kind, name);
        }
        true
    }
}

fn functions<'a>(layout: &'a Layout, names: &'a mut Names) -> impl FnMut(u64) -> bool + 'a {
    let fields = &layout.trace_fields[..];
    let mut at = 0;
    move |value| {
        if fields.get(at).is_some_and(|field| field == "name" || field == "script_name") {
            names.keep(value);
        }
        at = if at + 1 < fields.len() { at + 1 } else { 0 };
        true
    }
}

fn strings(scanner: &mut Scanner<'_>, names: Names, out: &mut dyn Write) -> Result<u64, Stop> {
    let mut held = names.into_strings(out);
    let read = read_strings(scanner, &mut held);
    // Also after an error: what is whole is written.
    let changed = held.end().map_err(Stop::Write)?;
    read?;
    out.write_all(b"]}\n").and_then(|()| out.flush()).map_err(Stop::Write)?;
    Ok(changed)
}

fn read_strings(scanner: &mut Scanner<'_>, held: &mut names::Strings<'_>) -> Result<(), Stop> {
    scanner.expect(b'[', "`[`")?;
    let mut text = String::new();
    let mut ended = scanner.take(b']')?;
    while !ended {
        scanner.string(&mut text)?;
        held.push(&text).map_err(Stop::Write)?;
        ended = scanner.take(b']')?;
        if !ended {
            scanner.expect(b',', "`,` or `]` after a string")?;
        }
    }
    scanner.expect(b'}', "`}` after the strings")
}

#[cfg(test)]
mod tests;
