//! `brimline lines`: what each line of a function costs, its callees included.

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;

use brimline_analysis::interval::interval;
use brimline_analysis::lines::{FunctionLines, Increment, LineRow, find_functions, increments, lines};
use brimline_profile::{FunctionId, Precision, value};
use serde_json::{Value, json};

use crate::exit_code::ExitCode;
use crate::input::{self, Input, SelectArgs};
use crate::quantity::{Text, bytes, count, delta_bytes};
use crate::refusal::usage;
use crate::terminal::{JsonGuard, clip, plain, width};
use crate::view::FilterArgs;

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  brimline lines load                        any function of that name, latest run
  brimline lines app.models:Session.load     one method
  brimline lines app/views.py --run web      every function of a file")]
pub(crate) struct Args {
    /// Functions: a name (`load`, `Session.load`), `module:function`, `file.py`, `file.py:function`; `*` stands for any text.
    #[arg(required = true, value_name = "FUNCTION")]
    pub(crate) functions: Vec<String>,
    /// The run or file [default: the latest run]
    #[arg(long, value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// JSON, all lines with something on them.
    #[arg(long)]
    pub(crate) json: bool,
    /// Which store, which processes.
    #[command(flatten)]
    pub(crate) select: SelectArgs,
    /// Write to a file.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Which memory counts.
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
}

/// Carries the command out.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    let (input, warnings) = input::load(args.run.as_deref(), &args.select)?;
    super::warn(&warnings);
    let profile = &input.recorded.profile;
    let mut functions = Vec::new();
    for name in &args.functions {
        let found = find_functions(profile, name, &input.places);
        if found.is_empty() {
            return Err(unknown(name, &input));
        }
        functions.extend(found.into_iter().filter(|function| !functions.contains(function)).collect::<Vec<_>>());
    }
    let mut tables = lines(profile, &functions, &args.filter.filter(), &input.places);
    tables.retain(|table| !table.rows.is_empty());
    tables.sort_by_key(|table| std::cmp::Reverse(table.totals[value::TOTAL_BYTES]));
    let increments = increments(profile);
    for table in &mut tables {
        add_lines_that_only_free(table, &increments, profile.value_types.len());
    }
    let mut out = super::output(args.output.as_deref())?;
    if args.json {
        write_json(&input, &tables, &increments, &mut out)?;
    } else {
        write_tables(&input, &tables, &increments, &mut out)?;
    }
    out.flush()?;
    Ok(input.exit_code)
}

/// A line that allocates nothing may still shrink the process: `del data`.
fn add_lines_that_only_free(table: &mut FunctionLines, increments: &Increments, columns: usize) {
    let mut lines: Vec<u32> =
        increments.keys().filter(|(function, _)| *function == table.function).map(|&(_, line)| line).collect();
    lines.retain(|line| table.rows.iter().all(|row| row.line != *line));
    table.rows.extend(lines.into_iter().map(|line| LineRow {
        line,
        own: vec![0; columns],
        inclusive: vec![0; columns],
    }));
    table.rows.sort_by_key(|row| row.line);
}

/// The error for a name nobody allocated under, with the names that come close.
fn unknown(name: &str, input: &Input) -> anyhow::Error {
    let profile = &input.recorded.profile;
    let last = name.rsplit(['.', ':']).next().unwrap_or(name).to_lowercase();
    let mut close: Vec<&str> = profile
        .functions
        .iter()
        .map(|function| profile.strings.get(function.name))
        .filter(|known| !last.is_empty() && known.to_lowercase().contains(&last))
        .collect();
    close.sort_unstable();
    close.dedup();
    close.truncate(8);
    let hint = if close.is_empty() {
        "`brimline report --by function` lists the functions that allocated; one that allocated nothing has no table"
            .to_owned()
    } else {
        format!("functions with similar names: {}", close.join(", "))
    };
    usage(format!("expected a function in `{}`, found none called `{name}` that allocated", input.name), hint)
}

/// Increments by function and line.
type Increments = HashMap<(FunctionId, u32), Increment>;

fn write_json(
    input: &Input,
    tables: &[FunctionLines],
    increments: &Increments,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let precision = input.recorded.profile.precision;
    let insert_intervals = |object: &mut Value, values: &[i64]| {
        for (name, column) in [
            ("live_bytes", value::LIVE_BYTES),
            ("live_count", value::LIVE_COUNT),
            ("peak_bytes", value::PEAK_BYTES),
            ("total_bytes", value::TOTAL_BYTES),
            ("total_count", value::TOTAL_COUNT),
        ] {
            if let Some((low, high)) = interval(precision, values, column) {
                object[format!("{name}_low")] = json!(low);
                object[format!("{name}_high")] = json!(high);
            }
        }
    };
    let row = |function: FunctionId, row: &LineRow| {
        let increment = increments.get(&(function, row.line));
        let mut object = json!({
            "line": (row.line > 0).then_some(row.line),
            "live_bytes": row.inclusive[value::LIVE_BYTES], "live_count": row.inclusive[value::LIVE_COUNT],
            "peak_bytes": row.inclusive[value::PEAK_BYTES],
            "total_bytes": row.inclusive[value::TOTAL_BYTES], "total_count": row.inclusive[value::TOTAL_COUNT],
            "own_live_bytes": row.own[value::LIVE_BYTES], "own_peak_bytes": row.own[value::PEAK_BYTES],
            "own_total_bytes": row.own[value::TOTAL_BYTES], "own_total_count": row.own[value::TOTAL_COUNT],
            "increment_bytes": increment.map(|increment| increment.bytes),
            "highest_bytes": increment.map(|increment| increment.highest_bytes),
        });
        insert_intervals(&mut object, &row.inclusive);
        object
    };
    let functions: Vec<_> = tables
        .iter()
        .map(|table| {
            let profile = &input.recorded.profile;
            let function = profile.functions[table.function.0 as usize];
            let file = profile.strings.get(function.file);
            let mut object = json!({
                "file": (!file.is_empty()).then_some(file),
                "path": input.places.path(file),
                "line": (function.start_line > 0).then_some(function.start_line),
                "function": profile.strings.get(function.name),
                "module": input.places.module(file),
                "live_bytes": table.totals[value::LIVE_BYTES], "peak_bytes": table.totals[value::PEAK_BYTES],
                "total_bytes": table.totals[value::TOTAL_BYTES], "total_count": table.totals[value::TOTAL_COUNT],
                "rows": table.rows.iter().map(|line| row(table.function, line)).collect::<Vec<_>>(),
            });
            insert_intervals(&mut object, &table.totals);
            object
        })
        .collect();
    let answer =
        json!({ "schema": "brimline.lines/1", "run": input.name, "process": input.process, "functions": functions });
    writeln!(JsonGuard(out), "{answer}")?;
    Ok(())
}

fn write_tables(
    input: &Input,
    tables: &[FunctionLines],
    increments: &Increments,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if let Precision::Sampled { period } = input.recorded.profile.precision {
        writeln!(out, "sampled, one byte in {}: every number with its 95 % interval", count(period as i64))?;
    }
    let source_columns = width().map_or(usize::MAX, |columns| columns.saturating_sub(80));
    for (index, table) in tables.iter().enumerate() {
        let profile = &input.recorded.profile;
        let function = profile.functions[table.function.0 as usize];
        let file = profile.strings.get(function.file);
        let shown = input.places.path(file).unwrap_or(file);
        if index > 0 {
            writeln!(out)?;
        }
        writeln!(
            out,
            "{}:{} {}: {}; callees included",
            plain(shown),
            function.start_line,
            plain(profile.strings.get(function.name)),
            [("live", value::LIVE_BYTES), ("peak", value::PEAK_BYTES), ("allocated", value::TOTAL_BYTES)]
                .into_iter()
                .filter(|(_, column)| input.measured[*column])
                .map(|(word, column)| format!("{word} {}", bytes(table.totals[column])))
                .collect::<Vec<_>>()
                .join(", "),
        )?;
        let has_increments = increments.keys().any(|(function, _)| *function == table.function);
        let range = |values: &[i64], column: usize, text: fn(i64) -> String| {
            let (low, high) = interval(profile.precision, values, column)?;
            Some(format!("{}–{}", text(low), text(high)))
        };
        let numbers: [(&str, usize, Text); 4] = [
            ("live", value::LIVE_BYTES, bytes),
            ("peak", value::PEAK_BYTES, bytes),
            ("allocated", value::TOTAL_BYTES, bytes),
            ("blocks", value::TOTAL_COUNT, count),
        ];
        let numbers: Vec<_> = numbers.into_iter().filter(|(_, column, _)| input.measured[*column]).collect();
        let is_sampled = profile.precision != Precision::Exact;
        let mut titles = Vec::new();
        for (title, ..) in &numbers {
            titles.push(*title);
            titles.extend(is_sampled.then_some("95 %"));
        }
        if has_increments {
            titles.extend(["increment", "highest"]);
        }
        writeln!(out, "{:>6}{}  source", "line", right_aligned(&titles, is_sampled))?;
        for line in lines_to_show(input, table, file, function.start_line) {
            let mut cells = Vec::new();
            if let Some(row) = table.rows.iter().find(|row| row.line == line) {
                for &(_, column, text) in &numbers {
                    cells.push(text(row.inclusive[column]));
                    cells.extend(range(&row.inclusive, column, text));
                }
            }
            cells.resize(titles.len() - if has_increments { 2 } else { 0 }, String::new());
            if let Some(increment) = increments.get(&(table.function, line)) {
                cells.extend([delta_bytes(increment.bytes), bytes(increment.highest_bytes)]);
            }
            cells.resize(titles.len(), String::new());
            let cells = right_aligned(&cells, is_sampled);
            let text = source(input, file, line);
            let written = format!("{line:>6}{cells}  {}", clip(&text, source_columns));
            writeln!(out, "{}", written.trim_end())?;
        }
    }
    Ok(())
}

/// Every line of the function where its source is at hand, else those with something on them.
fn lines_to_show(input: &Input, table: &FunctionLines, file: &str, first: u32) -> Vec<u32> {
    let with_numbers = table.rows.iter().map(|row| row.line);
    let last = table.rows.last().map_or(first, |row| row.line);
    let module_level =
        input.recorded.profile.strings.get(input.recorded.profile.functions[table.function.0 as usize].name)
            == "<module>";
    match input.source.block_end(file, first) {
        Some(end) if !module_level => (first..=end.max(last)).collect(),
        _ => with_numbers.collect(),
    }
}

fn source(input: &Input, file: &str, line: u32) -> String {
    let lines = input.source.lines(file);
    let text = lines.as_deref().and_then(|lines| lines.get((line as usize).checked_sub(1)?));
    text.map(|text| plain(text).into_owned()).unwrap_or_default()
}

/// Cells in columns; with `ranges`, every second one has room for an interval.
fn right_aligned<T: AsRef<str>>(cells: &[T], ranges: bool) -> String {
    let mut text = String::new();
    for (index, cell) in cells.iter().enumerate() {
        let cell = cell.as_ref();
        let width: usize = if ranges && index % 2 == 1 { 23 } else { 12 };
        text.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count())));
        text.push_str(cell);
    }
    text
}
