//! V8's sampling heap profiles (`.heapprofile`): what `node --heap-prof` writes and DevTools saves.

use std::path::Path;

use brimline_analysis::aggregate::Attribution;
use brimline_analysis::heap::source::Place;
use brimline_profile::{Precision, Profile, ProfileBuilder, StackId, ValueType, value};
use serde::Deserialize;

use super::{COLUMNS, Kind, Numbers};
use crate::commands::heap::source_maps::SourceMaps;
use crate::refusal::usage;

/// Row of [`super::KINDS`].
pub(super) struct HeapProfile;

/// V8 keeps at most 128 frames of a stack, each two brackets deep; more would only exhaust our own stack.
const DEEPEST: usize = 1024;

#[derive(Deserialize)]
struct File {
    head: Node,
}

/// A frame with the bytes allocated in it, scaled by V8 to stand for all blocks.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    call_frame: CallFrame,
    self_size: f64,
    #[serde(default)]
    children: Vec<Node>,
}

/// Lines start at 0 and are -1 where there is none.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CallFrame {
    function_name: String,
    url: String,
    line_number: i64,
    #[serde(default)]
    column_number: i64,
}

impl Kind for HeapProfile {
    fn name(&self) -> &'static str {
        "heapprofile"
    }

    fn sniff(&self, bytes: &[u8]) -> bool {
        bytes.trim_ascii_start().starts_with(b"{") && bytes.windows(11).take(4096).any(|key| key == b"\"callFrame\"")
    }

    fn check(&self, bytes: &[u8], path: &Path) -> anyhow::Result<()> {
        parse(bytes, path).map(drop)
    }

    fn numbers(&self, bytes: &[u8], path: &Path) -> anyhow::Result<Numbers> {
        let mut measured = [false; COLUMNS];
        measured[value::LIVE_BYTES] = true;
        let about =
            "V8 sampling heap profile: bytes estimated by V8, block counts unknown, lines are where functions begin"
                .to_owned();
        let profile = profile(&parse(bytes, path)?.head, &SourceMaps::default());
        Ok(Numbers { profile, measured, about, warnings: Vec::new(), cumulative: Attribution::Cumulative })
    }
}

/// The stacks of a profile in terms of the source, and the bytes that live; `path` is for the error.
pub(crate) fn read(bytes: &[u8], path: &Path, maps: &SourceMaps) -> anyhow::Result<Profile> {
    Ok(profile(&parse(bytes, path)?.head, maps))
}

fn parse(bytes: &[u8], path: &Path) -> anyhow::Result<File> {
    let refused = |found: String| {
        usage(
            format!("expected a V8 heap profile in `{}`, found {found}", path.display()),
            "record it again with `node --heap-prof`, or save it from DevTools",
        )
    };
    let depth = depth(bytes);
    if depth > DEEPEST {
        return Err(refused(format!("brackets nested {depth} deep, at most {DEEPEST} are read")));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    reader.disable_recursion_limit();
    let file = File::deserialize(&mut reader).map_err(|error| refused(error.to_string()))?;
    reader.end().map_err(|error| refused(error.to_string()))?;
    Ok(file)
}

/// How deep brackets nest outside of strings.
fn depth(bytes: &[u8]) -> usize {
    let (mut now, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => now += 1,
            b'}' | b']' if !in_string => now = now.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(now);
    }
    deepest
}

fn profile(head: &Node, maps: &SourceMaps) -> Profile {
    let mut builder = ProfileBuilder::new(ValueType::tracked(), Precision::Exact);
    let labels = builder.label_set(&[]);
    // The head is no frame.
    let mut open: Vec<(&Node, StackId)> = head.children.iter().map(|node| (node, StackId::ROOT)).collect();
    while let Some((node, parent)) = open.pop() {
        let call = &node.call_frame;
        let number = |from_zero: i64| u32::try_from(from_zero + 1).unwrap_or(0);
        let script = call.url.strip_prefix("file://").unwrap_or(&call.url).to_owned();
        let generated = Place { script, line: number(call.line_number), column: number(call.column_number) };
        let has_place = generated.line > 0 && generated.column > 0;
        let mut name = call.function_name.clone();
        let place = if has_place {
            name = maps.function(Some(&generated), &name);
            maps.place(&generated)
        } else {
            generated
        };
        let name = if name.is_empty() { "(anonymous)" } else { &name };
        let line = place.line;
        let function = builder.function(name, &place.script, line);
        let frame = builder.frame(function, line);
        let stack = builder.stack(parent, frame);
        if node.self_size > 0.0 {
            let mut row = [0; COLUMNS];
            row[value::LIVE_BYTES] = node.self_size as i64;
            builder.add(stack, labels, &row);
        }
        open.extend(node.children.iter().map(|child| (child, stack)));
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> String {
        let node = r#"{"callFrame":{"functionName":"f","scriptId":"1","url":"file:///a.js","lineNumber":4,"columnNumber":0},"selfSize":8,"id":1,"children":["#;
        format!("{{\"head\":{}{},\"samples\":[]}}", node.repeat(levels), "]}".repeat(levels))
    }

    #[test]
    fn reads_stacks_as_deep_as_v8_writes_them() {
        let text = nested(129);
        assert!(HeapProfile.sniff(text.as_bytes()));
        let read = HeapProfile.numbers(text.as_bytes(), Path::new("x.heapprofile")).unwrap();
        assert_eq!(read.profile.totals()[value::LIVE_BYTES], 128 * 8);
        assert_eq!((read.profile.frames.len(), read.profile.frames[0].line), (1, 5));
        assert_eq!(read.measured, [true, false, false, false, false, false]);
    }

    #[test]
    fn refuses_what_is_cut_or_too_deep() {
        let text = nested(3);
        for bad in [&text[..text.len() - 5], nested(5000).as_str()] {
            assert!(HeapProfile.check(bad.as_bytes(), Path::new("x")).is_err());
        }
    }
}
