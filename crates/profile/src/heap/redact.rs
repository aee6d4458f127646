//! A copy of a `.heapsnapshot` without what its strings say.
//!
//! Strings that occur only as values (contents of strings, numbers, symbols, regular expressions, script source) become
//! empty; names of classes, functions, properties, variables and scripts stay, except keys of objects used as
//! dictionaries (more than 32 own keys, or keys that are no identifiers) and names that look like secrets. Nodes, edges
//! and sizes are untouched, so other tools open the copy and show the same numbers. `strings` must come after `nodes`
//! and `edges`, as V8 writes it.

use super::scanner::{Scanner, Stop};
use super::{EdgeKind, HeapGraph, NodeId, NodeKind};
use std::io::{Read, Write};

/// An object with more own keys than this is a dictionary.
const DICTIONARY_KEYS: usize = 32;

/// Why a redacted copy could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RedactError {
    /// The file is not laid out as V8 does it.
    #[error("expected section `strings`, found end of data at byte {0}")]
    NoStrings(u64),
    /// The strings are broken.
    #[error("failed to read section `strings`: {0}")]
    Strings(String),
    /// Reading or writing failed.
    #[error("failed to copy the snapshot: {0}")]
    Copy(#[from] std::io::Error),
}

/// Copies the plain snapshot behind `reader`, whose graph is `graph`, to `writer`; answers how many strings it emptied.
pub fn redact(graph: &HeapGraph, reader: &mut dyn Read, writer: &mut dyn Write) -> Result<u64, RedactError> {
    let kept = kept_strings(graph);
    let rest = copy_until_strings(reader, writer)?;
    let mut tail = rest.as_slice().chain(reader);
    let mut scanner = Scanner::new(&mut tail);
    let broken = |stop: Stop| RedactError::Strings(stop.to_string());
    scanner.expect(b':', "`:`").and_then(|()| scanner.expect(b'[', "`[`")).map_err(broken)?;
    writer.write_all(b":[")?;
    let (mut text, mut index, mut emptied) = (String::new(), 0, 0);
    let mut ended = scanner.take(b']').map_err(broken)?;
    while !ended {
        scanner.string(&mut text).map_err(broken)?;
        if index > 0 {
            writer.write_all(b",\n")?;
        }
        if !kept.get(index).copied().unwrap_or(false) && !text.is_empty() {
            text.clear();
            emptied += 1;
        }
        writer.write_all(serde_json::Value::from(text.as_str()).to_string().as_bytes())?;
        index += 1;
        ended = scanner.take(b']').map_err(broken)?;
        if !ended {
            scanner.expect(b',', "`,` or `]` after a string").map_err(broken)?;
        }
    }
    scanner.expect(b'}', "`}` after the strings").map_err(broken)?;
    writer.write_all(b"]}\n")?;
    writer.flush()?;
    Ok(emptied)
}

/// Copies up to and with the key `"strings"`, which no section before it contains; answers what was read beyond it.
fn copy_until_strings(reader: &mut dyn Read, writer: &mut dyn Write) -> Result<Vec<u8>, RedactError> {
    const KEY: &[u8] = b"\"strings\"";
    let (mut pending, mut buffer, mut copied) = (Vec::new(), vec![0; 1 << 18], 0_u64);
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => return Err(RedactError::NoStrings(copied + pending.len() as u64)),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        pending.extend_from_slice(&buffer[..read]);
        if let Some(at) = pending.windows(KEY.len()).position(|window| window == KEY) {
            writer.write_all(&pending[..at + KEY.len()])?;
            return Ok(pending.split_off(at + KEY.len()));
        }
        // The key may lie across two reads.
        let done = pending.len().saturating_sub(KEY.len() - 1);
        writer.write_all(&pending[..done])?;
        copied += done as u64;
        pending.drain(..done);
    }
}

/// Which strings are names that may stay.
fn kept_strings(graph: &HeapGraph) -> Vec<bool> {
    let mut kept = vec![false; graph.strings().len()];
    let mut keep = |name: u32| {
        if let Some(slot) = kept.get_mut(name as usize) {
            *slot = true;
        }
    };
    for node in graph.nodes() {
        if !is_value(graph, node) {
            keep(graph.name_index(node));
        }
        let is_dictionary = is_dictionary(graph, node);
        for edge in graph.edges(node) {
            let is_key = is_dictionary && edge.kind == EdgeKind::Property;
            if !edge.kind.is_numbered() && !is_key {
                keep(edge.name);
            }
        }
    }
    for function in &graph.traces().functions {
        keep(function.name);
        keep(function.script_name);
    }
    for (slot, text) in kept.iter_mut().zip(graph.strings().iter()) {
        *slot = *slot && !looks_secret(text);
    }
    kept
}

fn is_value(graph: &HeapGraph, node: NodeId) -> bool {
    match graph.kind(node) {
        NodeKind::String
        | NodeKind::ConsString
        | NodeKind::SlicedString
        | NodeKind::Number
        | NodeKind::Symbol
        | NodeKind::BigInt
        | NodeKind::RegExp => !matches!(graph.name(node), "bool" | "int" | "true" | "false"),
        _ => false,
    }
}

fn is_dictionary(graph: &HeapGraph, node: NodeId) -> bool {
    if graph.kind(node) != NodeKind::Object {
        return false;
    }
    let keys = graph.edges(node).filter(|edge| edge.kind == EdgeKind::Property);
    let (mut count, mut odd) = (0, false);
    for edge in keys {
        count += 1;
        odd |= !is_identifier(graph.strings().get(edge.name));
    }
    odd || (count > DICTIONARY_KEYS && graph.name(node) == "Object")
}

fn is_identifier(text: &str) -> bool {
    // Symbols and accessors are written `<symbol x>`, `get x` and `set x`.
    let text = text.strip_prefix("get ").or_else(|| text.strip_prefix("set ")).unwrap_or(text);
    let text = text.strip_prefix("<symbol ").and_then(|text| text.strip_suffix('>')).unwrap_or(text);
    text.chars().all(|character| character.is_alphanumeric() || matches!(character, '_' | '$' | '#' | '.'))
}

/// Long runs of letters and digits mixed, tokens with a known beginning, private keys.
fn looks_secret(text: &str) -> bool {
    const BEGINNINGS: [&str; 8] =
        ["sk-", "sk_live_", "ghp_", "github_pat_", "xoxb-", "AKIA", "eyJhbGciOi", "-----BEGIN"];
    if BEGINNINGS.iter().any(|beginning| text.starts_with(beginning)) {
        return true;
    }
    let is_run = text.len() >= 32
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_'));
    // Paths and names have few digits among their letters.
    is_run && text.bytes().filter(u8::is_ascii_digit).count() * 8 >= text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::heapsnapshot::decode;

    const SNAPSHOT: &str = r#"{"snapshot":{"meta":{"node_fields":["type","name","id","self_size","edge_count"],
"node_types":[["object","string"],"string"],"edge_fields":["type","name_or_index","to_node"],
"edge_types":[["property","element"]]},"node_count":3,"edge_count":3},
"nodes":[0,0,1,8,2,0,1,3,16,1,1,2,5,32,0],
"edges":[0,3,5,0,4,10,0,5,10],
"strings":["Session","Map","my \"password\"","user","ghp_abcdef","key with spaces"]}"#;

    #[test]
    fn empties_values_secrets_and_dictionary_keys() {
        let graph = decode(&mut SNAPSHOT.as_bytes()).unwrap().graph;
        let mut copy = Vec::new();
        assert_eq!(redact(&graph, &mut SNAPSHOT.as_bytes(), &mut copy).unwrap(), 3);
        let copied = decode(&mut &copy[..]).unwrap();
        assert_eq!(copied.damage, None);
        let strings: Vec<_> = copied.graph.strings().iter().collect();
        assert_eq!(strings, ["Session", "Map", "", "user", "", ""]);
        assert_eq!(copied.graph.self_sizes(), graph.self_sizes());
        assert_eq!(copied.graph.edge_count(), graph.edge_count());
    }

    #[test]
    fn says_that_a_cut_file_has_no_strings() {
        let graph = decode(&mut SNAPSHOT.as_bytes()).unwrap().graph;
        let cut = &SNAPSHOT[..SNAPSHOT.len() / 2];
        let error = redact(&graph, &mut cut.as_bytes(), &mut Vec::new()).unwrap_err();
        assert!(error.to_string().starts_with("expected section `strings`, found end of data at byte "));
        assert!(redact(&graph, &mut &SNAPSHOT.as_bytes()[..SNAPSHOT.len() - 4], &mut Vec::new()).is_err());
    }
}
