//! What the columns of a plain measurement file mean, judged by their names, and the series they make together.
//!
//! CSV columns and the keys of JSON objects name the same things (`timestamp`, `current_mb`, `rss`, `iteration`), so
//! both decoders meet here.

use std::collections::HashMap;

use crate::series::{Mark, Point, Series, TimeBase, Unit};

/// Why a file was no series.
#[derive(Debug, thiserror::Error)]
pub enum SeriesDecodeError {
    /// The bytes are not of the format at all.
    #[error("failed to decode series as {format}: {problem}")]
    Malformed {
        /// The format's name.
        format: &'static str,
        /// Expected and found.
        problem: String,
    },
    /// The file was read, but no column of it holds values to judge.
    #[error("found no column of values: expected one such as `rss`, `heap_used` or `current_mb`, found {found}")]
    NoValues {
        /// The columns there are.
        found: String,
    },
    /// There is a column of values, but no number in it.
    #[error("found no number in {found}")]
    NoNumbers {
        /// The columns that should hold them.
        found: String,
    },
    /// The column asked for is not in the file.
    #[error("found no column `{wanted}`: the file has {found}")]
    UnknownColumn {
        /// As asked for.
        wanted: String,
        /// The columns there are.
        found: String,
    },
}

/// What the caller knows better than the file.
#[derive(Clone, Debug, Default)]
pub struct SeriesOptions {
    /// Read this column only, even if its name says nothing.
    pub value: Option<String>,
    /// A unit such as `mb`, `KiB`, `bytes` or `count` that overrides the one in the column's name.
    pub unit: Option<String>,
}

/// Series of one file, with what was odd about it.
#[derive(Clone, Debug, Default)]
pub struct DecodedSeries {
    /// One per value column and subject.
    pub series: Vec<Series>,
    /// Lines skipped, values missing, a file cut short.
    pub warnings: Vec<String>,
}

/// A table of measurements: one row per moment, cells not finite where the source held no number.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    /// Names, in file order.
    pub names: Vec<String>,
    /// Rows, each as long as `names`.
    pub rows: Vec<Vec<f64>>,
    /// Whom each row is about (a class, a site, a group of goroutines); empty where the table has one subject.
    pub subjects: Vec<String>,
}

/// Whether a column of this name that holds text says whom a row is about.
pub(crate) fn names_subjects(column: &str) -> bool {
    const NAMES: [&str; 16] = [
        "subject",
        "class",
        "type",
        "constructor",
        "site",
        "group",
        "goroutine",
        "stack",
        "process",
        "pid",
        "container",
        "pod",
        "instance",
        "function",
        "location",
        "name",
    ];
    words_of(column).last().is_some_and(|word| NAMES.contains(&word.as_str()))
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    Time {
        scale: f64,
    },
    /// When the process was started: another value is another process.
    Started,
    Iteration,
    Requests,
    Value {
        scale: f64,
        unit: Unit,
    },
    Other,
}

/// The unit a suffix such as `mb`, `KiB` or `count` stands for, with the factor to bytes or things.
///
/// `mb` and `kb` are taken as powers of 1024, as psutil, tracemalloc scripts and `ps` use them; `KiB` and `MiB` say so.
pub fn unit_by_name(name: &str) -> Option<(f64, Unit)> {
    let kib = 1024.0_f64;
    Some(match name.to_ascii_lowercase().as_str() {
        "b" | "byte" | "bytes" => (1.0, Unit::Bytes),
        "k" | "kb" | "kib" | "kilobytes" => (kib, Unit::Bytes),
        "m" | "mb" | "mib" | "megabytes" => (kib.powi(2), Unit::Bytes),
        "g" | "gb" | "gib" | "gigabytes" => (kib.powi(3), Unit::Bytes),
        "count" | "objects" | "total" | "goroutines" | "listeners" | "handles" | "fds" | "threads" => {
            (1.0, Unit::Count)
        }
        _ => return None,
    })
}

/// Turns the columns into series: one per value column, or the one asked for.
///
/// # Errors
/// No column holds values, or the one asked for is missing.
pub fn series_of_columns(columns: &Columns, options: &SeriesOptions) -> Result<Vec<Series>, SeriesDecodeError> {
    let found = || {
        let names: Vec<String> = columns.names.iter().map(|name| format!("`{name}`")).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    };
    let mut roles: Vec<Role> = columns.names.iter().map(|name| role_of(name)).collect();
    if let Some(wanted) = &options.value {
        let at = columns
            .names
            .iter()
            .position(|name| name == wanted)
            .ok_or_else(|| SeriesDecodeError::UnknownColumn { wanted: wanted.clone(), found: found() })?;
        for (other, role) in roles.iter_mut().enumerate() {
            if other != at && matches!(role, Role::Value { .. }) {
                *role = Role::Other;
            }
        }
        if !matches!(roles[at], Role::Value { .. }) {
            roles[at] = Role::Value { scale: 1.0, unit: Unit::Unknown };
        }
    } else if !roles.iter().any(|role| matches!(role, Role::Value { .. })) {
        // Nothing is named like memory: every column that is neither time nor a counter is a candidate.
        for role in roles.iter_mut().filter(|role| **role == Role::Other) {
            *role = Role::Value { scale: 1.0, unit: Unit::Unknown };
        }
    }
    for (at, role) in roles.iter_mut().enumerate() {
        if *role == (Role::Value { scale: 1.0, unit: Unit::Bytes })
            && !says_bytes(&columns.names[at])
            && columns.rows.iter().all(|row| !row[at].is_finite() || row[at].abs() < FEWEST_BYTES)
        {
            *role = Role::Value { scale: 1.0, unit: Unit::Unknown };
        }
    }
    let asked = options.unit.as_deref().and_then(unit_by_name);
    let column = |wanted: fn(&Role) -> bool| roles.iter().position(wanted);
    let time = column(|role| matches!(role, Role::Time { .. })).or_else(|| column(|role| *role == Role::Started));
    let started = column(|role| *role == Role::Started).filter(|at| Some(*at) != time);
    let iteration = column(|role| *role == Role::Iteration);
    let requests = column(|role| *role == Role::Requests);
    let factor = time.map_or(1.0, |at| {
        let scale = if let Role::Time { scale } = roles[at] { scale } else { 1.0 };
        if scale == 1.0 { clock_scale(columns.rows.iter().map(|row| row[at])) } else { scale }
    });
    let counter = |row: &[f64], at: Option<usize>| at.map(|at| row[at]).filter(|value| value.is_finite());
    let mut series = Vec::new();
    for (subject, rows) in rows_by_subject(columns) {
        for (at, role) in roles.iter().enumerate() {
            let Role::Value { scale, unit } = *role else { continue };
            let (scale, unit) = asked.unwrap_or((scale, unit));
            let points: Vec<Point> = rows
                .iter()
                .enumerate()
                .map(|(number, row)| Point {
                    seconds: time.map_or(number as f64, |at| row[at] * factor),
                    value: row[at] * scale,
                    iteration: counter(row, iteration).or_else(|| (time.is_none()).then_some(number as f64)),
                    requests: counter(row, requests),
                })
                .collect();
            if points.iter().any(|point| point.value.is_finite()) {
                let time = if time.is_some() { TimeBase::Clock } else { TimeBase::PointNumber };
                let (metric, subject) = (columns.names[at].clone(), subject.to_owned());
                let starts = rows.iter().map(|row| started.map_or(f64::NAN, |at| row[at]));
                let marks = restarts(points.iter().map(|point| point.seconds).zip(starts));
                series.push(Series { metric, subject, unit, time, points, marks, ..Series::default() });
            }
        }
    }
    if series.is_empty() {
        let values = columns.names.iter().zip(&roles).filter(|(_, role)| matches!(role, Role::Value { .. }));
        let found = values.map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        return Err(SeriesDecodeError::NoNumbers { found });
    }
    Ok(series)
}

/// A mark for each moment at which the process has another start time than before, from moments with start times.
pub(crate) fn restarts(started: impl Iterator<Item = (f64, f64)>) -> Vec<Mark> {
    let mut before: Option<f64> = None;
    let mut marks = Vec::new();
    for (seconds, start) in started.filter(|(seconds, start)| seconds.is_finite() && start.is_finite()) {
        // The same start is computed anew at each look by some tools, and then off by a little.
        if before.is_some_and(|before| (start - before).abs() > 1.0) {
            marks.push(Mark { seconds, name: "restart".into(), restart: true });
        }
        before = Some(start);
    }
    marks
}

/// The rows of each subject, in the order of their first rows.
fn rows_by_subject(columns: &Columns) -> Vec<(&str, Vec<&Vec<f64>>)> {
    if columns.subjects.len() != columns.rows.len() {
        return vec![("", columns.rows.iter().collect())];
    }
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut groups: Vec<(&str, Vec<&Vec<f64>>)> = Vec::new();
    for (subject, row) in columns.subjects.iter().zip(&columns.rows) {
        let at = *places.entry(subject).or_insert_with(|| {
            groups.push((subject, Vec::new()));
            groups.len() - 1
        });
        groups[at].1.push(row);
    }
    groups
}

/// A column `heap` that stays below this holds no bytes, whatever it holds: no process is that small.
const FEWEST_BYTES: f64 = 1e4;

fn says_bytes(name: &str) -> bool {
    words_of(name).last().is_some_and(|word| ["b", "byte", "bytes"].contains(&word.as_str()))
}

/// Seconds per unit of a clock column without a unit in its name: epochs in milli-, micro- and nanoseconds are told by
/// their size (seconds stay below 1e11 until the year 5138).
pub(crate) fn clock_scale(values: impl Iterator<Item = f64>) -> f64 {
    let largest = values.filter(|value| value.is_finite()).fold(0.0_f64, |most, value| most.max(value.abs()));
    match largest {
        most if most >= 1e17 => 1e-9,
        most if most >= 1e14 => 1e-6,
        most if most >= 1e11 => 1e-3,
        _ => 1.0,
    }
}

fn role_of(name: &str) -> Role {
    let words: Vec<String> = words_of(name);
    let is = |word: &str| words.iter().any(|own| own == word);
    let last = words.last().map_or("", String::as_str);
    match words.join("_").as_str() {
        "iteration" | "iterations" | "iter" | "round" | "step" | "cycle" | "i" | "n" => return Role::Iteration,
        "requests" | "request" | "requests_total" | "request_count" | "requests_served" | "http_requests_total" => {
            return Role::Requests;
        }
        _ => {}
    }
    if (is("start") && (is("time") || is("timestamp"))) || is("started") {
        return Role::Started;
    }
    if ["timestamp", "time", "seconds", "elapsed", "ts", "t", "date", "datetime", "uptime"].iter().any(|word| is(word))
    {
        return Role::Time {
            scale: match last {
                "ms" | "millis" | "milliseconds" => 1e-3,
                "us" | "micros" => 1e-6,
                "ns" | "nanos" => 1e-9,
                "min" | "minutes" => 60.0,
                _ => 1.0,
            },
        };
    }
    let memory = [
        "rss",
        "pss",
        "uss",
        "vms",
        "heap",
        "memory",
        "mem",
        "current",
        "peak",
        "used",
        "traced",
        "live",
        "inuse",
        "alloc",
        "allocated",
        "resident",
        "external",
        "size",
    ];
    match unit_by_name(last) {
        Some((scale, unit)) if words.len() > 1 || unit == Unit::Count => Role::Value { scale, unit },
        _ if is("objects") || is("count") => Role::Value { scale: 1.0, unit: Unit::Count },
        _ if memory.iter().any(|word| is(word)) => Role::Value { scale: 1.0, unit: Unit::Bytes },
        _ => Role::Other,
    }
}

/// `heapUsed (MB)` and `heap_used_mb` both give heap, used, mb.
fn words_of(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut lower_before = false;
    let mut open = false;
    for letter in name.chars() {
        if !letter.is_ascii_alphanumeric() {
            open = false;
            continue;
        }
        if !open || (letter.is_ascii_uppercase() && lower_before) {
            words.push(String::new());
        }
        open = true;
        lower_before = letter.is_ascii_lowercase() || letter.is_ascii_digit();
        if let Some(word) = words.last_mut() {
            word.push(letter.to_ascii_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(names: &[&str], rows: &[&[f64]]) -> Columns {
        Columns {
            names: names.iter().map(ToString::to_string).collect(),
            rows: rows.iter().map(|row| row.to_vec()).collect(),
            subjects: Vec::new(),
        }
    }

    #[test]
    fn names_give_role_and_unit() {
        let columns = table(
            &["timestamp", "iteration", "current_mb", "note_id"],
            &[&[1.0, 0.0, 2.0, 7.0], &[2.0, 1.0, 3.0, 7.0]],
        );
        let series = series_of_columns(&columns, &SeriesOptions::default()).unwrap();
        assert_eq!(series.len(), 1);
        assert_eq!(series[0].metric, "current_mb");
        assert_eq!(series[0].points[1].value, 3.0 * 1024.0 * 1024.0);
        assert_eq!(series[0].points[1].iteration, Some(1.0));
        assert_eq!(series[0].points[1].seconds, 2.0);
    }

    #[test]
    fn camel_case_and_brackets_split_into_words() {
        assert_eq!(words_of("heapUsed (MB)"), ["heap", "used", "mb"]);
        assert_eq!(words_of("RSS"), ["rss"]);
        assert_eq!(role_of("heapUsed"), Role::Value { scale: 1.0, unit: Unit::Bytes });
        assert_eq!(role_of("elapsed_ms"), Role::Time { scale: 1e-3 });
    }

    #[test]
    fn a_column_asked_for_is_the_only_one() {
        let columns = table(&["t", "rss", "foo"], &[&[0.0, 1.0, 2.0]]);
        let options = SeriesOptions { value: Some("foo".into()), unit: Some("kb".into()) };
        let series = series_of_columns(&columns, &options).unwrap();
        assert_eq!((series.len(), series[0].points[0].value), (1, 2048.0));
        let missing = SeriesOptions { value: Some("bar".into()), unit: None };
        let error = series_of_columns(&columns, &missing).unwrap_err().to_string();
        assert_eq!(error, "found no column `bar`: the file has `t`, `rss`, `foo`");
    }

    #[test]
    fn rows_about_several_subjects_make_a_series_each() {
        let mut columns = table(&["t", "live_bytes"], &[&[0.0, 1.0], &[0.0, 5.0], &[1.0, 2.0], &[1.0, 5.0]]);
        columns.subjects = ["Order", "User", "Order", "User"].map(str::to_owned).to_vec();
        let series = series_of_columns(&columns, &SeriesOptions::default()).unwrap();
        let found: Vec<_> = series.iter().map(|one| (one.subject.as_str(), one.points[1].value)).collect();
        assert_eq!(found, [("Order", 2.0), ("User", 5.0)]);
    }

    #[test]
    fn small_values_are_no_bytes() {
        let unit = |name: &str, value: f64| {
            series_of_columns(&table(&["t", name], &[&[0.0, value]]), &SeriesOptions::default()).unwrap()[0].unit
        };
        assert_eq!(unit("heap", 130.5), Unit::Unknown);
        assert_eq!(unit("heap", 5e6), Unit::Bytes);
        assert_eq!(unit("heap_bytes", 130.0), Unit::Bytes);
    }

    #[test]
    fn epochs_in_milliseconds_become_seconds() {
        let columns = table(&["timestamp", "rss"], &[&[1_790_000_000_000.0, 1.0], &[1_790_000_001_000.0, 1.0]]);
        let series = series_of_columns(&columns, &SeriesOptions::default()).unwrap();
        assert_eq!(series[0].points[1].seconds - series[0].points[0].seconds, 1.0);
    }
}
