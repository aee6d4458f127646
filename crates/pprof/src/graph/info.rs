//! What tells one place from another, and its name.

use std::fmt::Write as _;

use crate::paths;

/// The attributes of a place that survive the granularity asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Info {
    pub(crate) name: String,
    pub(crate) address: u64,
    pub(crate) file: String,
    pub(crate) start_line: i64,
    pub(crate) line: i64,
    pub(crate) column: i64,
    pub(crate) object: String,
}

impl Info {
    /// The parts of the name: address, function, then file and line or what else is known.
    pub(crate) fn parts(&self) -> Vec<String> {
        let mut parts = Vec::new();
        if self.address != 0 {
            parts.push(format!("{:016x}", self.address));
        }
        if !self.name.is_empty() {
            parts.push(self.name.clone());
        }
        if self.line != 0 {
            let mut place = format!("{}:{}", self.file, self.line);
            if self.column != 0 {
                // Writing to a String cannot fail.
                let _ = write!(place, ":{}", self.column);
            }
            parts.push(place);
        } else if !self.file.is_empty() {
            parts.push(self.file.clone());
        } else if !self.name.is_empty() {
            // The name says it all.
        } else if !self.object.is_empty() {
            parts.push(format!("[{}]", paths::base(&self.object)));
        } else {
            parts.push("<unknown>".into());
        }
        parts
    }

    /// The name in one line.
    pub(crate) fn printable(&self) -> String {
        self.parts().join(" ")
    }

    /// A last resort to order places that print alike; the fields as the reference prints its structure.
    pub(crate) fn dump(&self) -> String {
        format!(
            "{{{}  {} {} {} {} {} {}}}",
            self.name, self.address, self.file, self.start_line, self.line, self.column, self.object
        )
    }

    /// The whole function that this place is part of.
    pub(crate) fn function(&self) -> Self {
        Self { address: 0, line: 0, column: 0, ..self.clone() }
    }
}
