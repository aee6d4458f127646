//! How finely places are told apart.

use crate::model::{Text, View};

/// What to keep of every location.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "six attributes that are kept or dropped independently")]
pub struct Granularity {
    /// Frames of inlined calls.
    pub inlines: bool,
    /// Function names.
    pub functions: bool,
    /// File names.
    pub files: bool,
    /// Line numbers.
    pub lines: bool,
    /// Columns.
    pub columns: bool,
    /// Addresses.
    pub addresses: bool,
}

impl View<'_> {
    /// Drops the attributes not kept, so that places become equal.
    pub fn coarsen(&mut self, keep: Granularity) {
        for mapping in &mut self.mappings {
            for (has, keep) in mapping.has.iter_mut().zip([keep.functions, keep.files, keep.lines, keep.inlines]) {
                *has &= keep;
            }
        }
        for function in &mut self.functions {
            if !keep.functions {
                function.name = Text(0);
                function.system_name = Text(0);
            }
            if !keep.files {
                function.file = Text(0);
            }
        }
        for location in &mut self.locations {
            if !keep.inlines && location.lines.len() > 1 {
                location.lines.drain(..location.lines.len() - 1);
            }
            for line in &mut location.lines {
                if !keep.lines {
                    line.line = 0;
                }
                if !keep.lines || !keep.columns {
                    line.column = 0;
                }
            }
            if !keep.addresses {
                location.address = 0;
            }
        }
    }
}
