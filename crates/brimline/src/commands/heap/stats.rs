//! `brimline heap stats`: bytes by kind.

use std::io::Write;

use serde_json::json;

use super::snapshot_file::{OpenArgs, SnapshotFile};
use super::write_json;
use crate::exit_code::ExitCode;
use crate::quantity::{bytes, count, percent};
use crate::terminal::plain;

/// Arguments.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The run or file [default: the latest run]
    run: Option<String>,
    /// JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    open: OpenArgs,
}

/// Carries the command out.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    let file = SnapshotFile::find(args.run.as_deref(), &args.open)?;
    let opened = file.summary()?;
    crate::commands::warn(&opened.warnings);
    let (summary, sums) = (&opened.value, opened.value.statistics);
    let mut out = crate::commands::output(None)?;
    if args.json {
        let head = json!({
            "schema": "brimline.heap.stats/1", "file": file.name, "partial": opened.exit_code != ExitCode::FINE,
            "nodes": summary.nodes, "edges": summary.edges, "total_bytes": sums.total, "managed_bytes": sums.managed,
            "code_bytes": sums.code, "array_bytes": sums.arrays, "string_bytes": sums.strings,
            "system_bytes": sums.system, "native_bytes": sums.native, "typed_array_bytes": sums.typed_arrays,
        });
        write_json(&mut out, &head, &[])?;
        return Ok(opened.exit_code);
    }
    let numbers = (count(summary.nodes as i64), count(summary.edges as i64));
    writeln!(out, "{}: {} objects, {} references", plain(&file.name), numbers.0, numbers.1)?;
    for (name, value) in [
        ("total", sums.total),
        ("managed heap", sums.managed),
        ("  code", sums.code),
        ("  strings", sums.strings),
        ("  arrays", sums.arrays),
        ("  runtime", sums.system),
        ("  other objects", sums.managed.saturating_sub(sums.code + sums.strings + sums.arrays + sums.system)),
        ("native", sums.native),
        ("  typed arrays", sums.typed_arrays),
    ] {
        writeln!(out, "{name:<15} {:>10}  {:>6}", bytes(value as i64), percent(value as i64, sums.total as i64))?;
    }
    out.flush()?;
    Ok(opened.exit_code)
}
