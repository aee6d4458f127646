//! speedscope's file format (<https://www.speedscope.app/file-format-schema.json>): one sampled profile.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::Encoder;
use super::collapsed::by_stack;
use crate::Profile;

/// The format's row in [`super::ENCODERS`].
#[derive(Debug)]
pub struct Speedscope;

impl Encoder for Speedscope {
    fn name(&self) -> &'static str {
        "speedscope"
    }

    fn about(&self) -> &'static str {
        "for speedscope.app"
    }

    fn extension(&self) -> &'static str {
        "speedscope.json"
    }

    fn encode(&self, profile: &Profile, column: usize, out: &mut dyn Write) -> io::Result<()> {
        let (name, unit) = profile
            .value_types
            .get(column)
            .map_or(("value", "none"), |column| (&*column.name, if column.unit == "bytes" { "bytes" } else { "none" }));
        write!(
            out,
            "{{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\",\
             \"exporter\":\"brimline {}\",\"name\":{},\"activeProfileIndex\":0,\"shared\":{{\"frames\":[",
            env!("CARGO_PKG_VERSION"),
            json!(name),
        )?;
        for (index, frame) in profile.frames.iter().enumerate() {
            write!(out, "{}{}", separator(index), frame_json(profile, *frame))?;
        }
        let total = by_stack(profile, column).fold(0_i64, |sum, (_, value)| sum.saturating_add(value));
        write!(
            out,
            "]}},\"profiles\":[{{\"type\":\"sampled\",\"name\":{},\"unit\":\"{unit}\",\"startValue\":0,\
             \"endValue\":{total},\"samples\":[",
            json!(name),
        )?;
        let mut frames: Vec<u32> = Vec::new();
        for (index, (stack, _)) in by_stack(profile, column).enumerate() {
            frames.clear();
            frames.extend(profile.frames_of(stack).map(|frame| frame.0));
            frames.reverse();
            write!(out, "{}[", separator(index))?;
            for (depth, frame) in frames.iter().enumerate() {
                write!(out, "{}{frame}", if depth > 0 { "," } else { "" })?;
            }
            write!(out, "]")?;
        }
        write!(out, "],\"weights\":[")?;
        for (index, (_, value)) in by_stack(profile, column).enumerate() {
            write!(out, "{}{value}", if index > 0 { "," } else { "" })?;
        }
        writeln!(out, "]}}]}}")
    }
}

fn separator(index: usize) -> &'static str {
    if index > 0 { ",\n" } else { "\n" }
}

fn frame_json(profile: &Profile, frame: crate::Frame) -> Value {
    let function = profile.functions[frame.function.0 as usize];
    let mut object = json!({ "name": profile.strings.get(function.name) });
    let file = profile.strings.get(function.file);
    if !file.is_empty() {
        object["file"] = json!(file);
    }
    if frame.line > 0 {
        object["line"] = json!(frame.line);
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::example::two_stacks;

    #[test]
    fn weights_and_samples_pair_up() {
        let mut out = Vec::new();
        Speedscope.encode(&two_stacks(), 0, &mut out).expect("a Vec takes all");
        let file: Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!(file["profiles"][0]["samples"], json!([[0, 1], [2]]));
        assert_eq!(file["profiles"][0]["weights"], json!([100, 50]));
        assert_eq!(file["profiles"][0]["unit"], "bytes");
        assert_eq!(file["shared"]["frames"][1], json!({"name": "load;x", "file": "app.py", "line": 12}));
    }
}
