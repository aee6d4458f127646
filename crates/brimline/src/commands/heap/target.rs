//! What a question is about: one object by its id, or a class by its name.

use brimline_analysis::heap::Heap;
use brimline_analysis::heap::table::{ClassRow, ClassTable};
use brimline_profile::heap::NodeId;

use crate::quantity::bytes;
use crate::refusal::usage;

/// At most this many names are listed in an error.
const LISTED: usize = 8;

/// The object with the id in `text`, `@123` or `123`.
pub(crate) fn object(heap: &Heap, text: &str) -> anyhow::Result<NodeId> {
    let digits = text.strip_prefix('@').unwrap_or(text);
    let id: u64 = digits.parse().map_err(|_| {
        usage(
            format!("expected an object's id such as `@1234`, found `{text}`"),
            "`brimline heap class NAME` lists ids",
        )
    })?;
    heap.graph().nodes().find(|&node| heap.graph().id(node) == id).ok_or_else(|| {
        usage(
            format!("expected an object of this snapshot, found `@{id}`, which is none"),
            "ids hold within snapshots of one process; `brimline heap class NAME` lists them",
        )
    })
}

/// The rows of the class called `name` (several when constructors in different places share it), or with that key.
pub(crate) fn class<'a>(table: &'a ClassTable, name: &str) -> anyhow::Result<Vec<&'a ClassRow>> {
    let rows: Vec<_> = table.sorted().into_iter().filter(|row| row.name == name || row.key == name).collect();
    if !rows.is_empty() {
        return Ok(rows);
    }
    let wanted = name.to_lowercase();
    let similar: Vec<_> = table.sorted().into_iter().filter(|row| row.name.to_lowercase().contains(&wanted)).collect();
    let listed = if similar.is_empty() { table.sorted() } else { similar };
    let known: Vec<String> =
        listed.iter().take(LISTED).map(|row| format!("`{}` ({})", row.name, bytes(row.retained_size as i64))).collect();
    Err(usage(format!("expected a class of this snapshot, found `{name}`"), format!("some are {}", known.join(", "))))
}
