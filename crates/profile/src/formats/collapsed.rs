//! Collapsed stacks: `outermost;…;innermost value`, one stack a line, as flame graph tools read them.
//!
//! A frame is written `function (file:line)`; semicolons and control characters in names become `_`, since the format
//! has no escape for them. Stacks whose value is not positive are left out.

use std::io::{self, Write};

use super::Encoder;
use crate::{FrameId, Profile, StackId};

/// The format's row in [`super::ENCODERS`].
#[derive(Debug)]
pub struct Collapsed;

impl Encoder for Collapsed {
    fn name(&self) -> &'static str {
        "collapsed"
    }

    fn about(&self) -> &'static str {
        "one line per stack, for flame graph tools"
    }

    fn extension(&self) -> &'static str {
        "txt"
    }

    fn encode(&self, profile: &Profile, column: usize, out: &mut dyn Write) -> io::Result<()> {
        let names: Vec<_> = (0..profile.frames.len() as u32).map(|frame| name(profile, FrameId(frame))).collect();
        let mut frames = Vec::new();
        for (stack, value) in by_stack(profile, column) {
            frames.clear();
            frames.extend(profile.frames_of(stack));
            for (index, frame) in frames.iter().rev().enumerate() {
                if index > 0 {
                    out.write_all(b";")?;
                }
                out.write_all(names[frame.0 as usize].as_bytes())?;
            }
            if frames.is_empty() {
                out.write_all(b"(no frame)")?;
            }
            writeln!(out, " {value}")?;
        }
        Ok(())
    }
}

/// Positive sums of `column` by stack, labels merged, in the order of the stacks.
pub(super) fn by_stack(profile: &Profile, column: usize) -> impl Iterator<Item = (StackId, i64)> {
    let mut sums = vec![0_i64; profile.stacks.len()];
    for (sample, values) in profile.samples() {
        let sum = &mut sums[sample.stack.0 as usize];
        *sum = sum.saturating_add(values.get(column).copied().unwrap_or(0));
    }
    sums.into_iter().enumerate().filter(|&(_, value)| value > 0).map(|(stack, value)| (StackId(stack as u32), value))
}

fn name(profile: &Profile, frame: FrameId) -> String {
    let function = profile.function_of(frame);
    let (name, file) = (profile.strings.get(function.name), profile.strings.get(function.file));
    let line = profile.frames[frame.0 as usize].line;
    let full = if file.is_empty() { name.to_owned() } else { format!("{name} ({file}:{line})") };
    full.replace(|c: char| c == ';' || c.is_control(), "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::example::two_stacks;

    #[test]
    fn writes_outermost_first() {
        let mut out = Vec::new();
        Collapsed.encode(&two_stacks(), 0, &mut out).expect("a Vec takes all");
        assert_eq!(
            String::from_utf8(out).expect("UTF-8"),
            "main (app.py:3);load_x (app.py:12) 100\nmain (app.py:4) 50\n"
        );
    }
}
