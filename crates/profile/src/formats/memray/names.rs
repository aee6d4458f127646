//! What frames are called: code objects with their line tables, or lines that memray resolved itself (up to 1.18).

use std::collections::HashMap;

use crate::formats::linetable::{LineFormat, LineTable};
use crate::{FrameId, ProfileBuilder};

/// A function, and where in it.
pub(super) struct Name {
    pub(super) function: String,
    pub(super) file: String,
    pub(super) lines: Lines,
}

pub(super) enum Lines {
    /// The frame's line itself.
    Resolved(u32),
    /// First line and location table of a code object; without a table no line is known.
    Table(u32, Option<LineTable>),
}

/// Frames by number.
#[derive(Default)]
pub(super) struct Names {
    names: HashMap<u32, Name>,
    /// Of Python 3; decides how instructions are counted.
    minor: u32,
}

impl Names {
    pub(super) fn new(minor: u32) -> Self {
        Self { names: HashMap::new(), minor }
    }

    /// Notes a code object or a resolved frame.
    pub(super) fn insert(&mut self, number: u32, name: Name) {
        self.names.insert(number, name);
    }

    pub(super) fn table(&self, table: &[u8], first_line: u32) -> Lines {
        let decoded = LineTable::decode(LineFormat::of(self.minor), table, first_line);
        Lines::Table(first_line, (!table.is_empty()).then_some(decoded))
    }

    /// The frame of a number in a stack.
    pub(super) fn frame(&self, number: u32, instruction: i32, builder: &mut ProfileBuilder) -> FrameId {
        let Some(name) = self.names.get(&number) else {
            let function = builder.function("<unknown>", "", 0);
            return builder.frame(function, 0);
        };
        let (first_line, line) = match &name.lines {
            Lines::Resolved(line) => (0, *line),
            Lines::Table(first, None) => (*first, 0),
            Lines::Table(first, Some(table)) => {
                // Bytes, but in 3.10, whose frames count instructions.
                let unit = if self.minor == 10 { instruction } else { instruction / 2 };
                // Before the first instruction there is no line.
                let unit = u32::try_from(unit).ok().filter(|_| instruction >= 0);
                (*first, unit.map_or(0, |unit| table.line_or_last(unit)))
            }
        };
        let function = builder.function(&name.function, &name.file, first_line);
        builder.frame(function, line)
    }
}
