//! `brimline heap strings`: equal strings that are held more than once.

use std::io::Write;

use brimline_analysis::heap::Heap;
use brimline_analysis::heap::duplicates::duplicate_strings;
use brimline_analysis::heap::path::{Detail, describe, shortest_path};
use brimline_analysis::heap::source::Scripts;
use serde_json::json;

use super::snapshot_file::{OpenArgs, SnapshotFile};
use super::top::more;
use super::write_json;
use crate::exit_code::ExitCode;
use crate::quantity::{bytes, count};
use crate::terminal::{clip, plain};

const DEFAULT_TOP: usize = 20;
const TEXT_COLUMNS: usize = 60;

/// Arguments.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The run or file [default: the latest run]
    run: Option<String>,
    /// Most rows to show.
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// JSON, all rows unless --top.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    open: OpenArgs,
}

/// Carries the command out.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    let file = SnapshotFile::find(args.run.as_deref(), &args.open)?;
    let mut out = crate::commands::output(None)?;
    file.answer("strings", &(args.top, args.json), &mut out, |heap, exit_code, out| {
        write(args, &file.name, heap, exit_code, out)
    })
}

fn write(args: &Args, file: &str, heap: &Heap, exit_code: ExitCode, out: &mut dyn Write) -> anyhow::Result<()> {
    let scripts = Scripts::of(heap);
    let groups = duplicate_strings(heap);
    let wasted: u64 = groups.iter().map(|group| group.self_size - group.self_size / group.count).sum();
    let path = |group: &brimline_analysis::heap::duplicates::DuplicateStrings| {
        group.nodes.first().map(|&node| describe(heap, &scripts, &shortest_path(heap, node), Detail::Exact))
    };
    if args.json {
        let head = json!({
            "schema": "brimline.heap.strings/1", "file": file, "partial": exit_code != ExitCode::FINE,
            "groups": groups.len(), "wasted_bytes": wasted,
        });
        let shown = groups.iter().take(args.top.unwrap_or(usize::MAX));
        let rows = shown
            .map(|group| {
                json!({
                    "text": group.value, "truncated": group.truncated, "count": group.count,
                    "self_bytes": group.self_size, "retained_bytes": group.retained_size, "path": path(group),
                })
            })
            .collect();
        return write_json(out, &head, &[("rows", rows)]);
    }
    let number = count(groups.len() as i64);
    writeln!(out, "{}: {number} texts held more than once, {} more than needed", plain(file), bytes(wasted as i64))?;
    writeln!(out, "\n{:>10}  {:>10}  {:>10}  text", "retained", "self", "copies")?;
    let shown = &groups[..groups.len().min(args.top.unwrap_or(DEFAULT_TOP))];
    for group in shown {
        let text = group.value.replace(['\n', '\r'], " ");
        writeln!(
            out,
            "{:>10}  {:>10}  {:>10}  {:?}{}",
            bytes(group.retained_size as i64),
            bytes(group.self_size as i64),
            count(group.count as i64),
            clip(&plain(&text), TEXT_COLUMNS),
            if group.truncated { " (cut by the snapshot)" } else { "" },
        )?;
        writeln!(out, "{:>36}{}", "", plain(&path(group).unwrap_or_default()))?;
    }
    more(groups.len() - shown.len(), out)
}
