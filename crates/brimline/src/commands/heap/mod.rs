//! `brimline heap`: who holds memory in a heap snapshot.

mod class;
mod copy;
mod diff;
mod dominators;
mod index;
mod nodes;
mod object;
mod paths;
mod snapshot_file;
pub(crate) mod source_maps;
mod stats;
mod strings;
mod target;
mod top;
mod treemap;

use std::io::Write;

use brimline_analysis::heap::source::Place;
use clap::Subcommand;
use serde_json::{Value, json};

pub(crate) use copy::SnapshotCopy;
pub(crate) use diff::between as diff_between;
pub(crate) use snapshot_file::{OpenArgs, is_snapshot, names_snapshot};
pub(crate) use top::report;

use crate::exit_code::ExitCode;

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  brimline heap top app.heapsnapshot                  what holds memory, and the classes
  brimline heap diff before.heapsnapshot after.heapsnapshot
  brimline heap paths Session app.heapsnapshot        how the program reaches all Sessions
  brimline heap object @12345 app.heapsnapshot        one object: fields, retainers, where it was allocated
  brimline heap treemap app.heapsnapshot -o heap.html retained sizes as a picture for a browser")]
pub(crate) struct Args {
    /// The question.
    #[command(subcommand)]
    question: Question,
}

#[derive(Debug, Subcommand)]
enum Question {
    /// What holds memory, and the class table
    Top(top::Args),
    /// What grew between two snapshots, or what three of them say stays
    Diff(diff::Args),
    /// How the program reaches an object, or all objects of a class
    Paths(paths::Args),
    /// The dominator tree: what would go with what
    Dominators(dominators::Args),
    /// Equal strings that are held more than once
    Strings(strings::Args),
    /// Bytes by kind
    Stats(stats::Args),
    /// The largest objects of a class
    Class(class::Args),
    /// One object: fields, retainers, dominators, allocation
    Object(object::Args),
    /// Retained sizes as a picture, one HTML or SVG file
    Treemap(treemap::Args),
    /// Every node on a line: id, self size, retained size, distance, dominator, detachedness, class
    Nodes(nodes::Args),
}

/// Carries the command out.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.question {
        Question::Top(args) => top::execute(args),
        Question::Diff(args) => diff::execute(args),
        Question::Paths(args) => paths::execute(args),
        Question::Dominators(args) => dominators::execute(args),
        Question::Strings(args) => strings::execute(args),
        Question::Stats(args) => stats::execute(args),
        Question::Class(args) => class::execute(args),
        Question::Object(args) => object::execute(args),
        Question::Treemap(args) => treemap::execute(args),
        Question::Nodes(args) => nodes::execute(args),
    }
}

/// A place in JSON: `file`, `line` and `column`, null where it is not known.
fn place_json(place: Option<&Place>) -> [(&'static str, Value); 3] {
    [
        ("file", json!(place.map(|place| &place.script))),
        ("line", json!(place.map(|place| place.line))),
        ("column", json!(place.map(|place| place.column))),
    ]
}

/// Adds a place to a JSON object.
fn with_place(mut object: Value, place: Option<&Place>) -> Value {
    for (key, value) in place_json(place) {
        object[key] = value;
    }
    object
}

/// One JSON document: `head` with its `rows`, a row on a line.
fn write_json(out: &mut dyn Write, head: &Value, lists: &[(&str, Vec<Value>)]) -> anyhow::Result<()> {
    let out = &mut crate::terminal::JsonGuard(out);
    let head = head.to_string();
    write!(out, "{}", head.strip_suffix('}').unwrap_or(&head))?;
    for (name, rows) in lists {
        write!(out, ",\n\"{name}\":[")?;
        for (index, row) in rows.iter().enumerate() {
            write!(out, "{}{row}", if index == 0 { "\n" } else { ",\n" })?;
        }
        write!(out, "\n]")?;
    }
    writeln!(out, "}}")?;
    out.flush()?;
    Ok(())
}
